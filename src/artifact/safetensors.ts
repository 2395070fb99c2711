/**
 * Header reader for safetensors: eight bytes of length, JSON, then tensor bytes.
 * Bounded and synchronous; returns absolute offsets so that the engine can map tensors straight from the file.
 * Format: huggingface/safetensors README ("Format"), whose rules are enforced here: no duplicate keys, no gaps,
 * no overlap, every byte of the file belongs to the header or to one tensor.
 */
import { ScanError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import {
  isJsonArray,
  isJsonObject,
  type JsonDocument,
  type JsonObject,
  type JsonValue,
  readJson,
} from './json.ts';
import { type FormatProblem, type ProblemSink, throwProblem } from './problem.ts';
import type { TensorDtype, TensorEntry } from './tensor.ts';

/** The reference implementation's own limit. */
export const MAX_HEADER_BYTES = 100_000_000;
const MAX_RANK = 16;
const HEADER_START = 8;

export interface SafetensorsHeader {
  /** Sorted by byte offset. */
  readonly tensors: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** First byte after the header. */
  readonly dataOffset: number;
}

/** Bits per element, and our name for it where the engine can read the type. */
const DTYPES: Readonly<Record<string, readonly [bits: number, dtype?: TensorDtype]>> = {
  BOOL: [8, 'bool'],
  U8: [8, 'u8'],
  I8: [8, 'i8'],
  F8_E5M2: [8, 'f8e5m2'],
  F8_E4M3: [8, 'f8e4m3'],
  I16: [16, 'i16'],
  U16: [16, 'u16'],
  F16: [16, 'f16'],
  BF16: [16, 'bf16'],
  I32: [32, 'i32'],
  U32: [32, 'u32'],
  F32: [32, 'f32'],
  I64: [64, 'i64'],
  U64: [64, 'u64'],
  F64: [64, 'f64'],
  F4: [4],
  F6_E2M3: [6],
  F6_E3M2: [6],
  F8_E8M0: [8],
  F8_E4M3FNUZ: [8],
  F8_E5M2FNUZ: [8],
  C64: [64],
};

/** Where a tensor of any dtype lies; not every dtype is one that the engine reads. */
interface Span {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsOptions {
  /** What to do with a broken rule of the format; the first one is thrown unless given. */
  readonly sink?: ProblemSink;
  readonly maxHeaderBytes?: number;
  readonly maxJsonTokens?: number;
}

/**
 * @param source the whole file
 * @throws ScanError `E_TRUNCATED`, `E_LIMIT`, `E_FORMAT` for a header that cannot be read at all; with the
 *   default sink also `E_DTYPE` and `E_TENSOR_BOUNDS`, always with the byte offset
 */
export function readSafetensorsHeader(
  source: ByteSource,
  options: SafetensorsOptions = {},
): SafetensorsHeader {
  const sink = options.sink ?? throwProblem;
  const headerBytes = readHeaderLength(source, options.maxHeaderBytes ?? MAX_HEADER_BYTES);
  const dataOffset = HEADER_START + headerBytes;
  const header = parseHeader(source.read(HEADER_START, headerBytes), sink, options.maxJsonTokens);
  const tensors: TensorEntry[] = [];
  const spans: Span[] = [];
  let metadata: Record<string, string> = {};
  for (const name of Object.keys(header)) {
    const value = header[name];
    if (name === '__metadata__') {
      metadata = readMetadata(value, sink);
      continue;
    }
    const span = readEntry(name, value, dataOffset, source.size, sink, tensors);
    if (span) spans.push(span);
  }
  tensors.sort((a, b) => a.byteOffset - b.byteOffset || (a.name < b.name ? -1 : 1));
  checkCoverage(spans, dataOffset, source.size, sink);
  return { tensors, metadata, dataOffset };
}

function readHeaderLength(source: ByteSource, maxHeaderBytes: number): number {
  if (source.size < HEADER_START) {
    throw new ScanError('E_TRUNCATED', `${source.size} bytes cannot hold a header length`, {
      byteOffset: 0,
      hint: 'Fetch the file again.',
    });
  }
  const lengthBytes = source.read(0, HEADER_START);
  const headerBytes = Number(
    new DataView(lengthBytes.buffer, lengthBytes.byteOffset, HEADER_START).getBigUint64(0, true),
  );
  if (headerBytes > maxHeaderBytes) {
    throw new ScanError('E_LIMIT', `the header claims ${headerBytes} bytes`, { byteOffset: 0 });
  }
  if (headerBytes > source.size - HEADER_START) {
    throw new ScanError(
      'E_TRUNCATED',
      `the header claims ${headerBytes} bytes, ${source.size - HEADER_START} follow`,
      { byteOffset: 0, hint: 'Fetch the file again.' },
    );
  }
  return headerBytes;
}

function parseHeader(bytes: Uint8Array, sink: ProblemSink, maxTokens?: number): JsonObject {
  let document: JsonDocument;
  try {
    document = readJson(bytes, { maxDepth: 8, positions: false, ...(maxTokens && { maxTokens }) });
  } catch (cause) {
    if (!(cause instanceof ScanError)) throw cause;
    throw new ScanError(cause.code, `the header is not plain JSON: ${cause.message}`, {
      byteOffset: HEADER_START + (cause.byteOffset ?? 0),
      cause,
    });
  }
  if (!isJsonObject(document.value)) {
    throw new ScanError('E_FORMAT', 'the header is not a JSON object', {
      byteOffset: HEADER_START,
    });
  }
  for (const { key, byteOffset } of document.duplicates) {
    sink({
      problem: 'duplicate-name',
      code: 'E_FORMAT',
      detail: `the header holds the key ${JSON.stringify(key)} twice`,
      byteOffset: HEADER_START + byteOffset,
      tensor: key,
    });
  }
  if (bytes[0] !== 0x7b) {
    sink({
      problem: 'header-start',
      code: 'E_FORMAT',
      detail: 'the header does not start with a brace',
      byteOffset: HEADER_START,
    });
  }
  const padding = bytes.byteLength - document.endOffset;
  if (padding > 4096) {
    sink({
      problem: 'header-padding',
      code: 'E_FORMAT',
      detail: `the header ends with ${padding} bytes of white space`,
      byteOffset: HEADER_START + document.endOffset,
      byteLength: padding,
    });
  }
  return document.value;
}

function readMetadata(value: JsonValue | undefined, sink: ProblemSink): Record<string, string> {
  const metadata: Record<string, string> = Object.create(null);
  const wrong = (detail: string): void =>
    sink({ problem: 'metadata-type', code: 'E_FORMAT', detail, byteOffset: HEADER_START });
  if (!isJsonObject(value)) {
    wrong('__metadata__ is not an object');
    return metadata;
  }
  for (const key of Object.keys(value)) {
    const text = value[key];
    if (typeof text === 'string') metadata[key] = text;
    else wrong(`__metadata__.${key} is not a string`);
  }
  return metadata;
}

function readEntry(
  name: string,
  value: JsonValue | undefined,
  dataOffset: number,
  fileBytes: number,
  sink: ProblemSink,
  tensors: TensorEntry[],
): Span | undefined {
  const wrong = (problem: string, code: FormatProblem['code'], detail: string): undefined => {
    const text = `tensor ${JSON.stringify(name.slice(0, 200))}: ${detail}`;
    sink({ problem, code, detail: text, byteOffset: HEADER_START, tensor: name });
    return undefined;
  };
  if (!isJsonObject(value)) return wrong('entry-shape', 'E_FORMAT', 'its entry is not an object');
  const { dtype: dtypeName, shape, data_offsets: offsets } = value;
  if (Object.keys(value).length !== 3) {
    return wrong('entry-shape', 'E_FORMAT', 'its entry needs dtype, shape and data_offsets only');
  }
  if (!isCountArray(shape) || shape.length > MAX_RANK) {
    return wrong('entry-shape', 'E_FORMAT', 'bad shape');
  }
  if (!isCountArray(offsets)) return wrong('entry-shape', 'E_FORMAT', 'bad data_offsets');
  const [begin, end] = offsets;
  if (begin === undefined || end === undefined || offsets.length !== 2) {
    return wrong('entry-shape', 'E_FORMAT', 'bad data_offsets');
  }
  const dataBytes = fileBytes - dataOffset;
  if (begin > end || end > dataBytes) {
    const detail = `bytes ${begin} to ${end} leave the ${dataBytes} data bytes of the file`;
    wrong('tensor-bounds', 'E_TENSOR_BOUNDS', detail);
    if (begin > end || begin > dataBytes) return undefined;
    // The rest of a file that was cut short belongs to the tensor that the cut went through.
    return { name, start: dataOffset + begin, end: fileBytes };
  }
  const span = { name, start: dataOffset + begin, end: dataOffset + end };
  const [bits, dtype] = (typeof dtypeName === 'string' && DTYPES[dtypeName]) || [0];
  if (bits === 0) {
    wrong(
      'unknown-dtype',
      'E_DTYPE',
      `unknown dtype ${JSON.stringify(dtypeName ?? null).slice(0, 60)}`,
    );
    return span;
  }
  const totalBits = shape.reduce((product, n) => product * n, bits);
  if (!Number.isSafeInteger(totalBits)) {
    wrong('shape-overflow', 'E_TENSOR_BOUNDS', `${dtypeName} [${shape}] does not fit 53 bits`);
    return span;
  }
  if (totalBits !== (end - begin) * 8) {
    const detail = `${dtypeName} [${shape}] needs ${totalBits / 8} bytes, its offsets give ${end - begin}`;
    wrong('tensor-size', 'E_TENSOR_BOUNDS', detail);
    return span;
  }
  if (dtype === undefined) {
    wrong('dtype-not-loaded', 'E_DTYPE', `dtype ${dtypeName} is not one that the engine reads`);
    return span;
  }
  tensors.push({ name, dtype, shape, byteOffset: span.start, byteLength: end - begin });
  return span;
}

/** Every data byte belongs to exactly one tensor. */
function checkCoverage(
  spans: Span[],
  dataOffset: number,
  fileBytes: number,
  sink: ProblemSink,
): void {
  spans.sort((a, b) => a.start - b.start || a.end - b.end);
  let covered = dataOffset;
  for (const { name, start, end } of spans) {
    const named = JSON.stringify(name.slice(0, 200));
    if (start < covered && end > start) {
      sink({
        problem: 'overlap',
        code: 'E_TENSOR_BOUNDS',
        detail: `tensor ${named} shares bytes with the tensor before it`,
        byteOffset: start,
        byteLength: Math.min(end, covered) - start,
        tensor: name,
      });
    } else if (start > covered) {
      sink({
        problem: 'gap',
        code: 'E_TENSOR_BOUNDS',
        detail: `${start - covered} bytes before tensor ${named} belong to no tensor`,
        byteOffset: covered,
        byteLength: start - covered,
      });
    }
    covered = Math.max(covered, end);
  }
  if (covered < fileBytes) {
    sink({
      problem: 'trailing-bytes',
      code: 'E_TENSOR_BOUNDS',
      detail: `${fileBytes - covered} bytes after the last tensor belong to no tensor`,
      byteOffset: covered,
      byteLength: fileBytes - covered,
    });
  }
}

function isCountArray(value: JsonValue | undefined): value is readonly number[] {
  return isJsonArray(value) && value.every((n) => Number.isSafeInteger(n) && Number(n) >= 0);
}
