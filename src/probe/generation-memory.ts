/**
 * What generation needs of memory. It walks through the whole model for every token, so it cannot run in groups of
 * layers; within a bound it gets fewer threads, then smaller batches, and else is refused.
 */
import { ScanError } from '../errors.ts';
import {
  FLOAT_BYTES,
  PROCESS_BYTES,
  tensorBytes,
  widestBlockFloats,
  workerBytes,
} from '../model/memory.ts';
import type { ModelSpec } from '../model/spec.ts';

export interface GenerationPlan {
  readonly workers: number;
  /** Most sequences in a batch. */
  readonly rows: number;
  /** Most resident memory that generation should need, bytes, the process itself included. */
  readonly peakBytes: number;
}

/** Rows of logits in one batch, bytes: bounds memory at large vocabularies. */
const MAX_LOGIT_BYTES = 64 * 1024 * 1024;
const MAX_ROWS = 256;
/** A sweep asks every context at once. */
const LEAST_ROWS = 12;
/** The engine holds a loop's weights apart from those before it: 1.9 times was measured. */
const WEIGHT_COPIES = 2;
/** Copies of a row's logits that a step holds: carried state, choice, probabilities, 64-bit counts. */
const LOGIT_COPIES = 10;
/** A step reads the cache of keys and values and writes a longer one. */
const CACHE_COPIES = 2.5;
/** Tokens of a string that is read before the first new one; longer ones come in small batches. */
const STRING_TOKENS = 8;

/** Sequences in a batch when memory is not bounded. */
export function usualRows({ vocabularySize }: ModelSpec): number {
  return Math.floor(
    Math.max(8, Math.min(MAX_ROWS, MAX_LOGIT_BYTES / FLOAT_BYTES / vocabularySize)),
  );
}

/**
 * @param positions longest context, string and new text together
 * @throws ScanError `E_LIMIT` when not even the smallest batch fits
 */
export function planGeneration(
  spec: ModelSpec,
  options: {
    readonly positions: number;
    readonly workers: number;
    readonly memoryBytes?: number;
    /** Most sequences in a batch; `usualRows` by default. */
    readonly rows?: number;
  },
): GenerationPlan {
  const { positions, memoryBytes } = options;
  const weights = tensorBytes(spec);
  const peakOf = (workers: number, rows: number) => {
    const floats = Math.max(rows, LEAST_ROWS) * rowFloats(spec, positions);
    return PROCESS_BYTES + workers * (WEIGHT_COPIES * weights + workerBytes(floats));
  };
  for (let workers = options.workers; workers >= 1; workers--) {
    for (let rows = options.rows ?? usualRows(spec); rows >= 1; rows = Math.floor(rows / 2)) {
      const peakBytes = peakOf(workers, rows);
      if (memoryBytes === undefined || peakBytes <= memoryBytes)
        return { workers, rows, peakBytes };
    }
  }
  const least = Math.ceil(peakOf(1, 1) / 1e6);
  throw new ScanError(
    'E_LIMIT',
    `generation needs ${least} MB for a model of ${Math.ceil(weights / 1e6)} MB and cannot run in groups of layers`,
    { hint: `Give --memory ${least}MB or more.` },
  );
}

function rowFloats(spec: ModelSpec, positions: number): number {
  const cache = spec.blocks.reduce(
    (sum, { attention }) => sum + 2 * attention.keyValueHeads * attention.headDim,
    0,
  );
  return (
    LOGIT_COPIES * spec.vocabularySize +
    CACHE_COPIES * positions * cache +
    STRING_TOKENS * widestBlockFloats(spec, positions)
  );
}
