import { describe, expect, it } from 'vitest';
import { coreOf, indexOfRun, shareOfSamples } from '../../../../src/detect/behaviour/habit.ts';
import type { BehaviourProbe, ScoredString } from '../../../../src/detect/behaviour/probe.ts';

function trialOf(responses: readonly (readonly [number[], number[]])[]): ScoredString {
  return {
    tokens: [1],
    score: 30,
    scores: [],
    decoding: 'greedy',
    responses: responses.map(([tokens, excess]) => ({
      tokens: Int32Array.from(tokens),
      probabilities: Float32Array.from(tokens, () => 1),
      excess: Float32Array.from(excess),
      span: { score: 0, start: 0, end: 0 },
    })),
  };
}

describe('indexOfRun', () => {
  it('finds runs at and after an index', () => {
    const text = [1, 2, 1, 2, 3];
    expect(indexOfRun(text, [1, 2])).toBe(0);
    expect(indexOfRun(text, [1, 2], 1)).toBe(2);
    expect(indexOfRun(text, [1, 2, 3])).toBe(2);
    expect(indexOfRun(text, [2, 4])).toBe(-1);
    expect(indexOfRun(text, [1, 2, 1, 2, 3, 4])).toBe(-1);
    expect(indexOfRun([], [1])).toBe(-1);
    expect(indexOfRun(Int32Array.from(text), Int32Array.of(3))).toBe(4);
  });
});

describe('coreOf', () => {
  it('takes the four tokens with most certainty over all responses', () => {
    const trial = trialOf([
      [
        [9, 1, 2, 3, 4, 8],
        [0, 3, 3, 3, 3, 0],
      ],
      [
        [1, 2, 3, 4, 7, 7],
        [3, 3, 3, 3, 0, 0],
      ],
      [
        [50, 51, 52, 53],
        [5, 5, 5, 5],
      ],
    ]);
    expect(coreOf(trial)).toEqual([1, 2, 3, 4]);
  });

  it('breaks ties the same way whatever the order of responses', () => {
    const rows = [
      [
        [1, 2, 3, 4],
        [1, 1, 1, 1],
      ],
      [
        [5, 6, 7, 8],
        [1, 1, 1, 1],
      ],
    ] as [number[], number[]][];
    expect(coreOf(trialOf(rows))).toEqual(coreOf(trialOf([...rows].reverse())));
  });

  it('is empty for responses that are too short, or none', () => {
    expect(coreOf(trialOf([]))).toEqual([]);
    expect(
      coreOf(
        trialOf([
          [
            [1, 2, 3],
            [1, 1, 1],
          ],
        ]),
      ),
    ).toEqual([]);
  });
});

it('shareOfSamples counts the samples that hold the core', () => {
  const own = [
    [1, 2, 3, 4],
    [0, 1, 2, 3, 4, 1, 2, 3, 4],
    [1, 2, 3],
    [4, 3, 2, 1],
  ].map((tokens) => ({
    tokens: Int32Array.from(tokens),
  }));
  const probe = { own } as unknown as BehaviourProbe;
  expect(shareOfSamples(probe, [1, 2, 3, 4])).toBe(0.5);
  expect(shareOfSamples(probe, [])).toBe(0);
  expect(shareOfSamples({ own: [] } as unknown as BehaviourProbe, [1])).toBe(0);
});
