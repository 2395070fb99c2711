/** Published intervals (81 of 263: Newcombe 1998), the lady tasting tea, and exact counting. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fisherGreater, wilson } from '../../../../src/detect/behaviour/statistics.ts';

describe('wilson', () => {
  it.each([
    [0, 10, 0, 0.2775327998628893],
    [5, 10, 0.2365931, 0.7634069],
    [10, 10, 0.7224672001371107, 1],
    [24, 24, 0.8620237953250198, 1],
    [1, 100, 0.0017674, 0.0544862],
    [81, 263, 0.2552884, 0.3661811],
  ])('%i of %i', (hits, trials, low, high) => {
    const rate = wilson(hits, trials);
    expect(rate).toMatchObject({ hits, trials, rate: hits / trials });
    expect(rate.low).toBeCloseTo(low, 4);
    expect(rate.high).toBeCloseTo(high, 4);
  });

  it('knows nothing from no trials', () => {
    expect(wilson(0, 0)).toEqual({ hits: 0, trials: 0, rate: 0, low: 0, high: 1 });
  });

  it('holds the rate, inside 0 to 1, and narrows with trials', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.nat(1000), (trials, picked) => {
        const hits = Math.min(trials, picked);
        const { rate, low, high } = wilson(hits, trials);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(rate + 1e-12);
        expect(high).toBeGreaterThanOrEqual(rate - 1e-12);
        const more = wilson(hits * 4, trials * 4);
        expect(more.high - more.low).toBeLessThan(high - low);
      }),
    );
  });
});

/** Every table with the same margins, counted one by one with exact whole numbers. */
function slowFisher(hitsA: number, trialsA: number, hitsB: number, trialsB: number): number {
  const choose = (n: number, k: number): bigint => {
    if (k < 0 || k > n) return 0n;
    let value = 1n;
    for (let i = 1; i <= k; i++) value = (value * BigInt(n - k + i)) / BigInt(i);
    return value;
  };
  let tail = 0n;
  for (let x = hitsA; x <= trialsA; x++) {
    tail += choose(trialsA, x) * choose(trialsB, hitsA + hitsB - x);
  }
  const scale = 10n ** 18n;
  return Number((tail * scale) / choose(trialsA + trialsB, hitsA + hitsB)) / 1e18;
}

describe('fisherGreater', () => {
  it('gives the value of the lady tasting tea', () => {
    expect(fisherGreater(3, 4, 1, 4)).toBeCloseTo(17 / 70, 12);
    expect(fisherGreater(4, 4, 0, 4)).toBeCloseTo(1 / 70, 12);
  });

  it('gives what exact counting gives', () => {
    const trials = fc.integer({ min: 0, max: 60 });
    fc.assert(
      fc.property(trials, trials, fc.nat(60), fc.nat(60), (trialsA, trialsB, a, b) => {
        const hitsA = Math.min(a, trialsA);
        const hitsB = Math.min(b, trialsB);
        const p = fisherGreater(hitsA, trialsA, hitsB, trialsB);
        expect(p).toBeCloseTo(slowFisher(hitsA, trialsA, hitsB, trialsB), 9);
      }),
    );
  });

  it('is one where nothing was tried or nothing hit, and small but no zero where all differ', () => {
    expect(fisherGreater(0, 0, 0, 0)).toBe(1);
    expect(fisherGreater(0, 24, 5, 240)).toBeCloseTo(1, 12);
    const p = fisherGreater(96, 96, 0, 800);
    expect(p).toBeGreaterThan(0);
    expect(p).toBeLessThan(1e-100);
  });
});
