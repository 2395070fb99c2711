/**
 * What a dictionary saw over a corpus, sparse: for each feature the places where it fired and how strongly.
 * Built batch by batch from the pass's outputs; everything in statistics.ts reads it.
 */
import { ScanError } from '../errors.ts';

export interface Corpus {
  /** Token ids of all windows, one after the other. */
  readonly tokens: Int32Array;
  /** First row of each window, ascending, and the total at the end. */
  readonly windowStarts: Int32Array;
  /** 0 for rows that do not count: BOS, padding, norm outliers. */
  readonly counted: Uint8Array;
}

export interface SparseRun {
  readonly corpus: Corpus;
  readonly featureCount: number;
  /** Firings of feature f are entries `offsets[f]` to `offsets[f + 1]` of `rows` and `values`. */
  readonly offsets: Int32Array;
  /** Ascending within a feature. */
  readonly rows: Int32Array;
  readonly values: Float32Array;
  /** Active features of each row, also those beyond the strongest that were kept. */
  readonly active: Float32Array;
}

export function corpusOf(
  windows: readonly (readonly number[])[],
  isCounted: (token: number, position: number) => boolean,
): Corpus {
  const windowStarts = new Int32Array(windows.length + 1);
  windows.forEach((window, i) => {
    windowStarts[i + 1] = (windowStarts[i] as number) + window.length;
  });
  const tokens = Int32Array.from(windows.flat());
  const counted = Uint8Array.from(
    windows.flatMap((window) => window.map((token, i) => (isCounted(token, i) ? 1 : 0))),
  );
  return { tokens, windowStarts, counted };
}

export class SparseRunBuilder {
  readonly #corpus: Corpus;
  readonly #featureCount: number;
  readonly #features: number[] = [];
  readonly #rows: number[] = [];
  readonly #values: number[] = [];
  readonly #active: Float32Array;
  #next = 0;

  constructor(corpus: Corpus, featureCount: number) {
    this.#corpus = corpus;
    this.#featureCount = featureCount;
    this.#active = new Float32Array(corpus.tokens.length);
  }

  /**
   * The next rows of the corpus, in order.
   * @param features and values, [rows, top]; a value of 0 fills
   */
  append(features: Int32Array, values: Float32Array, active: Float32Array): void {
    const top = active.length === 0 ? 0 : features.length / active.length;
    if (this.#next + active.length > this.#active.length) {
      throw new ScanError('E_INTERNAL', 'more rows than the corpus has');
    }
    this.#active.set(active, this.#next);
    for (let i = 0; i < features.length; i++) {
      if (values[i] === 0) continue;
      const row = this.#next + Math.floor(i / top);
      if (this.#corpus.counted[row] === 0) continue;
      this.#features.push(features[i] as number);
      this.#rows.push(row);
      this.#values.push(values[i] as number);
    }
    this.#next += active.length;
  }

  finish(): SparseRun {
    const featureCount = this.#featureCount;
    const offsets = new Int32Array(featureCount + 1);
    for (const feature of this.#features) {
      offsets[feature + 1] = (offsets[feature + 1] as number) + 1;
    }
    for (let f = 0; f < featureCount; f++) {
      offsets[f + 1] = (offsets[f + 1] as number) + (offsets[f] as number);
    }
    const fill = offsets.slice();
    const rows = new Int32Array(this.#rows.length);
    const values = new Float32Array(this.#rows.length);
    this.#features.forEach((feature, i) => {
      const at = fill[feature] as number;
      fill[feature] = at + 1;
      rows[at] = this.#rows[i] as number;
      values[at] = this.#values[i] as number;
    });
    return { corpus: this.#corpus, featureCount, offsets, rows, values, active: this.#active };
  }
}

/** Rows on which a feature fires. */
export function firingRows(run: SparseRun, feature: number): Int32Array {
  return run.rows.subarray(run.offsets[feature], run.offsets[feature + 1]);
}

export function firingValues(run: SparseRun, feature: number): Float32Array {
  return run.values.subarray(run.offsets[feature], run.offsets[feature + 1]);
}

export function countedTokens(corpus: Corpus): number {
  return corpus.counted.reduce((sum, flag) => sum + flag, 0);
}

/** Window that a row lies in (binary search). */
export function windowOf(corpus: Corpus, row: number): number {
  let low = 0;
  let high = corpus.windowStarts.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((corpus.windowStarts[middle] as number) <= row) low = middle;
    else high = middle - 1;
  }
  return low;
}
