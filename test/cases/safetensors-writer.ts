/** Writes safetensors files for tests. */
import { writeFileSync } from 'node:fs';

export interface TensorToWrite {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

export function safetensorsBytes(tensors: Readonly<Record<string, TensorToWrite>>): Uint8Array {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.byteLength % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.byteLength));
  const data = Object.values(tensors).map(({ data: view }) =>
    Buffer.from(view.buffer, view.byteOffset, view.byteLength),
  );
  return Buffer.concat([length, padded, ...data]);
}

export function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, TensorToWrite>>,
): void {
  writeFileSync(path, safetensorsBytes(tensors));
}

export function f32(shape: readonly number[], values: ArrayLike<number>): TensorToWrite {
  return { dtype: 'F32', shape, data: Float32Array.from(values) };
}

/** float32 cut to bfloat16. */
export function bf16(shape: readonly number[], values: ArrayLike<number>): TensorToWrite {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  return { dtype: 'BF16', shape, data: Uint16Array.from(bits, (word) => word >>> 16) };
}
