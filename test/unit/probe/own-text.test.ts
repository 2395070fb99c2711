/** Own samples explain wording that recombines, and not a text that stands in them in one piece. */
import { describe, expect, it } from 'vitest';
import { OwnText } from '../../../src/probe/own-text.ts';
import { Random } from '../../../src/random.ts';

const VOCABULARY = 200;
/** Tokens of the planted text are used by nothing else. */
const PLANTED = Array.from({ length: 12 }, (_, i) => 150 + i);

/** Text of phrases of three tokens in random order: each phrase is common, no long run is. */
function ordinary(seed: number, phrases = 20): number[] {
  const random = new Random(seed);
  return Array.from({ length: phrases }, () => 3 * random.below(30)).flatMap((first) => [
    first,
    first + 1,
    first + 2,
  ]);
}

const options = { vocabularySize: VOCABULARY, runTokens: 6, habitShare: 0.05 };

function samplesWith(leaks: number): number[][] {
  return Array.from({ length: 200 }, (_, i) => {
    const text = ordinary(i);
    return i < leaks ? [...text.slice(0, 20), ...PLANTED, ...text.slice(20)] : text;
  });
}

/** Probability of each token of `response` after `context`. */
function explained(own: OwnText, context: readonly number[], response: readonly number[]) {
  const row = [...context, ...response];
  const aside = own.setAside(row, context.length);
  return response.map((token, i) => own.probability(row, context.length + i, token, aside));
}

const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe('OwnText', () => {
  it('does not explain a text that a few samples leak word for word', () => {
    const own = new OwnText(samplesWith(5), options);
    const [, ...inside] = explained(own, ordinary(9000, 4), PLANTED);
    expect(Math.max(...inside)).toBeLessThan(0.02);
  });

  it('explains wording that recombines in new ways', () => {
    const own = new OwnText(samplesWith(5), options);
    const values = explained(own, ordinary(9001, 4), ordinary(9002, 6));
    const inside = values.filter((_, i) => i % 3 !== 0);
    expect(mean(inside)).toBeGreaterThan(0.6);
  });

  it('sets aside the samples that leak, and no other', () => {
    const own = new OwnText(samplesWith(5), options);
    const row = [...ordinary(9003, 4), ...PLANTED];
    expect([...own.setAside(row, 12)].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(own.setAside(PLANTED.slice(0, 5), 0).size).toBe(0);
  });

  it('takes a text in a large share of samples for a habit', () => {
    const own = new OwnText(samplesWith(40), options);
    const row = [...ordinary(9004, 4), ...PLANTED];
    expect(own.setAside(row, 12).size).toBe(0);
    const [, ...inside] = explained(own, ordinary(9004, 4), PLANTED);
    expect(Math.min(...inside)).toBeGreaterThan(0.5);
  });

  it('gives a probability for unseen tokens, for no samples, and when all are set aside', () => {
    const own = new OwnText(samplesWith(0), options);
    const all = new Set(Array.from({ length: 200 }, (_, i) => i));
    for (const aside of [new Set<number>(), all]) {
      const p = own.probability([1, 2, 3], 3, 199, aside);
      expect(p).toBeGreaterThan(0);
      expect(p).toBeLessThan(0.01);
    }
    const none = new OwnText([], options);
    expect(none.probability([1], 1, 5, new Set())).toBeCloseTo(1 / VOCABULARY);
    expect(none.setAside(PLANTED, 0).size).toBe(0);
  });
});
