/** Element types of torch's storages, by class or dtype name. */
import type { TensorDtype } from '../tensor.ts';

const STORAGE_DTYPES: Readonly<Record<string, TensorDtype>> = {
  DoubleStorage: 'f64',
  FloatStorage: 'f32',
  HalfStorage: 'f16',
  BFloat16Storage: 'bf16',
  LongStorage: 'i64',
  IntStorage: 'i32',
  ShortStorage: 'i16',
  CharStorage: 'i8',
  ByteStorage: 'u8',
  BoolStorage: 'bool',
  float8_e4m3fn: 'f8e4m3',
  float8_e5m2: 'f8e5m2',
};

/** @param name as the pickle imports it, `torch.FloatStorage` */
export function storageDtype(name: string): TensorDtype | undefined {
  const last = name.slice(name.lastIndexOf('.') + 1);
  return Object.hasOwn(STORAGE_DTYPES, last) ? STORAGE_DTYPES[last] : undefined;
}
