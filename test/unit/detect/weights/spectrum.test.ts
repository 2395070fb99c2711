import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Moments } from '../../../../src/detect/weights/moments.ts';
import { outliers, robustScale } from '../../../../src/detect/weights/robust.ts';
import {
  gram,
  spectrumFacts,
  symmetricEigen,
  topSpectrum,
} from '../../../../src/detect/weights/spectrum.ts';

/** Sum of given singular triples with orthogonal sine vectors. */
function matrixWith(singularValues: readonly number[], rows: number, columns: number) {
  const wave = (size: number, k: number, i: number) =>
    Math.sqrt(2 / (size + 1)) * Math.sin((Math.PI * (k + 1) * (i + 1)) / (size + 1));
  const data = new Float32Array(rows * columns);
  for (const [k, value] of singularValues.entries()) {
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        (data[r * columns + c] as number) += value * wave(rows, k, r) * wave(columns, k, c);
      }
    }
  }
  return { rows, columns, data };
}

describe('topSpectrum', () => {
  it('finds known singular values and vectors', () => {
    const values = Array.from({ length: 40 }, (_, k) => 10 * 0.8 ** k);
    const { singularValues, rightVectors, energy } = topSpectrum(matrixWith(values, 60, 90));
    for (const [k, value] of singularValues.entries()) {
      expect(value).toBeCloseTo(values[k] as number, k < 15 ? 3 : 1);
    }
    expect(energy).toBeCloseTo(
      values.reduce((sum, value) => sum + value ** 2, 0),
      2,
    );
    const first = rightVectors[0] as Float64Array;
    const expected = Math.abs(Math.sqrt(2 / 91) * Math.sin(Math.PI / 91));
    expect(Math.abs(first[0] as number)).toBeCloseTo(expected, 5);
  });

  it('tells a rank-one update from a spread one', () => {
    const one = topSpectrum(matrixWith([3], 50, 40));
    const facts = spectrumFacts(one.singularValues, one.energy, 40);
    expect(facts.top1Energy).toBeGreaterThan(0.999);
    expect(facts.stableRank).toBeCloseTo(1, 3);
    expect(facts.spectralEntropy).toBeLessThan(0.01);
    const flat = topSpectrum(matrixWith(new Array(40).fill(1), 50, 40));
    const spread = spectrumFacts(flat.singularValues, flat.energy, 40);
    expect(spread.top1Energy).toBeCloseTo(1 / 40, 2);
    expect(spread.top20Energy).toBeCloseTo(0.5, 2);
    expect(spread.spectralEntropy).toBeGreaterThan(0.98);
  });

  it('takes a zero matrix and one smaller than the block', () => {
    const zero = topSpectrum({ rows: 4, columns: 4, data: new Float32Array(16) });
    expect(spectrumFacts(zero.singularValues, zero.energy, 4)).toMatchObject({ stableRank: 0 });
    const small = topSpectrum({ rows: 2, columns: 3, data: Float32Array.of(3, 0, 0, 0, 4, 0) });
    expect([...small.singularValues].map((v) => Math.round(v * 1e6) / 1e6)).toEqual([4, 3]);
  });

  it('gives the same bits twice', () => {
    const matrix = matrixWith([5, 3, 2, 1], 33, 21);
    expect(topSpectrum(matrix)).toEqual(topSpectrum(matrix));
  });
});

describe('symmetricEigen', () => {
  it('reproduces any symmetric matrix', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }).chain((n) =>
          fc.tuple(
            fc.constant(n),
            fc.array(fc.double({ min: -10, max: 10, noNaN: true }), {
              minLength: n * n,
              maxLength: n * n,
            }),
          ),
        ),
        ([n, entries]) => {
          const symmetric = gram(entries, n, n);
          const { values, vectors } = symmetricEigen(symmetric, n);
          for (let i = 0; i < n; i++) {
            for (let j = 0; j < n; j++) {
              let sum = 0;
              for (let k = 0; k < n; k++) {
                sum += vectors[i * n + k]! * values[k]! * vectors[j * n + k]!;
              }
              expect(sum).toBeCloseTo(symmetric[i * n + j]!, 6);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('Moments', () => {
  it('counts what is not a number and ignores it elsewhere', () => {
    const moments = new Moments();
    moments.add(Float32Array.of(1, Number.NaN, -1, Number.POSITIVE_INFINITY, 0));
    moments.add(Float32Array.of(Number.NEGATIVE_INFINITY));
    expect(moments).toMatchObject({ nanCount: 1, infiniteCount: 2, finiteCount: 3 });
    expect(moments.norm).toBeCloseTo(Math.SQRT2);
    expect(moments.constant).toBe(false);
  });

  it('has the kurtosis of known laws', () => {
    const coin = new Moments();
    coin.add(Float32Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? 5 : 7)));
    expect(coin.kurtosis).toBeCloseTo(-2, 6);
    const spike = new Moments();
    spike.add(Float32Array.from({ length: 1000 }, (_, i) => (i === 0 ? 1 : 0)));
    expect(spike.kurtosis).toBeGreaterThan(900);
  });
});

describe('outliers', () => {
  it('ranks what lies far, and gives nothing when over half are equal', () => {
    const values = Float64Array.from({ length: 101 }, (_, i) => i / 100);
    values[50] = 40;
    expect(outliers(values, 8, 5).map((o) => o.index)).toEqual([50]);
    expect(robustScale(values).median).toBeCloseTo(0.51);
    expect(outliers(Float64Array.of(1, 1, 1, 9), 3, 5)).toEqual([]);
  });
});
