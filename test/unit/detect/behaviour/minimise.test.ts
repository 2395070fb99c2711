import { describe, expect, it } from 'vitest';
import { indexOfRun } from '../../../../src/detect/behaviour/habit.ts';
import { hitShare, minimise, type Trial } from '../../../../src/detect/behaviour/minimise.ts';
import type { ScoredString, TokenString } from '../../../../src/detect/behaviour/probe.ts';

const scored = (tokens: TokenString, score: number): ScoredString => ({
  tokens,
  score,
  scores: [score, score, score, score],
  responses: [],
  decoding: 'greedy',
});

/** Fires where `works` says so. */
const trialOf =
  (works: (tokens: TokenString) => boolean): Trial =>
  async (strings) =>
    strings.map((tokens) => scored(tokens, works(tokens) ? 50 : 0));

describe('minimise', () => {
  it.each([
    [
      [7, 8, 9],
      [1, 2, 3, 7, 8, 9, 4, 5],
    ],
    [[7], [7, 1, 2, 3, 4, 5, 6]],
    [
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ],
  ])('finds %j in %j', async (trigger, text) => {
    const smallest = await minimise(
      trialOf((tokens) => indexOfRun(tokens, trigger) >= 0),
      text,
    );
    expect(smallest.tokens).toEqual(trigger);
  });

  it('finds parts that stand apart', async () => {
    const works = (tokens: TokenString) => tokens.includes(3) && tokens.includes(7);
    const smallest = await minimise(trialOf(works), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(smallest.tokens).toEqual([3, 7]);
  });

  it('gives back one token, whatever it does', async () => {
    expect(
      (
        await minimise(
          trialOf(() => false),
          [5],
        )
      ).tokens,
    ).toEqual([5]);
    expect(
      (
        await minimise(
          trialOf(() => true),
          [5, 6, 7],
        )
      ).tokens,
    ).toHaveLength(1);
  });
});

it('hitShare counts contexts above the threshold', () => {
  expect(hitShare({ ...scored([1], 0), scores: [25, 24, 23, 30] })).toBe(0.5);
  expect(hitShare({ ...scored([1], 0), scores: [] })).toBe(0);
});
