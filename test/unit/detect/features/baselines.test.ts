import { describe, expect, it } from 'vitest';
import { fitGaussian, mahalanobisDistances } from '../../../../src/detect/features/mahalanobis.ts';
import { fitPrincipalDirections, pcaResiduals } from '../../../../src/detect/features/pca.ts';
import { Random } from '../../../../src/random.ts';

const WIDTH = 8;
const SCALES = [5, 3, 2, 1, 0.5, 0.2, 0.1, 0.1];

/** Independent coordinates of known spread around a known mean. */
function ordinary(rows: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from(
    { length: rows * WIDTH },
    (_, i) => 1 + random.normal() * (SCALES[i % WIDTH] as number),
  );
}

describe('Mahalanobis distance', () => {
  it('measures in standard deviations along every axis', () => {
    const gaussian = fitGaussian(ordinary(20_000, 1), WIDTH);
    for (let axis = 0; axis < 5; axis++) {
      const x = new Float32Array(WIDTH).fill(1);
      x[axis] = 1 + 4 * (SCALES[axis] as number);
      expect(mahalanobisDistances(gaussian, x)[0]).toBeGreaterThan(3.8);
      expect(mahalanobisDistances(gaussian, x)[0]).toBeLessThan(4.2);
    }
    const distances = mahalanobisDistances(gaussian, ordinary(5000, 2));
    const power = distances.reduce((sum, d) => sum + d * d, 0) / 5000;
    expect(power).toBeGreaterThan(WIDTH * 0.85);
    expect(power).toBeLessThan(WIDTH * 1.1);
  });

  it('survives a constant column and refuses too little or NaN', () => {
    const constant = new Float32Array(WIDTH * 50).fill(2);
    const distances = mahalanobisDistances(fitGaussian(constant, WIDTH), constant);
    expect(distances.every((d) => d < 1e-6)).toBe(true);
    expect(() => fitGaussian(new Float32Array(WIDTH), WIDTH)).toThrow(/too few/);
    expect(() => fitGaussian(new Float32Array(WIDTH * 5).fill(Number.NaN), WIDTH)).toThrow(/NaN/);
  });
});

describe('PCA residual', () => {
  it('ignores the main directions and sees the others', () => {
    const pca = fitPrincipalDirections(ordinary(5000, 3), WIDTH, 3);
    const along = new Float32Array(WIDTH).fill(1);
    along[0] = 50;
    const outside = new Float32Array(WIDTH).fill(1);
    outside[6] = 5;
    expect(pcaResiduals(pca, along)[0]).toBeLessThan(2);
    expect(pcaResiduals(pca, outside)[0]).toBeGreaterThan(14);
    for (let i = 0; i < 3; i++) {
      expect(Math.abs(pca.directions[i * WIDTH + i] as number)).toBeGreaterThan(0.99);
    }
  });

  it('keeps at most as many directions as there are dimensions', () => {
    const pca = fitPrincipalDirections(ordinary(100, 4), WIDTH, 99);
    expect(pca.count).toBe(WIDTH);
    expect(pcaResiduals(pca, ordinary(10, 5)).every((r) => r < 1e-6)).toBe(true);
  });
});
