/** What every weight format is reduced to: a name, a type, a shape and where the bytes are. */

export type TensorDtype =
  | 'bool'
  | 'u8'
  | 'i8'
  | 'u16'
  | 'i16'
  | 'u32'
  | 'i32'
  | 'u64'
  | 'i64'
  | 'f8e4m3'
  | 'f8e5m2'
  | 'f16'
  | 'bf16'
  | 'f32'
  | 'f64';

export interface TensorEntry {
  readonly name: string;
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  /** Absolute, in the file that holds it. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** A tensor and the file it lies in. */
export interface LocatedTensor extends TensorEntry {
  /** Absolute real path. */
  readonly file: string;
}

const BYTES: Readonly<Record<TensorDtype, number>> = {
  bool: 1,
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  u64: 8,
  i64: 8,
  f8e4m3: 1,
  f8e5m2: 1,
  f16: 2,
  bf16: 2,
  f32: 4,
  f64: 8,
};

export function elementBytes(dtype: TensorDtype): number {
  return BYTES[dtype];
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
