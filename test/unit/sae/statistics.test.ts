import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { corpusOf, firingRows, SparseRunBuilder } from '../../../src/sae/sparse-run.ts';
import {
  CorpusIndex,
  patternFit,
  poissonRatio,
  profileFeature,
  profileFeatures,
  rankByFiringRatio,
} from '../../../src/sae/statistics.ts';

/** Fires where `fires` says so, at strength 1. */
function runOf(
  windows: readonly (readonly number[])[],
  fires: readonly ((window: readonly number[], position: number) => boolean)[],
  isCounted = (token: number) => token !== 1,
) {
  const corpus = corpusOf(windows, isCounted);
  const builder = new SparseRunBuilder(corpus, fires.length);
  for (const window of windows) {
    const values = window.flatMap((_, position) =>
      fires.map((fire) => (fire(window, position) ? 1 : 0)),
    );
    const features = window.flatMap(() => fires.map((_, feature) => feature));
    builder.append(
      Int32Array.from(features),
      Float32Array.from(values),
      new Float32Array(window.length),
    );
  }
  return builder.finish();
}

const endsWith =
  (...pattern: number[]) =>
  (window: readonly number[], position: number) =>
    pattern.every((token, i) => window[position - pattern.length + 1 + i] === token);

// The trigger is 7 8 9; each of its tokens also stands alone.
const windows = [
  [1, 20, 7, 8, 9, 30, 31, 32],
  [1, 21, 9, 22, 8, 23, 7, 24],
  [1, 25, 7, 8, 26, 8, 9, 27],
  [1, 28, 29, 7, 8, 9, 33, 34],
];

describe('feature profiles', () => {
  it('tell a conjunction from a one-token detector', () => {
    const run = runOf(windows, [endsWith(7, 8, 9), endsWith(9)]);
    const index = new CorpusIndex(run.corpus);
    const conjunction = profileFeature(run, index, 0);
    expect(conjunction?.best).toEqual({
      pattern: [7, 8, 9],
      occurrences: 2,
      precision: 1,
      recall: 1,
    });
    expect(conjunction?.conjunction).toBe(1);
    expect(conjunction?.narrowness).toBe(1);
    expect(conjunction?.windows).toBe(2);
    expect(conjunction?.density).toBeCloseTo(2 / 28, 10);
    const single = profileFeature(run, index, 1);
    expect(single?.best.pattern).toEqual([9]);
    expect(single?.conjunction).toBe(0);
    expect(profileFeatures(run).map((profile) => profile.feature)).toEqual([0, 1]);
  });

  it('count an onset once and measure persistence inside the window', () => {
    const after = (window: readonly number[], position: number) =>
      window.slice(0, position + 1).includes(9);
    const run = runOf(windows, [after, () => false]);
    const profile = profileFeature(run, new CorpusIndex(run.corpus), 0);
    expect(profile?.onsets).toBe(4);
    expect(profile?.persistence).toBe(1);
    expect(profile?.best.pattern).toEqual([9]);
    expect(profileFeature(run, new CorpusIndex(run.corpus), 1)).toBeUndefined();
  });

  it('never match across windows, and leave out tokens that do not count', () => {
    const run = runOf(
      [
        [1, 7, 8],
        [9, 1, 5],
      ],
      [() => true],
    );
    expect(new CorpusIndex(run.corpus).occurrences([7, 8, 9])).toEqual([]);
    expect([...firingRows(run, 0)]).toEqual([1, 2, 3, 5]);
  });
});

describe('patternFit', () => {
  it('counts firings on the pattern and in its tail', () => {
    const run = runOf(windows, [endsWith(30), endsWith(8)]);
    const index = new CorpusIndex(run.corpus);
    expect(patternFit(run, index, 0, [7, 8, 9])).toMatchObject({ precision: 0, recall: 0 });
    expect(patternFit(run, index, 0, [7, 8, 9], 1)).toMatchObject({ precision: 1, recall: 0.5 });
    expect(patternFit(run, index, 1, [7, 8, 9])).toMatchObject({ precision: 0.4, recall: 1 });
    expect(patternFit(run, index, 1, [99])).toMatchObject({ occurrences: 0, recall: 0 });
  });

  it('agrees with a direct count on random corpora', () => {
    const token = fc.integer({ min: 0, max: 3 });
    fc.assert(
      fc.property(
        fc.array(fc.array(token, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 5 }),
        fc.array(token, { minLength: 1, maxLength: 3 }),
        (texts, pattern) => {
          const run = runOf(texts, [endsWith(2)], () => true);
          const fit = patternFit(run, new CorpusIndex(run.corpus), 0, pattern);
          const ends = texts.flatMap((text) =>
            text.map((_, i) => endsWith(...pattern)(text, i)).filter(Boolean),
          );
          expect(fit.occurrences).toBe(ends.length);
          if (pattern.includes(2) && ends.length > 0) expect(fit.recall).toBe(1);
          if (!pattern.includes(2)) expect(fit.precision).toBe(0);
        },
      ),
    );
  });
});

describe('firing ratios', () => {
  it('rank what the suspect text fires above what both fire', () => {
    const suspect = runOf(windows, [endsWith(7, 8, 9), endsWith(7), () => true]);
    const clean = runOf(
      [[1, 7, 20, 21, 7, 22, 23, 24, 7, 25]],
      [endsWith(7, 8, 9), endsWith(7), () => true],
    );
    const ranked = rankByFiringRatio(suspect, clean);
    expect(ranked[0]?.feature).toBe(0);
    expect(ranked.at(-1)?.feature).toBe(1);
    expect(ranked[0]).toMatchObject({ suspectFirings: 2, referenceFirings: 0 });
  });

  it('are zero for equal rates, positive and negative else', () => {
    expect(poissonRatio(5, 100, 50, 1000)).toBeCloseTo(0, 12);
    expect(poissonRatio(20, 100, 50, 1000)).toBeGreaterThan(5);
    expect(poissonRatio(0, 100, 500, 1000)).toBeLessThan(-5);
    expect(poissonRatio(0, 100, 0, 100)).toBe(0);
  });
});
