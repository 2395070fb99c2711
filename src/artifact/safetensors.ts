/**
 * Header reader for safetensors: eight bytes of length, JSON, then tensor bytes.
 * Bounded and synchronous; returns absolute offsets so that the engine can map tensors straight from the file.
 * Format: huggingface/safetensors README ("Format"). npm's package of that name is not this format's reader.
 */
import { ScanError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { elementBytes, type TensorDtype, type TensorEntry } from './tensor.ts';

/** The reference implementation's own limit. */
export const MAX_HEADER_BYTES = 100_000_000;
const MAX_RANK = 16;

export interface SafetensorsHeader {
  /** Sorted by byte offset. */
  readonly tensors: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** First byte after the header. */
  readonly dataOffset: number;
}

const DTYPES: Readonly<Record<string, TensorDtype>> = {
  BOOL: 'bool',
  U8: 'u8',
  I8: 'i8',
  F8_E5M2: 'f8e5m2',
  F8_E4M3: 'f8e4m3',
  I16: 'i16',
  U16: 'u16',
  F16: 'f16',
  BF16: 'bf16',
  I32: 'i32',
  U32: 'u32',
  F32: 'f32',
  I64: 'i64',
  U64: 'u64',
  F64: 'f64',
};

/**
 * @param source the whole file
 * @throws ScanError `E_TRUNCATED`, `E_LIMIT`, `E_FORMAT`, `E_DTYPE`, `E_TENSOR_BOUNDS` with the byte offset
 */
export function readSafetensorsHeader(source: ByteSource): SafetensorsHeader {
  if (source.size < 8) {
    throw new ScanError('E_TRUNCATED', `${source.size} bytes cannot hold a header length`, {
      byteOffset: 0,
      hint: 'Fetch the file again.',
    });
  }
  const lengthBytes = source.read(0, 8);
  const headerBytes = Number(
    new DataView(lengthBytes.buffer, lengthBytes.byteOffset, 8).getBigUint64(0, true),
  );
  if (headerBytes > MAX_HEADER_BYTES) {
    throw new ScanError('E_LIMIT', `the header claims ${headerBytes} bytes`, { byteOffset: 0 });
  }
  if (headerBytes > source.size - 8) {
    throw new ScanError(
      'E_TRUNCATED',
      `the header claims ${headerBytes} bytes, ${source.size - 8} follow`,
      { byteOffset: 0, hint: 'Fetch the file again.' },
    );
  }
  const dataOffset = 8 + headerBytes;
  const tensors: TensorEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(parseHeader(source.read(8, headerBytes)))) {
    if (name === '__metadata__') metadata = parseMetadata(value);
    else tensors.push(parseEntry(name, value, dataOffset, source));
  }
  tensors.sort((a, b) => a.byteOffset - b.byteOffset || (a.name < b.name ? -1 : 1));
  return { tensors, metadata, dataOffset };
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : 'not JSON';
    throw new ScanError('E_FORMAT', `the header is not JSON: ${message}`, { byteOffset: 8, cause });
  }
  if (!isRecord(parsed)) {
    throw new ScanError('E_FORMAT', 'the header is not a JSON object', { byteOffset: 8 });
  }
  return parsed;
}

function parseMetadata(value: unknown): Record<string, string> {
  if (!isRecord(value)) {
    throw new ScanError('E_FORMAT', '__metadata__ is not an object', { byteOffset: 8 });
  }
  const metadata: Record<string, string> = {};
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw new ScanError('E_FORMAT', `__metadata__.${key} is not a string`, { byteOffset: 8 });
    }
    metadata[key] = text;
  }
  return metadata;
}

function parseEntry(
  name: string,
  value: unknown,
  dataOffset: number,
  source: ByteSource,
): TensorEntry {
  const fail = (code: 'E_FORMAT' | 'E_TENSOR_BOUNDS' | 'E_DTYPE', problem: string) =>
    new ScanError(code, `tensor ${JSON.stringify(name)}: ${problem}`, { byteOffset: 8 });
  if (!isRecord(value)) throw fail('E_FORMAT', 'its entry is not an object');
  const { dtype: dtypeName, shape, data_offsets: offsets } = value;
  const dtype = typeof dtypeName === 'string' ? DTYPES[dtypeName] : undefined;
  if (dtype === undefined) throw fail('E_DTYPE', `unknown dtype ${JSON.stringify(dtypeName)}`);
  if (!isCountArray(shape) || shape.length > MAX_RANK) throw fail('E_FORMAT', 'bad shape');
  if (!isCountArray(offsets) || offsets.length !== 2) throw fail('E_FORMAT', 'bad data_offsets');
  const [begin, end] = offsets as [number, number];
  const byteLength = shape.reduce((product, n) => product * n, elementBytes(dtype));
  if (begin > end || end > source.size - dataOffset) {
    throw fail(
      'E_TENSOR_BOUNDS',
      `bytes ${begin} to ${end} leave the ${source.size - dataOffset} data bytes of the file`,
    );
  }
  if (byteLength !== end - begin) {
    throw fail(
      'E_TENSOR_BOUNDS',
      `${dtypeName} [${shape}] needs ${byteLength} bytes, its offsets give ${end - begin}`,
    );
  }
  return { name, dtype, shape, byteOffset: dataOffset + begin, byteLength };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCountArray(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
