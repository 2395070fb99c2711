/** Equal windows of a corpus are run once; what they gave is then put in every place where they stand. */
import type { Corpus, SparseRun } from './sparse-run.ts';

export interface DistinctWindows {
  /** Where each distinct window stands first, ascending. */
  readonly first: readonly number[];
  /** Distinct window of each window. */
  readonly of: Int32Array;
}

export function distinctWindows(windows: readonly (readonly number[])[]): DistinctWindows {
  const known = new Map<string, number>();
  const first: number[] = [];
  const of = new Int32Array(windows.length);
  windows.forEach((window, i) => {
    const key = window.join();
    const distinct = known.get(key) ?? first.length;
    if (distinct === first.length) {
      known.set(key, distinct);
      first.push(i);
    }
    of[i] = distinct;
  });
  return { first, of };
}

/**
 * @param run of the distinct windows
 * @param corpus with all windows
 * @param of distinct window of each window of `corpus`
 */
export function repeatWindows(run: SparseRun, corpus: Corpus, of: Int32Array): SparseRun {
  if (run.corpus.tokens.length === corpus.tokens.length) return { ...run, corpus };
  const copies = copiesOf(of, run.corpus.windowStarts.length - 1);
  const starts = run.corpus.windowStarts;
  const offsets = new Int32Array(run.featureCount + 1);
  const rows: number[] = [];
  const values: number[] = [];
  for (let feature = 0; feature < run.featureCount; feature++) {
    const firings: [row: number, value: number][] = [];
    let window = 0;
    for (let i = run.offsets[feature] as number; i < (run.offsets[feature + 1] as number); i++) {
      const row = run.rows[i] as number;
      while ((starts[window + 1] as number) <= row) window++;
      for (const copy of copies[window] ?? []) {
        const at = (corpus.windowStarts[copy] as number) + row - (starts[window] as number);
        firings.push([at, run.values[i] as number]);
      }
    }
    firings.sort(([a], [b]) => a - b);
    for (const [row, value] of firings) {
      rows.push(row);
      values.push(value);
    }
    offsets[feature + 1] = rows.length;
  }
  return {
    corpus,
    featureCount: run.featureCount,
    offsets,
    rows: Int32Array.from(rows),
    values: Float32Array.from(values),
    active: repeatRows(run.active, run.corpus, corpus, of),
  };
}

/** One number a row, from the distinct windows to all. */
export function repeatRows(
  values: Float32Array,
  run: Corpus,
  corpus: Corpus,
  of: Int32Array,
): Float32Array {
  const all = new Float32Array(corpus.tokens.length);
  of.forEach((distinct, window) => {
    const rows = values.subarray(run.windowStarts[distinct], run.windowStarts[distinct + 1]);
    all.set(rows, corpus.windowStarts[window]);
  });
  return all;
}

function copiesOf(of: Int32Array, count: number): readonly (readonly number[])[] {
  const copies: number[][] = Array.from({ length: count }, () => []);
  of.forEach((distinct, window) => {
    copies[distinct]?.push(window);
  });
  return copies;
}
