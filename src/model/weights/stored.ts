/** What any weight format gives before it is made ready for the engine: tensors by name, as they are stored. */
import type { LocatedTensor } from '../../artifact/tensor.ts';
import type { TensorValues } from '../../artifact/values/tensor-values.ts';

export interface WeightFile {
  /** Absolute real path. */
  readonly path: string;
  readonly byteLength: number;
  readonly mtimeMs: number;
}

/** Weights have `values`; integers and masks have only a place. */
export interface StoredTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly located?: LocatedTensor;
  readonly values?: TensorValues;
  /** Why its numbers cannot be read here; starts with an error code where one applies. */
  readonly unread?: string;
  /** File that holds it, or the first of those it is computed from. */
  readonly file: string;
}

/** Tensors stay readable until it is disposed. */
export interface StoredWeights extends Disposable {
  readonly format: 'safetensors' | 'gguf' | 'torch' | 'merged';
  readonly files: readonly WeightFile[];
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Everything besides the files' bytes that decides the numbers; part of the cache key. */
  readonly recipe: string;
}
