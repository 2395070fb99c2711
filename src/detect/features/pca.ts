/**
 * Baseline: energy of an activation outside the principal directions of ordinary ones. Directions come from
 * orthogonal iteration, so the covariance is never formed.
 */
import { ScanError } from '../../errors.ts';
import { Random } from '../../random.ts';

export interface PrincipalDirections {
  readonly width: number;
  readonly mean: Float64Array;
  /** Orthonormal rows, [count, width], largest variance first. */
  readonly directions: Float64Array;
  readonly count: number;
}

const ITERATIONS = 12;

/** @throws ScanError `E_SAE` with fewer than two rows */
export function fitPrincipalDirections(
  activations: Float32Array,
  width: number,
  count: number,
): PrincipalDirections {
  const rows = Math.floor(activations.length / width);
  if (rows < 2) throw new ScanError('E_SAE', `${rows} activations are too few for a PCA`);
  const wanted = Math.min(count, width);
  const mean = new Float64Array(width);
  for (let i = 0; i < rows * width; i++) {
    mean[i % width] = (mean[i % width] as number) + (activations[i] as number) / rows;
  }
  const random = new Random(1);
  let directions = Float64Array.from({ length: wanted * width }, () => random.normal());
  orthonormalise(directions, wanted, width);
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    directions = timesCovariance(activations, mean, directions, wanted, width, rows);
    orthonormalise(directions, wanted, width);
  }
  return { width, mean, directions, count: wanted };
}

/** Squared norm of what is left of each row outside the directions. */
export function pcaResiduals(pca: PrincipalDirections, activations: Float32Array): Float64Array {
  const { width, mean, directions, count } = pca;
  const rows = Math.floor(activations.length / width);
  const residuals = new Float64Array(rows);
  const x = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    let power = 0;
    for (let j = 0; j < width; j++) {
      x[j] = (activations[row * width + j] as number) - (mean[j] as number);
      power += (x[j] as number) ** 2;
    }
    for (let i = 0; i < count; i++) power -= dot(directions, i * width, x, 0, width) ** 2;
    residuals[row] = Math.max(0, power);
  }
  return residuals;
}

function timesCovariance(
  activations: Float32Array,
  mean: Float64Array,
  directions: Float64Array,
  count: number,
  width: number,
  rows: number,
): Float64Array<ArrayBuffer> {
  const result = new Float64Array(count * width);
  const x = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < width; j++) {
      x[j] = (activations[row * width + j] as number) - (mean[j] as number);
    }
    for (let i = 0; i < count; i++) {
      const component = dot(directions, i * width, x, 0, width);
      for (let j = 0; j < width; j++) {
        const at = i * width + j;
        result[at] = (result[at] as number) + component * (x[j] as number);
      }
    }
  }
  return result;
}

/** Gram and Schmidt; a row that vanishes stays zero. */
function orthonormalise(rows: Float64Array, count: number, width: number): void {
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < i; k++) {
      const along = dot(rows, i * width, rows, k * width, width);
      for (let j = 0; j < width; j++) {
        const at = i * width + j;
        rows[at] = (rows[at] as number) - along * (rows[k * width + j] as number);
      }
    }
    const norm = Math.sqrt(dot(rows, i * width, rows, i * width, width));
    for (let j = 0; j < width; j++) {
      const at = i * width + j;
      rows[at] = norm < 1e-12 ? 0 : (rows[at] as number) / norm;
    }
  }
}

function dot(a: Float64Array, atA: number, b: Float64Array, atB: number, width: number): number {
  let sum = 0;
  for (let j = 0; j < width; j++) sum += (a[atA + j] as number) * (b[atB + j] as number);
  return sum;
}
