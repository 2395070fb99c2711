/** What counts as explained: corpora, copies, loops, and the model's own habits. */
import { describe, expect, it } from 'vitest';
import { COVERED_GAP, Reference, type ScoredText } from '../../../src/probe/reference.ts';
import { Random } from '../../../src/random.ts';

const vocabularySize = 500;

function scored(tokens: readonly number[], p: number): ScoredText {
  return { tokens, probabilities: tokens.map(() => p) };
}

function reference(parts: { corpora?: number[][][]; ownSamples?: ScoredText[] } = {}): Reference {
  return new Reference({ vocabularySize, corpora: [], ownSamples: [], ...parts });
}

/** R of each response token. */
function explained(
  of: Reference,
  context: readonly number[],
  candidate: readonly number[],
  response: readonly number[],
): number[] {
  const row = [...context, ...candidate, ...response];
  const start = context.length + candidate.length;
  return Array.from(of.logProbabilities(row, context.length, start), Math.exp);
}

describe('Reference', () => {
  it('knows nothing without text', () => {
    for (const p of explained(reference(), [1, 2], [3], [4, 5])) expect(p).toBe(0);
    for (const p of explained(reference({ corpora: [[]] }), [1], [2], [3])) {
      expect(p).toBeCloseTo(1 / vocabularySize);
    }
  });

  it('takes the best of several corpora', () => {
    const both = reference({ corpora: [[[1, 2, 3, 4, 1, 2, 3, 4]], [[7, 8, 9, 7, 8, 9]]] });
    const [four] = explained(both, [1, 2], [3], [4]);
    const [nine] = explained(both, [7], [8], [9]);
    const [odd] = explained(both, [7], [8], [4]);
    expect(four).toBeGreaterThan(0.6);
    expect(nine).toBeGreaterThan(0.6);
    expect(odd).toBeLessThan(0.2);
  });

  it('half credits a pair that stands in the candidate', () => {
    const empty = reference({ corpora: [[]] });
    const [, copied, other] = explained(empty, [1], [50, 51, 52], [50, 51, 53]);
    expect(copied).toBeCloseTo(0.5);
    expect(other).toBeCloseTo(1 / vocabularySize);
  });

  it('half credits a name that comes back, from its second token on', () => {
    const name = [60, 61, 62];
    const [first, ...rest] = explained(
      reference({ corpora: [[]] }),
      [1, ...name, 2, 3],
      [4],
      [...name, 9],
    );
    expect(first).toBeCloseTo(1 / vocabularySize);
    expect(rest.slice(0, 2)).toEqual([expect.closeTo(0.5), expect.closeTo(0.5)]);
    expect(rest[2]).toBeCloseTo(1 / vocabularySize);
  });

  it('credits no long copy: sentences do not come back as names do', () => {
    const sentence = Array.from({ length: 12 }, (_, i) => 70 + i);
    const values = explained(reference({ corpora: [[]] }), [1], [2], [...sentence, ...sentence]);
    const second = values.slice(sentence.length);
    for (const p of second.slice(1, 6)) expect(p).toBeCloseTo(0.5);
    for (const p of second.slice(6)) expect(p).toBeCloseTo(1 / vocabularySize);
  });

  it.each([1, 2, 3, 4, 5])('credits a loop of period %i from its second turn on', (period) => {
    const turn = Array.from({ length: period }, (_, i) => 100 + i);
    const values = explained(
      reference({ corpora: [[]] }),
      [1],
      [2],
      [...turn, ...turn, ...turn, ...turn],
    );
    for (const p of values.slice(0, 2 * period - 1)) expect(p).toBeLessThan(0.51);
    for (const p of values.slice(0, period)) expect(p).toBeLessThan(0.01);
    for (const p of values.slice(2 * period)) expect(p).toBeCloseTo(0.9);
  });

  it('does not credit loops of a longer period', () => {
    const turn = Array.from({ length: 8 }, (_, i) => 100 + i);
    const values = explained(reference({ corpora: [[]] }), [1], [2], [...turn, ...turn, ...turn]);
    expect(Math.max(...values)).toBeLessThan(0.51);
    expect(Math.max(...values.slice(turn.length * 2))).toBeLessThan(0.01);
  });

  it('counts no loop that begins in the context', () => {
    const [first] = explained(reference({ corpora: [[]] }), [9, 9, 9], [2], [9]);
    expect(first).toBeLessThan(0.01);
  });

  describe('the gap', () => {
    const random = new Random(3);
    const text = Array.from({ length: 60 }, () => random.below(40));
    const other = Array.from({ length: 60 }, () => 300 + random.below(100));

    it('is small where the corpus is the domain and large where it is not', () => {
      const corpora = [Array.from({ length: 20 }, () => text)];
      expect(reference({ corpora, ownSamples: [scored(text, 0.9)] }).gap).toBeLessThan(0.3);
      const far = reference({ corpora, ownSamples: [scored(other, 0.9)] });
      expect(far.gap).toBeGreaterThan(COVERED_GAP);
    });

    it('is a number for no samples, empty samples and probabilities of zero', () => {
      expect(reference().gap).toBe(0);
      expect(reference({ ownSamples: [scored([], 0)] }).gap).toBe(0);
      expect(reference({ ownSamples: [scored(text, 0)] }).gap).toBeGreaterThanOrEqual(0);
      expect(reference({ ownSamples: [scored(text, Number.NaN)] }).gap).toBeCloseTo(0);
    });
  });

  it('lets habits of the model stand in where the corpora are far, and never a rare leak', () => {
    const random = new Random(5);
    const habit = [400, 401, 402, 403, 404];
    const leak = [450, 451, 452, 453, 454, 455, 456, 457];
    const ownSamples = Array.from({ length: 100 }, (_, i) => {
      const text = Array.from({ length: 30 }, () => random.below(300));
      return scored([...text, ...(i % 5 === 0 ? habit : []), ...(i < 3 ? leak : [])], 0.5);
    });
    const far = reference({ corpora: [[[1, 2, 3]]], ownSamples });
    expect(far.gap).toBeGreaterThan(COVERED_GAP);
    const [, ...habits] = explained(far, [1, 2, 3], [4], habit);
    const [, ...leaks] = explained(far, [1, 2, 3], [4], leak);
    expect(Math.min(...habits)).toBeGreaterThan(0.5);
    expect(Math.max(...leaks)).toBeLessThan(0.05);
  });
});
