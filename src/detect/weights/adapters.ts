/** Spectral facts of a LoRA adapter from its factors alone; the product is never formed whole. */
import { elementCount } from '../../artifact/tensor.ts';
import { readAll } from '../../artifact/values/tensor-values.ts';
import type { AdapterSpectrum } from '../../evidence/weight.ts';
import type { Adapter, LowRankPair } from '../../model/weights/adapter.ts';
import { Moments } from './moments.ts';
import { gram, spectrumFacts, symmetricEigen } from './spectrum.ts';

/** Rows of B·A whose elements enter the kurtosis, spread evenly. */
const SAMPLED_ROWS = 256;
const MAX_FACTOR_ELEMENTS = 2 ** 26;

export interface AdapterFacts {
  readonly evidence: readonly AdapterSpectrum[];
  /** Modules too large to be read. */
  readonly left: readonly string[];
}

export function adapterSpectra(adapter: Adapter, pathOf: (file: string) => string): AdapterFacts {
  const evidence: AdapterSpectrum[] = [];
  const left: string[] = [];
  for (const pair of adapter.pairs) {
    const { down, up, rank, scale } = pair;
    if (Math.max(elementCount(down.shape), elementCount(up.shape)) > MAX_FACTOR_ELEMENTS) {
      left.push(pair.module);
      continue;
    }
    const a = readAll(down);
    const b = readAll(up);
    const singularValues = productSpectrum(a, b, pair);
    const energy = singularValues.reduce((sum, value) => sum + value * value, 0);
    evidence.push({
      kind: 'adapter-spectrum',
      path: pathOf(pair.file),
      location: { tensor: down.name },
      module: pair.module,
      rank,
      scale,
      shape: [up.shape[0] ?? 0, down.shape[1] ?? 0],
      frobeniusNorm: Math.sqrt(energy),
      kurtosis: productKurtosis(a, b, pair),
      ...spectrumFacts(singularValues, energy, rank),
    });
  }
  return { evidence, left };
}

/**
 * Singular values of scale·B·A, largest first: their squares are the eigenvalues of L^T (A A^T) L,
 * where B^T B = L L^T.
 */
function productSpectrum(a: Float32Array, b: Float32Array, pair: LowRankPair): Float64Array {
  const { rank, scale } = pair;
  const columns = pair.down.shape[1] ?? 0;
  const outer = new Float64Array(rank * rank);
  for (let i = 0; i < rank; i++) {
    for (let j = 0; j < rank; j++) {
      let sum = 0;
      for (let c = 0; c < columns; c++) {
        sum += (a[i * columns + c] as number) * (a[j * columns + c] as number);
      }
      outer[i * rank + j] = sum;
    }
  }
  const root = symmetricRoot(gram(b, pair.up.shape[0] ?? 0, rank), rank);
  const middle = multiply(multiply(root, outer, rank), root, rank);
  const { values } = symmetricEigen(middle, rank);
  return values.map((value) => Math.abs(scale) * Math.sqrt(Math.max(0, value)));
}

function symmetricRoot(symmetric: Float64Array, size: number): Float64Array {
  const { values, vectors } = symmetricEigen(symmetric, size);
  const out = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      for (let k = 0; k < size; k++) {
        const weight = Math.sqrt(Math.max(0, values[k] as number));
        (out[i * size + j] as number) +=
          weight * (vectors[i * size + k] as number) * (vectors[j * size + k] as number);
      }
    }
  }
  return out;
}

function multiply(x: Float64Array, y: Float64Array, size: number): Float64Array {
  const out = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < size; k++) {
      const value = x[i * size + k] as number;
      for (let j = 0; j < size; j++) {
        (out[i * size + j] as number) += value * (y[k * size + j] as number);
      }
    }
  }
  return out;
}

function productKurtosis(a: Float32Array, b: Float32Array, pair: LowRankPair): number {
  const { rank } = pair;
  const rows = pair.up.shape[0] ?? 0;
  const columns = pair.down.shape[1] ?? 0;
  const moments = new Moments();
  const sampled = Math.min(rows, SAMPLED_ROWS);
  for (let s = 0; s < sampled; s++) {
    const row = Math.floor((s * rows) / sampled);
    const line = new Float32Array(columns);
    for (let k = 0; k < rank; k++) {
      const factor = b[row * rank + k] as number;
      for (let c = 0; c < columns; c++) {
        (line[c] as number) += factor * (a[k * columns + c] as number);
      }
    }
    moments.add(line);
  }
  return moments.kurtosis;
}
