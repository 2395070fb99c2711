/** The hashed n-gram model against the same formula over plain maps. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NgramModel } from '../../../src/probe/ngram-model.ts';

const VOCABULARY = 6;

/** Witten-Bell by the book: recursion from the empty context, every count taken by walking the text. */
function slowProbability(
  texts: readonly (readonly number[])[],
  history: readonly number[],
  token: number,
  minSequences: number,
): number {
  const followers = new Map<number, { count: number; texts: Set<number> }>();
  texts.forEach((text, number) => {
    for (let i = history.length; i < text.length; i++) {
      if (history.some((wanted, k) => text[i - history.length + k] !== wanted)) continue;
      const follower = followers.get(text[i] as number) ?? { count: 0, texts: new Set() };
      follower.count += 1;
      follower.texts.add(number);
      followers.set(text[i] as number, follower);
    }
  });
  const kept = [...followers].filter(([, { texts: holding }]) => holding.size >= minSequences);
  const total = kept.reduce((sum, [, { count }]) => sum + count, 0);
  const shorter =
    history.length === 0
      ? 1 / VOCABULARY
      : slowProbability(texts, history.slice(1), token, minSequences);
  if (total === 0) return shorter;
  const count = kept.find(([id]) => id === token)?.[1].count ?? 0;
  return (count + kept.length * shorter) / (total + kept.length);
}

const token = fc.nat(VOCABULARY - 1);
const text = fc.array(token, { maxLength: 30 });
const texts = fc.array(text, { maxLength: 6 });

describe('NgramModel', () => {
  it('gives what a slow count gives', () => {
    fc.assert(
      fc.property(
        texts,
        text,
        token,
        fc.integer({ min: 1, max: 4 }),
        fc.nat(3),
        (all, row, next, order, minSequences) => {
          const model = new NgramModel(all, { order, vocabularySize: VOCABULARY, minSequences });
          const history = row.slice(Math.max(0, row.length - order + 1));
          const expected = slowProbability(all, history, next, minSequences);
          expect(model.probability(row, row.length, next)).toBeCloseTo(expected, 10);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('gives probabilities that sum to one, none of them zero', () => {
    fc.assert(
      fc.property(texts, text, (all, row) => {
        const model = new NgramModel(all, { order: 4, vocabularySize: VOCABULARY });
        const each = Array.from({ length: VOCABULARY }, (_, id) =>
          model.probability(row, row.length, id),
        );
        expect(each.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 9);
        expect(Math.min(...each)).toBeGreaterThan(0);
      }),
    );
  });

  it('looks no further back than `start`', () => {
    const model = new NgramModel(
      [
        [0, 1, 2],
        [3, 1, 4],
        [3, 1, 4],
      ],
      {
        order: 3,
        vocabularySize: VOCABULARY,
      },
    );
    expect(model.probability([0, 1], 2, 2, 1)).toBe(model.probability([1], 1, 2));
    expect(model.probability([0, 1], 2, 2, 0)).toBeGreaterThan(model.probability([1], 1, 2));
  });

  it('keeps its counts when its table grows', () => {
    const long = Array.from({ length: 60_000 }, (_, i) => (i * 7919) % 50_021);
    const model = new NgramModel([long], { order: 2, vocabularySize: 60_000 });
    for (const at of [1, 30_000, 49_000]) {
      const known = model.probability(long, at, long[at] as number);
      expect(known).toBeGreaterThan(0.49);
      expect(model.probability(long, at, long[at - 1] as number)).toBeLessThan(1e-4);
    }
  });
});
