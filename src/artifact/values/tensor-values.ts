/**
 * A tensor as numbers: whatever the storage, it is read as float32 in pieces, in row-major order.
 * Formats, transforms and merges all have this one shape, so statistics and the float32 cache know no format.
 */
import type { ByteSource } from '../byte-source.ts';
import { elementBytes, elementCount, type LocatedTensor, type TensorDtype } from '../tensor.ts';
import { decodeScalars, isFloatDtype } from './scalar.ts';

export interface TensorValues {
  readonly name: string;
  readonly shape: readonly number[];
  /** Storage type as people name it: `bf16`, `q4_k`, `gptq-4bit`. */
  readonly storage: string;
  /** Set when the bytes in the file are the numbers themselves, untransformed. */
  readonly located?: LocatedTensor;
  /** `first` and `count` of a read must be multiples of it, save at the end of the tensor. */
  readonly granularity: number;
  /**
   * Values `first` to `first + count` as float32.
   * @throws ScanError `E_TRUNCATED`, `E_CHANGED`
   */
  read(first: number, count: number): Float32Array;
}

/** Numbers a piece holds while a tensor is streamed: 1 MB of float32. */
export const PIECE_ELEMENTS = 262_144;

/** A stored tensor of a scalar type. Integer and boolean tensors are no weights: undefined. */
export function storedValues(source: ByteSource, tensor: LocatedTensor): TensorValues | undefined {
  const { dtype } = tensor;
  if (!isFloatDtype(dtype)) return undefined;
  return {
    name: tensor.name,
    shape: tensor.shape,
    storage: dtype,
    located: tensor,
    granularity: 1,
    read: (first, count) => readScalars(source, tensor, first, count),
  };
}

/** Values of any scalar type, integers included, as float32. */
export function readScalars(
  source: ByteSource,
  tensor: { readonly dtype: TensorDtype; readonly byteOffset: number },
  first: number,
  count: number,
): Float32Array {
  const width = elementBytes(tensor.dtype);
  return decodeScalars(tensor.dtype, source.read(tensor.byteOffset + first * width, count * width));
}

/** All values, piece by piece; every piece but the last has a multiple of the granularity. */
export function* pieces(
  values: TensorValues,
  pieceElements = PIECE_ELEMENTS,
): Generator<{ readonly first: number; readonly data: Float32Array }, void, undefined> {
  const total = elementCount(values.shape);
  const step = Math.max(1, Math.floor(pieceElements / values.granularity)) * values.granularity;
  for (let first = 0; first < total; first += step) {
    yield { first, data: values.read(first, Math.min(step, total - first)) };
  }
}

/** A whole tensor; the caller has bounded its size. */
export function readAll(values: TensorValues): Float32Array {
  const all = new Float32Array(elementCount(values.shape));
  for (const { first, data } of pieces(values)) all.set(data, first);
  return all;
}

/** Whole rows of a matrix, whatever the granularity. */
export function readRows(values: TensorValues, firstRow: number, rows: number): Float32Array {
  const width = elementCount(values.shape.slice(1));
  const first = firstRow * width;
  const end = first + rows * width;
  const total = elementCount(values.shape);
  const start = Math.floor(first / values.granularity) * values.granularity;
  const stop = Math.min(total, Math.ceil(end / values.granularity) * values.granularity);
  return values.read(start, stop - start).subarray(first - start, end - start);
}
