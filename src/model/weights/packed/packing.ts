/** What unpackers get and give: groups of stored tensors that together are one weight matrix. */
import type { TensorValues } from '../../../artifact/values/tensor-values.ts';
import type { StoredTensor } from '../stored.ts';

export interface PackedGroup {
  /** Name of the module, without `.weight`. */
  readonly module: string;
  /** Tensor of the group by its suffix, as in `qweight`. */
  part(suffix: string): StoredTensor | undefined;
  /** All bytes of a part; the group has been bounded. */
  bytes(part: StoredTensor): Uint8Array;
  /** All numbers of a part as float32. */
  floats(part: StoredTensor): Float32Array;
}

export interface PackingSettings {
  /** `quant_method` of config.json; empty when it says nothing. */
  readonly method: string;
  /** GPTQ stores zero points less one unless its format is `gptq_v2`. */
  readonly zeroPointsAsStored: boolean;
}

export interface Unpacked {
  readonly values: TensorValues;
  /** Names of the tensors that are used up. */
  readonly used: readonly string[];
}

/** Matrices beyond this are not unpacked, because they are held whole while they are read. */
export const MAX_PACKED_ELEMENTS = 2 ** 28;

/** A matrix that is computed whole at the first read and dropped after the last. */
export function computedMatrix(
  name: string,
  shape: readonly [number, number],
  storage: string,
  compute: () => Float32Array,
): TensorValues {
  const total = shape[0] * shape[1];
  let whole: Float32Array | undefined;
  return {
    name,
    shape,
    storage,
    granularity: 1,
    read: (first, count) => {
      whole ??= compute();
      const piece = whole.slice(first, first + count);
      if (first + count === total) whole = undefined;
      return piece;
    },
  };
}

export function int32(bytes: Uint8Array): Int32Array {
  const copy = new Uint8Array(bytes);
  return new Int32Array(copy.buffer);
}
