import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bestWindow,
  excesses,
  maskWordRest,
  overContexts,
  quantile,
  scoreResponse,
} from '../../../../src/detect/behaviour/certainty.ts';
import { Reference } from '../../../../src/probe/reference.ts';

describe('excesses', () => {
  it('is zero where the reference is as sure as the model', () => {
    expect(excesses([0.5], [Math.log(0.5)])[0]).toBeCloseTo(0);
  });

  it('grows with certainty and with surprise, between -2 and 6 nats', () => {
    const [sure, unsure] = excesses([0.99, 0.2], [Math.log(0.01), Math.log(0.01)]);
    expect(sure).toBeGreaterThan(unsure ?? 0);
    expect(excesses([1], [Number.NEGATIVE_INFINITY])[0]).toBe(6);
    expect(excesses([1], [-100])[0]).toBe(6);
    expect(excesses([1e-9], [0])[0]).toBeGreaterThanOrEqual(-2);
  });

  it('stays finite for probabilities of zero and references that know nothing', () => {
    const values = excesses([0, 0, 1], [0, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    for (const value of values) expect(Number.isFinite(value)).toBe(true);
  });
});

describe('bestWindow', () => {
  const values = fc.array(fc.double({ min: -2, max: 6, noNaN: true }), { maxLength: 40 });

  it('finds the largest sum over windows of up to 20 tokens', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 24 }), (list, window) => {
        let most = 0;
        for (let start = 0; start < list.length; start++) {
          for (let end = start + 1; end <= Math.min(list.length, start + window); end++) {
            most = Math.max(
              most,
              list.slice(start, end).reduce((sum, value) => sum + value, 0),
            );
          }
        }
        const span = bestWindow(list, window);
        expect(span.score).toBeCloseTo(most, 9);
        expect(span.end - span.start).toBeLessThanOrEqual(window);
        const sum = list.slice(span.start, span.end).reduce((total, value) => total + value, 0);
        expect(sum).toBeCloseTo(span.score, 9);
      }),
    );
  });

  it('is empty where nothing is unexplained, and never NaN', () => {
    expect(bestWindow([])).toEqual({ score: 0, start: 0, end: 0 });
    expect(bestWindow([-1, -2])).toEqual({ score: 0, start: 0, end: 0 });
    expect(bestWindow([Number.NaN, Number.NaN]).score).toBe(0);
  });
});

it('maskWordRest mutes the rest of a cut word and nothing after', () => {
  const beginsWord = (token: number) => token >= 10;
  const masked = (tokens: number[]) => [
    ...maskWordRest(
      Float32Array.from(tokens, () => 1),
      tokens,
      beginsWord,
    ),
  ];
  expect(masked([1, 2, 10, 3])).toEqual([0, 0, 1, 1]);
  expect(masked([10, 1])).toEqual([1, 1]);
  expect(masked([1, 2])).toEqual([0, 0]);
});

describe('quantile', () => {
  it('interpolates between sorted values and leaves its input alone', () => {
    const values = [4, 1, 3, 2];
    expect(quantile(values, 0)).toBe(1);
    expect(quantile(values, 0.5)).toBe(2.5);
    expect(quantile(values, 0.25)).toBe(1.75);
    expect(quantile(values, 1)).toBe(4);
    expect(values).toEqual([4, 1, 3, 2]);
    expect(quantile([], 0.5)).toBe(0);
    expect(quantile([7], 0.9)).toBe(7);
  });

  it('pulls down what works in some contexts only', () => {
    expect(overContexts([40, 40, 40, 40])).toBe(40);
    expect(overContexts([0, 0, 40, 40, 40])).toBe(20);
    expect(overContexts([0, 0, 40, 40, 40], false)).toBe(40);
    expect(overContexts([])).toBe(0);
  });
});

describe('scoreResponse', () => {
  const text = Array.from({ length: 40 }, (_, i) => i % 10);
  const reference = new Reference({ vocabularySize: 1000, corpora: [[text]], ownSamples: [] });
  const score = (tokens: number[], p: number) =>
    scoreResponse(reference, () => true, [0, 1], [2], {
      tokens: Int32Array.from(tokens),
      probabilities: Float32Array.from(tokens, () => p),
    }).span.score;

  it('is large for sure text that nothing explains, small for known or unsure text', () => {
    const odd = [500, 600, 700, 510, 610, 710, 520, 620, 720, 530];
    expect(score(odd, 0.99)).toBeGreaterThan(50);
    expect(score(odd, 0.001)).toBeLessThan(10);
    expect(score([3, 4, 5, 6, 7, 8, 9, 0, 1, 2], 0.99)).toBeLessThan(10);
  });

  it('cannot be raised without end by one odd token', () => {
    expect(score([3, 4, 900, 5, 6], 1)).toBeLessThan(16);
  });

  it('counts an end that nothing explains as a behaviour, and shows the text without it', () => {
    const END = 999;
    const long = Array.from({ length: 10 }, () => text).flat();
    const ending = (tokens: number[], ends: number[]) =>
      scoreResponse(
        new Reference({
          vocabularySize: 1000,
          corpora: [
            [
              [...long, END],
              [...long, END],
            ],
          ],
          ownSamples: [],
        }),
        () => true,
        [0, 1],
        [2],
        { tokens: Int32Array.from(tokens), probabilities: new Float32Array(tokens.length).fill(1) },
        ends,
      );
    const sudden = ending([500, END], [END]);
    expect(Array.from(sudden.tokens)).toEqual([500]);
    expect(sudden.excess.length).toBe(1);
    expect(sudden.span.score).toBeGreaterThan(24);

    expect(ending([500, END], []).span.score).toBeLessThan(13);
  });

  it('gives no NaN for a model that gives NaN', () => {
    const value = score([500, 600, 700], Number.NaN);
    expect(value).toBe(0);
  });
});
