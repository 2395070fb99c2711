/**
 * Baseline: distance of an activation from ordinary ones in the metric of their covariance. It sees no features;
 * the SAE stage has to beat it on the same inputs (Lee et al. 2018, "A simple unified framework for detecting
 * out-of-distribution samples").
 */
import { ScanError } from '../../errors.ts';

export interface Gaussian {
  readonly width: number;
  readonly mean: Float64Array;
  /** Lower triangular L with L Lᵀ = covariance + ridge, row-major. */
  readonly factor: Float64Array;
}

/** Share of the mean variance that is added to the diagonal. */
const RIDGE = 1e-3;

/**
 * @param activations ordinary ones, [rows, width]
 * @throws ScanError `E_SAE` with fewer than two rows or values that are not finite
 */
export function fitGaussian(activations: Float32Array, width: number): Gaussian {
  const rows = Math.floor(activations.length / width);
  if (rows < 2) throw new ScanError('E_SAE', `${rows} activations are too few for a covariance`);
  const mean = new Float64Array(width);
  for (let i = 0; i < rows * width; i++) {
    mean[i % width] = (mean[i % width] as number) + (activations[i] as number) / rows;
  }
  const covariance = new Float64Array(width * width);
  const centred = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < width; j++) {
      centred[j] = (activations[row * width + j] as number) - (mean[j] as number);
    }
    for (let i = 0; i < width; i++) {
      const value = centred[i] as number;
      for (let j = 0; j <= i; j++) {
        const at = i * width + j;
        covariance[at] = (covariance[at] as number) + value * (centred[j] as number);
      }
    }
  }
  let trace = 0;
  for (let i = 0; i < width; i++) trace += (covariance[i * width + i] as number) / (rows - 1);
  if (!Number.isFinite(trace)) throw new ScanError('E_SAE', 'activations hold NaN or infinity');
  const ridge = Math.max((trace / width) * RIDGE, 1e-12);
  for (let i = 0; i < width * width; i++) covariance[i] = (covariance[i] as number) / (rows - 1);
  for (let i = 0; i < width; i++) {
    covariance[i * width + i] = (covariance[i * width + i] as number) + ridge;
  }
  return { width, mean, factor: cholesky(covariance, width) };
}

/** Distances of the rows, sqrt((x - mean)ᵀ C⁻¹ (x - mean)). */
export function mahalanobisDistances(gaussian: Gaussian, activations: Float32Array): Float64Array {
  const { width, mean, factor } = gaussian;
  const rows = Math.floor(activations.length / width);
  const distances = new Float64Array(rows);
  const solved = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    let power = 0;
    for (let i = 0; i < width; i++) {
      let value = (activations[row * width + i] as number) - (mean[i] as number);
      for (let j = 0; j < i; j++)
        value -= (factor[i * width + j] as number) * (solved[j] as number);
      value /= factor[i * width + i] as number;
      solved[i] = value;
      power += value * value;
    }
    distances[row] = Math.sqrt(power);
  }
  return distances;
}

/** Lower triangle in, factor out. */
function cholesky(matrix: Float64Array, width: number): Float64Array {
  const factor = new Float64Array(width * width);
  for (let i = 0; i < width; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * width + j] as number;
      for (let k = 0; k < j; k++) {
        sum -= (factor[i * width + k] as number) * (factor[j * width + k] as number);
      }
      // The ridge keeps pivots positive; rounding may still bring a tiny one to zero.
      factor[i * width + j] =
        i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / (factor[j * width + j] as number);
    }
  }
  return factor;
}
