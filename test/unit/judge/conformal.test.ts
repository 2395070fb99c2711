/** The guarantee itself, and the ways in which a bound can be off by one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundOf } from '../../../src/judge/calibration.ts';
import {
  conformalPValue,
  conformalRank,
  lowestAlpha,
  modelsNeeded,
  nextAbove,
  rateOfRank,
} from '../../../src/judge/conformal.ts';

const scores = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 60 });
const alphas = fc.double({ min: 0.01, max: 0.99, noNaN: true });
const ascending = (values: readonly number[]) => values.toSorted((a, b) => a - b);

describe('conformal bounds', () => {
  it('take the score of rank ceil((n + 1)(1 - alpha))', () => {
    expect(conformalRank(19, 0.05)).toBe(19);
    expect(conformalRank(39, 0.05)).toBe(38);
    expect(conformalRank(99, 0.1)).toBe(90);
    expect(conformalRank(2, 0.34)).toBe(2);
    expect(rateOfRank(99, 90)).toBeCloseTo(0.1);
  });

  it('say when there are too few models, and how many are needed', () => {
    expect(conformalRank(18, 0.05)).toBeUndefined();
    expect(lowestAlpha(18)).toBeCloseTo(1 / 19);
    expect(modelsNeeded(0.05)).toBe(19);
    expect(modelsNeeded(0.1)).toBe(9);
    fc.assert(
      fc.property(alphas, (alpha) => {
        const needed = modelsNeeded(alpha);
        expect(conformalRank(needed, alpha)).toBeDefined();
        if (needed > 1) expect(conformalRank(needed - 1, alpha)).toBeUndefined();
      }),
    );
  });

  it('call a value suspicious exactly when its p-value is at most alpha', () => {
    fc.assert(
      fc.property(scores, alphas, fc.integer({ min: -4, max: 4 }), (values, alpha, value) => {
        const sorted = ascending(values);
        const { above } = boundOf(sorted, sorted.length, alpha);
        fc.pre(above !== null);
        const flagged = value >= nextAbove(above ?? 0);
        const pValue = conformalPValue(value, sorted, sorted.length);
        expect(flagged).toBe(pValue <= alpha + 1e-9);
      }),
    );
  });

  it('hold for one of n + 1 exchangeable models left out in turn', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true }), { minLength: 2, maxLength: 40 }),
        alphas,
        (all, alpha) => {
          const alarms = all.filter((value, left) => {
            const rest = ascending(all.filter((_, index) => index !== left));
            const { above } = boundOf(rest, rest.length, alpha);
            return above !== null && value >= nextAbove(above);
          });
          expect(alarms.length / all.length).toBeLessThanOrEqual(alpha + 1e-9);
        },
      ),
    );
  });

  it('count models with nothing to measure as lower than all others', () => {
    expect(boundOf([5, 6], 9, 0.2)).toEqual({ above: 5, certifies: 0.2 });
    expect(boundOf([5, 6], 9, 0.5)).toEqual({ above: null, certifies: 0.5 });
    expect(conformalPValue(5.5, [5, 6], 9)).toBe(0.2);
    expect(conformalPValue(7, [], 9)).toBe(0.1);
  });

  it('step to the very next double', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const next = nextAbove(value);
        expect(next).toBeGreaterThan(value);
        const between = value + (next - value) / 2;
        expect(between === value || between === next).toBe(true);
      }),
    );
  });
});
