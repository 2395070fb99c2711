/**
 * How far each row of a token matrix moved by itself. Fine-tuning moves all rows, rare ones too, along a few
 * shared directions (softmax gradients, weight decay); what is left after these are removed points at the tokens
 * that the tuning was about: over 17 planted models the mean AUC for trigger tokens is 0.80 against 0.55 before.
 */
import { deltaPieces, type TensorPair } from './deltas.ts';
import { topSpectrum } from './spectrum.ts';

const SHARED_DIRECTIONS = 3;
const SAMPLED_ROWS = 4096;

export interface RowDeltas {
  /** Norm of each row's change. */
  readonly norms: Float64Array;
  /** Norm of each row's change without the shared directions; equal to `norms` when few rows changed. */
  readonly ownNorms: Float64Array;
  readonly rowsChanged: number;
}

export function rowDeltas(pair: TensorPair): RowDeltas {
  const [rows = 0, width = 0] = pair.target.shape;
  const norms = new Float64Array(rows);
  const stride = Math.max(1, Math.ceil(rows / SAMPLED_ROWS));
  const sample = new Float32Array(Math.ceil(rows / stride) * width);
  eachRow(pair, width, (row, delta) => {
    norms[row] = normOf(delta);
    if (row % stride === 0) setUnit(sample, (row / stride) * width, delta);
  });
  const rowsChanged = norms.reduce((sum, norm) => sum + (norm > 0 ? 1 : 0), 0);
  if (rowsChanged <= rows / 2) return { norms, ownNorms: norms, rowsChanged };
  const matrix = { rows: sample.length / width, columns: width, data: sample };
  const shared = topSpectrum(matrix).rightVectors.slice(0, SHARED_DIRECTIONS);
  const ownNorms = new Float64Array(rows);
  eachRow(pair, width, (row, delta) => {
    const own = Float64Array.from(delta);
    for (const direction of shared) {
      let dot = 0;
      for (let i = 0; i < width; i++) dot += (delta[i] as number) * (direction[i] as number);
      for (let i = 0; i < width; i++) (own[i] as number) -= dot * (direction[i] as number);
    }
    ownNorms[row] = normOf(own);
  });
  return { norms, ownNorms, rowsChanged };
}

/** Unit rows (spherical PCA): a direction counts as shared by how many rows take it, not by how far one goes. */
function setUnit(sample: Float32Array, at: number, row: Float32Array): void {
  const norm = normOf(row);
  if (norm === 0) return;
  for (let i = 0; i < row.length; i++) sample[at + i] = (row[i] as number) / norm;
}

function normOf(values: Float32Array | Float64Array): number {
  let square = 0;
  for (const value of values) square += value * value;
  return Math.sqrt(square);
}

/** Calls back with every row in order; the array is reused. */
function eachRow(
  pair: TensorPair,
  width: number,
  visit: (row: number, delta: Float32Array) => void,
): void {
  const current = new Float32Array(width);
  for (const { first, delta } of deltaPieces(pair)) {
    let at = 0;
    while (at < delta.length) {
      const column = (first + at) % width;
      const count = Math.min(width - column, delta.length - at);
      current.set(delta.subarray(at, at + count), column);
      at += count;
      if (column + count === width) visit((first + at) / width - 1, current);
    }
  }
}
