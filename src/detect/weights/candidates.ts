/**
 * Tokens that the weights point at: rows that moved by themselves or lie far out and, where the embedding did not
 * change, tokens to which the change of the first layers reacts. They rank what the behaviour stage tries; they
 * prove nothing. (Projecting the last layers' change on the vocabulary was tried for targets: worse than chance.)
 */
import { elementCount } from '../../artifact/tensor.ts';
import { pieces, readRows, type TensorValues } from '../../artifact/values/tensor-values.ts';
import type { StoredWeights } from '../../model/weights/stored.ts';
import { addRowSquares } from './census.ts';
import { pairTensors, readDelta, type TensorPair } from './deltas.ts';
import { robustScale } from './robust.ts';
import type { LayerMatrix, WeightRoles } from './roles.ts';
import { rowDeltas } from './row-deltas.ts';
import { topSpectrum } from './spectrum.ts';

const READER_LAYERS = 2;
const MAX_MATRIX_ELEMENTS = 2 ** 25;
const ROWS_A_PIECE = 1024;

/** Score of the farthest row where most rows did not move at all. */
const FEW_SCORE = 1000;

export interface TokenScore {
  readonly tokenId: number;
  /** Robust standard deviations above the median token; up to 1000 for rows that moved where most did not. */
  readonly score: number;
  readonly source: 'row-norm' | 'row-delta' | 'reads-change';
}

export interface WeightCandidates {
  /** Likely parts of a trigger, best first. */
  readonly triggers: readonly TokenScore[];
  /** Likely parts of the behaviour, best first. */
  readonly targets: readonly TokenScore[];
}

/** @param limit how many tokens of each kind */
export function weightCandidates(
  weights: StoredWeights,
  roles: WeightRoles,
  base: StoredWeights | undefined,
  limit = 64,
): WeightCandidates {
  const embedding = valuesOf(weights, roles.embedding);
  if (embedding === undefined || embedding.shape.length !== 2) return { triggers: [], targets: [] };
  const triggers = new Ranking();
  const targets = new Ranking();
  if (base === undefined) {
    triggers.add(rowNorms(embedding), 'row-norm');
    return { triggers: triggers.best(limit), targets: [] };
  }
  const pairs = new Map(pairTensors(weights, base).pairs.map((pair) => [pair.tensor.name, pair]));
  const moved = movedRows(pairs.get(roles.embedding ?? ''));
  if (moved === undefined) {
    const first = roles.readers.filter(({ layer }) => layer < READER_LAYERS);
    triggers.add(reactions(embedding, first, pairs), 'reads-change');
  } else {
    triggers.add(moved, 'row-delta');
  }
  targets.add(movedRows(pairs.get(roles.head ?? roles.embedding ?? '')), 'row-delta');
  return { triggers: triggers.best(limit), targets: targets.best(limit) };
}

/** Best score of each token over sources. */
class Ranking {
  readonly #scores = new Map<number, TokenScore>();

  add(values: Float64Array | undefined, source: TokenScore['source']): void {
    if (values === undefined) return;
    const positive = values.filter((value) => value > 0);
    const few = positive.length <= values.length / 2;
    const largest = positive.reduce((max, value) => Math.max(max, value), 0);
    const { median, scale } = robustScale(positive);
    if (largest === 0 || (!few && scale === 0)) return;
    for (const [tokenId, value] of values.entries()) {
      const score = few ? (FEW_SCORE * value) / largest : (value - median) / scale;
      const known = this.#scores.get(tokenId);
      if (score > 0 && (known === undefined || known.score < score)) {
        this.#scores.set(tokenId, { tokenId, score, source });
      }
    }
  }

  best(limit: number): TokenScore[] {
    return [...this.#scores.values()]
      .sort((a, b) => b.score - a.score || a.tokenId - b.tokenId)
      .slice(0, limit);
  }
}

function valuesOf(weights: StoredWeights, name: string | undefined): TensorValues | undefined {
  return name === undefined ? undefined : weights.tensors.get(name)?.values;
}

function rowNorms(values: TensorValues): Float64Array {
  const squares = new Float64Array(values.shape[0] ?? 0);
  for (const { first, data } of pieces(values)) {
    addRowSquares(squares, values.shape[1] ?? 1, first, data);
  }
  return squares.map(Math.sqrt);
}

function movedRows(pair: TensorPair | undefined): Float64Array | undefined {
  if (pair === undefined) return undefined;
  const { ownNorms, rowsChanged } = rowDeltas(pair);
  return rowsChanged === 0 ? undefined : ownNorms;
}

/**
 * How strongly each token's unit row lies along the leading input directions of the matrices' changes, weighted
 * by their singular values.
 */
function reactions(
  tokens: TensorValues,
  matrices: readonly LayerMatrix[],
  pairs: ReadonlyMap<string, TensorPair>,
): Float64Array | undefined {
  const width = tokens.shape[1] ?? 0;
  const directions: { readonly vector: Float64Array; readonly weight: number }[] = [];
  for (const { name, layout } of matrices) {
    const pair = pairs.get(name);
    if (pair === undefined || elementCount(pair.target.shape) > MAX_MATRIX_ELEMENTS) continue;
    const [rows = 0, columns = 0] = pair.target.shape;
    const data = readDelta(pair);
    // Right singular vectors live on the columns, which are the inputs of the out-in layout.
    const matrix = layout === 'out-in' ? { rows, columns, data } : transposed(data, rows, columns);
    if (matrix.columns !== width) continue;
    const { singularValues, rightVectors } = topSpectrum(matrix);
    for (const [k, vector] of rightVectors.entries()) {
      directions.push({ vector, weight: (singularValues[k] as number) ** 2 });
    }
  }
  if (directions.length === 0) return undefined;
  return projected(tokens, width, directions);
}

function projected(
  tokens: TensorValues,
  width: number,
  directions: readonly { readonly vector: Float64Array; readonly weight: number }[],
): Float64Array {
  const count = tokens.shape[0] ?? 0;
  const scores = new Float64Array(count);
  for (let first = 0; first < count; first += ROWS_A_PIECE) {
    const rows = readRows(tokens, first, Math.min(ROWS_A_PIECE, count - first));
    for (let at = 0; at < rows.length; at += width) {
      scores[first + at / width] = excitation(rows.subarray(at, at + width), directions);
    }
  }
  return scores;
}

/** Of a row's unit vector. */
function excitation(
  row: Float32Array,
  directions: readonly { readonly vector: Float64Array; readonly weight: number }[],
): number {
  let square = 0;
  for (const value of row) square += value * value;
  if (square === 0) return 0;
  let score = 0;
  for (const { vector, weight } of directions) {
    let dot = 0;
    for (let i = 0; i < row.length; i++) dot += (row[i] as number) * (vector[i] as number);
    score += weight * dot * dot;
  }
  return Math.sqrt(score / square);
}

function transposed(data: Float32Array, rows: number, columns: number) {
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c] as number;
  }
  return { rows: columns, columns: rows, data: out };
}
