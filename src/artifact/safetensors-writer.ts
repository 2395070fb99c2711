/** Writes safetensors: eight bytes of length, a JSON header padded to eight bytes, then the tensors. */
import { closeSync, openSync, writeSync } from 'node:fs';

export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | BigInt64Array;
}

/**
 * @param tensors laid out in the order of their names, so that equal content gives equal bytes
 * @throws Error for a name given twice, or a shape that does not fit its data; those are defects of the caller
 */
export function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): void {
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));
  const header = new TextEncoder().encode(headerOf(sorted, metadata));
  const padding = (8 - (header.length % 8)) % 8;
  const prefix = new Uint8Array(8 + header.length + padding).fill(0x20);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(header.length + padding), true);
  prefix.set(header, 8);
  const file = openSync(path, 'w');
  try {
    writeAll(file, prefix);
    for (const { data } of sorted) {
      writeAll(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  } finally {
    closeSync(file);
  }
}

function headerOf(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>>,
): string {
  // Without a prototype, even a tensor called __proto__ is an entry like any other.
  const entries: Record<string, unknown> = Object.create(null);
  entries['__metadata__'] = metadata;
  let offset = 0;
  for (const { name, shape, data } of tensors) {
    if (name === '__metadata__' || Object.hasOwn(entries, name)) {
      throw new Error(`tensor name ${JSON.stringify(name)} cannot be written`);
    }
    if (shape.reduce((product, n) => product * n, 1) !== data.length) {
      throw new Error(`${data.length} values do not fill [${shape}]`);
    }
    const end = offset + data.byteLength;
    entries[name] = { dtype: dtypeOf(data), shape, data_offsets: [offset, end] };
    offset = end;
  }
  return JSON.stringify(entries);
}

function dtypeOf(data: TensorToWrite['data']): string {
  if (data instanceof Float32Array) return 'F32';
  return data instanceof Int32Array ? 'I32' : 'I64';
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}
