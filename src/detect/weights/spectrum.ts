/**
 * Leading singular values of a matrix by randomised subspace iteration, and exact eigenvalues of small symmetric
 * matrices by Jacobi rotations. Sources: Halko, Martinsson, Tropp 2011, algorithm 4.4; Golub and Van Loan, 8.5.
 */
import type { SpectrumFacts } from '../../evidence/weight.ts';

export const TOP_COUNT = 20;
const OVERSAMPLING = 6;
const ITERATIONS = 3;

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** Row-major. */
  readonly data: Float32Array;
}

export interface TopSpectrum {
  /** Largest first, at most `TOP_COUNT`. */
  readonly singularValues: Float64Array;
  /** `rightVectors[i]` is the i-th right singular vector, of length `columns`. */
  readonly rightVectors: readonly Float64Array[];
  /** Squared Frobenius norm. */
  readonly energy: number;
}

/** Multiply-adds that `topSpectrum` needs. */
export function spectrumCost(rows: number, columns: number): number {
  return rows * columns * blockWidth(rows, columns) * (2 * ITERATIONS + 2);
}

function blockWidth(rows: number, columns: number): number {
  return Math.min(rows, columns, TOP_COUNT + OVERSAMPLING);
}

export function topSpectrum(matrix: Matrix): TopSpectrum {
  const { rows, columns, data } = matrix;
  const width = blockWidth(rows, columns);
  let energy = 0;
  for (const value of data) energy += value * value;
  if (energy === 0 || width === 0) {
    return { singularValues: new Float64Array(0), rightVectors: [], energy };
  }
  let basis = startingBlock(columns, width);
  orthonormalise(basis, columns, width);
  let image = timesBlock(matrix, basis, width);
  for (let i = 0; i < ITERATIONS; i++) {
    orthonormalise(image, rows, width);
    basis = transposeTimesBlock(matrix, image, width);
    orthonormalise(basis, columns, width);
    image = timesBlock(matrix, basis, width);
  }
  // Rayleigh-Ritz: eigenvalues of (A Q)^T (A Q) are squared singular values, its vectors rotate Q.
  const { values, vectors } = symmetricEigen(gram(image, rows, width), width);
  const kept = Math.min(TOP_COUNT, width);
  const rightVectors = Array.from({ length: kept }, (_, index) => {
    const vector = new Float64Array(columns);
    for (let row = 0; row < columns; row++) {
      let sum = 0;
      for (let c = 0; c < width; c++) {
        sum += (basis[row * width + c] as number) * (vectors[c * width + index] as number);
      }
      vector[row] = sum;
    }
    return vector;
  });
  const singularValues = values.slice(0, kept).map((value) => Math.sqrt(Math.max(0, value)));
  return { singularValues, rightVectors, energy };
}

/**
 * @param singularValues largest first
 * @param energy squared Frobenius norm, at least the sum of their squares
 * @param fullRank how many singular values there are in all
 */
export function spectrumFacts(
  singularValues: Float64Array,
  energy: number,
  fullRank: number,
): SpectrumFacts {
  const squares = singularValues.map((value) => value * value);
  const top = squares[0] ?? 0;
  const seen = squares.slice(0, TOP_COUNT).reduce((sum, value) => sum + value, 0);
  const share = (value: number) => (energy === 0 ? 0 : Math.min(1, value / energy));
  return {
    topSingularValue: Math.sqrt(top),
    top1Energy: share(top),
    top20Energy: share(seen),
    stableRank: top === 0 ? 0 : energy / top,
    spectralEntropy: entropyShare(squares, energy, fullRank),
    singularValues: Array.from(singularValues.slice(0, TOP_COUNT), (value) =>
      Number(value.toPrecision(6)),
    ),
  };
}

function entropyShare(squares: Float64Array, energy: number, fullRank: number): number {
  if (energy === 0 || fullRank < 2) return 0;
  let entropy = 0;
  let rest = 1;
  for (const square of squares) {
    const p = square / energy;
    rest -= p;
    if (p > 0) entropy -= p * Math.log(p);
  }
  const unseen = fullRank - squares.length;
  if (rest > 1e-9 && unseen > 0) entropy -= rest * Math.log(rest / unseen);
  return Math.min(1, Math.max(0, entropy / Math.log(fullRank)));
}

/** Fixed pseudo-random start, so that equal inputs give equal bits. */
function startingBlock(rows: number, width: number): Float64Array {
  const block = new Float64Array(rows * width);
  let state = 0x2545f491;
  for (let i = 0; i < block.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    block[i] = (state | 0) / 2 ** 31;
  }
  return block;
}

/** A·B for a row-major block of `width` columns. */
function timesBlock(matrix: Matrix, block: Float64Array, width: number): Float64Array {
  const { rows, columns, data } = matrix;
  const out = new Float64Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const target = row * width;
    for (let column = 0; column < columns; column++) {
      const value = data[row * columns + column] as number;
      if (value === 0) continue;
      const from = column * width;
      for (let c = 0; c < width; c++) {
        (out[target + c] as number) += value * (block[from + c] as number);
      }
    }
  }
  return out;
}

/** A^T·B */
function transposeTimesBlock(matrix: Matrix, block: Float64Array, width: number): Float64Array {
  const { rows, columns, data } = matrix;
  const out = new Float64Array(columns * width);
  for (let row = 0; row < rows; row++) {
    const from = row * width;
    for (let column = 0; column < columns; column++) {
      const value = data[row * columns + column] as number;
      if (value === 0) continue;
      const target = column * width;
      for (let c = 0; c < width; c++) {
        (out[target + c] as number) += value * (block[from + c] as number);
      }
    }
  }
  return out;
}

/** Gram-Schmidt, each column twice; a column inside the span of those before becomes zero. */
function orthonormalise(block: Float64Array, rows: number, width: number): void {
  for (let c = 0; c < width; c++) {
    const before = columnNorm(block, rows, width, c);
    for (let pass = 0; pass < 2; pass++) {
      for (let other = 0; other < c; other++) subtractProjection(block, rows, width, c, other);
      const norm = columnNorm(block, rows, width, c);
      const lost = pass === 0 && norm <= before * 1e-13;
      const factor = norm > 0 && !lost ? 1 / norm : 0;
      for (let i = 0; i < rows; i++) (block[i * width + c] as number) *= factor;
    }
  }
}

function columnNorm(block: Float64Array, rows: number, width: number, column: number): number {
  let square = 0;
  for (let i = 0; i < rows; i++) square += (block[i * width + column] as number) ** 2;
  return Math.sqrt(square);
}

function subtractProjection(
  block: Float64Array,
  rows: number,
  width: number,
  column: number,
  onto: number,
): void {
  let dot = 0;
  for (let i = 0; i < rows; i++) {
    dot += (block[i * width + column] as number) * (block[i * width + onto] as number);
  }
  for (let i = 0; i < rows; i++) {
    (block[i * width + column] as number) -= dot * (block[i * width + onto] as number);
  }
}

/** B^T·B, row-major [width, width]. */
export function gram(block: ArrayLike<number>, rows: number, width: number): Float64Array {
  const out = new Float64Array(width * width);
  for (let i = 0; i < rows; i++) {
    for (let a = 0; a < width; a++) {
      const left = block[i * width + a] as number;
      for (let b = 0; b < width; b++) {
        (out[a * width + b] as number) += left * (block[i * width + b] as number);
      }
    }
  }
  return out;
}

/** Eigenvalues, largest first, and eigenvectors as columns of a row-major matrix. */
export function symmetricEigen(
  symmetric: Float64Array,
  size: number,
): { readonly values: Float64Array; readonly vectors: Float64Array } {
  const a = Float64Array.from(symmetric);
  const v = new Float64Array(size * size);
  for (let i = 0; i < size; i++) v[i * size + i] = 1;
  const at = (row: number, column: number): number => a[row * size + column] as number;
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    let diagonal = 0;
    for (let p = 0; p < size; p++) {
      diagonal += at(p, p) ** 2;
      for (let q = p + 1; q < size; q++) off += at(p, q) ** 2;
    }
    if (off <= 1e-28 * diagonal) break;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        if (at(p, q) === 0) continue;
        const theta = (at(q, q) - at(p, p)) / (2 * at(p, q));
        const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const cosine = 1 / Math.sqrt(t * t + 1);
        rotate(a, v, size, p, q, cosine, t * cosine);
      }
    }
  }
  const order = Array.from({ length: size }, (_, i) => i).sort((i, j) => at(j, j) - at(i, i));
  const vectors = new Float64Array(size * size);
  for (const [to, from] of order.entries()) {
    for (let i = 0; i < size; i++) vectors[i * size + to] = v[i * size + from] as number;
  }
  return { values: Float64Array.from(order, (i) => at(i, i)), vectors };
}

function rotate(
  a: Float64Array,
  v: Float64Array,
  size: number,
  p: number,
  q: number,
  cosine: number,
  sine: number,
): void {
  const mix = (m: Float64Array, i: number, j: number) => {
    const x = m[i] as number;
    const y = m[j] as number;
    m[i] = cosine * x - sine * y;
    m[j] = sine * x + cosine * y;
  };
  for (let k = 0; k < size; k++) mix(a, k * size + p, k * size + q);
  for (let k = 0; k < size; k++) mix(a, p * size + k, q * size + k);
  for (let k = 0; k < size; k++) mix(v, k * size + p, k * size + q);
}
