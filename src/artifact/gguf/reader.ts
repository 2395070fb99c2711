/**
 * GGUF, versions 1 to 3: header, metadata and tensor table, with 64-bit arithmetic that cannot wrap.
 * Tensor bytes are never read. Source: ggml docs/gguf.md; the checks cover what broke llama.cpp and Ollama
 * (CVE-2024-21802, 21825, 21836, 23496, 23605, CVE-2025-53630, CVE-2026-27940, CVE-2026-7482).
 */
import { ScanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { Cursor } from '../cursor.ts';
import { type FormatProblem, type ProblemSink, throwProblem } from '../problem.ts';
import {
  checkCount,
  count,
  type GgufCursor,
  lengthPrefixBytes,
  readEntry,
  readText,
  Unreadable,
} from './metadata.ts';
import {
  GGML_TYPES,
  type GgufArray,
  type GgufEntry,
  type GgufFile,
  type GgufTensor,
} from './types.ts';

const MAX_DIMS = 4;
const MAX_NAME_BYTES = 65_535;
const DEFAULT_ALIGNMENT = 32;
const MAX_ALIGNMENT = 1 << 20;

/**
 * @param sink what to do with a broken rule; the first is thrown unless given
 * @throws ScanError `E_FORMAT` for another magic, version or byte order, `E_TRUNCATED` inside the header;
 *   with the default sink also `E_LIMIT` and `E_TENSOR_BOUNDS`
 */
export function readGguf(source: ByteSource, sink: ProblemSink = throwProblem): GgufFile {
  const cursor = new Cursor(source);
  const magic = Buffer.from(cursor.bytes(Math.min(4, source.size))).toString('latin1');
  if (magic !== 'GGUF') throw new ScanError('E_FORMAT', 'not a GGUF magic', { byteOffset: 0 });
  const version = cursor.u32();
  if (version < 1 || version > 3) {
    const bigEndian = version >>> 24 !== 0 && version % 0x1_0000 === 0;
    throw new ScanError(
      'E_FORMAT',
      bigEndian ? 'big-endian GGUF is not read' : `GGUF version ${version} is not known`,
      { byteOffset: 4 },
    );
  }
  const reader: GgufCursor = { cursor, version, sink };
  const metadata = new Map<string, GgufEntry>();
  const tensors: GgufTensor[] = [];
  let alignment = DEFAULT_ALIGNMENT;
  try {
    const prefix = lengthPrefixBytes(version);
    const tensorCount = count(reader, 'the tensor count');
    const entryCount = count(reader, 'the metadata count');
    checkCount(reader, entryCount, prefix + 5, 'metadata entries');
    for (let i = 0; i < entryCount; i++) addEntry(metadata, readEntry(reader), sink);
    alignment = alignmentOf(metadata, sink);
    checkCount(reader, tensorCount, prefix + 16, 'tensors');
    const relative: GgufTensor[] = [];
    for (let i = 0; i < tensorCount; i++) relative.push(readTensor(reader));
    const dataOffset = alignUp(cursor.at, alignment);
    for (const tensor of relative) {
      tensors.push({ ...tensor, byteOffset: dataOffset + tensor.byteOffset });
    }
    checkTensors(tensors, dataOffset, cursor.at, alignment, source.size, sink);
    return { version, alignment, metadata, tensors, dataOffset, complete: true };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { version, alignment, metadata, tensors, dataOffset: cursor.at, complete: false };
  }
}

/** Strings of a string array, read one by one. */
export function* ggufStrings(
  source: ByteSource,
  version: number,
  array: GgufArray,
): Generator<string, void, undefined> {
  const cursor = new Cursor(source, array.byteOffset, array.byteOffset + array.byteLength);
  for (let i = 0; i < array.count; i++) {
    const length = version === 1 ? cursor.u32() : cursor.count64('the length of a string');
    yield cursor.text(length, cursor.left);
  }
}

export interface GgufTemplate {
  /** `tokenizer.chat_template` or `tokenizer.chat_template.NAME`. */
  readonly key: string;
  readonly text: string;
  /** Absolute offset of the first character. */
  readonly byteOffset: number;
}

/** Every chat template a GGUF file carries. */
export function ggufTemplates(file: GgufFile): readonly GgufTemplate[] {
  const templates: GgufTemplate[] = [];
  for (const { key, value, valueOffset } of file.metadata.values()) {
    if (typeof value !== 'string' || !/chat_template(\.|$)/.test(key)) continue;
    templates.push({ key, text: value, byteOffset: valueOffset + lengthPrefixBytes(file.version) });
  }
  return templates;
}

function addEntry(metadata: Map<string, GgufEntry>, entry: GgufEntry, sink: ProblemSink): void {
  if (!metadata.has(entry.key)) {
    metadata.set(entry.key, entry);
    return;
  }
  sink({
    problem: 'duplicate-key',
    code: 'E_FORMAT',
    detail: `the metadata key ${JSON.stringify(entry.key.slice(0, 200))} stands twice`,
    byteOffset: entry.keyOffset,
    key: entry.key,
  });
}

function alignmentOf(metadata: ReadonlyMap<string, GgufEntry>, sink: ProblemSink): number {
  const entry = metadata.get('general.alignment');
  if (entry === undefined) return DEFAULT_ALIGNMENT;
  const { value, type, valueOffset: byteOffset, key } = entry;
  const valid =
    type === 'u32' &&
    typeof value === 'number' &&
    value >= 1 &&
    value <= MAX_ALIGNMENT &&
    (value & (value - 1)) === 0;
  if (valid) return value;
  const detail = `general.alignment is ${type} ${typeof value === 'object' ? '' : String(value).slice(0, 40)}`;
  sink({ problem: 'alignment', code: 'E_FORMAT', detail, byteOffset, key });
  return DEFAULT_ALIGNMENT;
}

/** Offsets are still relative to the data section here. */
function readTensor(reader: GgufCursor): GgufTensor {
  const { cursor } = reader;
  const startOffset = cursor.at;
  const name = readText(reader, 'a tensor name', MAX_NAME_BYTES);
  const problem = (slug: string, code: FormatProblem['code'], detail: string): void =>
    reader.sink({
      problem: slug,
      code,
      detail: `tensor ${JSON.stringify(name.slice(0, 200))}: ${detail}`,
      byteOffset: startOffset,
      tensor: name,
    });
  const rank = cursor.u32();
  if (rank > MAX_DIMS) {
    problem('tensor-rank', 'E_FORMAT', `${rank} dimensions, ggml has ${MAX_DIMS}`);
    if (rank > 64) throw new Unreadable('a rank that no reader accepts');
  }
  const dims: number[] = [];
  for (let i = 0; i < rank; i++) dims.push(count(reader, `a dimension of ${name.slice(0, 200)}`));
  const typeId = cursor.u32();
  const byteOffset = count(reader, `the offset of ${name.slice(0, 200)}`);
  const type = GGML_TYPES.get(typeId);
  if (type === undefined) {
    problem('tensor-type', 'E_DTYPE', `unknown type id ${typeId}`);
    return { name, ggmlType: 'unknown', typeId, dims, byteOffset, byteLength: 0 };
  }
  const [ggmlType, blockElements, blockBytes] = type;
  const elements = dims.reduce((product, n) => product * BigInt(n), 1n);
  const bytes = (elements / BigInt(blockElements)) * BigInt(blockBytes);
  if (elements > BigInt(Number.MAX_SAFE_INTEGER) || bytes > BigInt(Number.MAX_SAFE_INTEGER)) {
    problem('shape-overflow', 'E_TENSOR_BOUNDS', `[${dims}] does not fit 53 bits`);
    return { name, ggmlType, typeId, dims, byteOffset, byteLength: 0 };
  }
  if ((dims[0] ?? 1) % blockElements !== 0) {
    problem('block-size', 'E_TENSOR_BOUNDS', `rows of ${dims[0]} are not whole ${ggmlType} blocks`);
  }
  return { name, ggmlType, typeId, dims, byteOffset, byteLength: Number(bytes) };
}

function checkTensors(
  tensors: readonly GgufTensor[],
  dataOffset: number,
  tableEnd: number,
  alignment: number,
  fileBytes: number,
  sink: ProblemSink,
): void {
  const names = new Set<string>();
  let expected = dataOffset;
  let sized = true;
  for (const tensor of tensors) {
    const { name, byteOffset, byteLength } = tensor;
    const place = { byteOffset: Math.min(byteOffset, fileBytes), byteLength, tensor: name };
    const named = `tensor ${JSON.stringify(name.slice(0, 200))}`;
    if (names.has(name)) {
      sink({
        problem: 'duplicate-name',
        code: 'E_FORMAT',
        detail: `${named} stands twice`,
        ...place,
      });
    }
    names.add(name);
    if ((byteOffset - dataOffset) % alignment !== 0) {
      const detail = `${named} is not aligned to ${alignment} bytes`;
      sink({ problem: 'misaligned', code: 'E_TENSOR_BOUNDS', detail, ...place });
    }
    if (byteOffset + byteLength > fileBytes) {
      const detail = `${named} ends ${byteOffset + byteLength - fileBytes} bytes after the file`;
      sink({ problem: 'tensor-bounds', code: 'E_TENSOR_BOUNDS', detail, ...place });
    }
    if (sized && byteOffset < expected) {
      const detail = `${named} starts inside the tensor before it`;
      sink({ problem: 'overlap', code: 'E_TENSOR_BOUNDS', detail, ...place });
    } else if (sized && byteOffset > expected) {
      const detail = `${byteOffset - expected} bytes before ${named} belong to no tensor`;
      const gap = { byteOffset: Math.min(expected, fileBytes), byteLength: byteOffset - expected };
      sink({ problem: 'gap', code: 'E_TENSOR_BOUNDS', detail, ...gap });
    }
    sized = sized && tensor.ggmlType !== 'unknown';
    expected = Math.max(expected, alignUp(byteOffset + byteLength, alignment));
  }
  const end = tensors.length === 0 ? tableEnd : expected;
  const allowed = tensors.length === 0 ? alignUp(tableEnd, alignment) : expected;
  if (sized && fileBytes > allowed) {
    sink({
      problem: 'trailing-bytes',
      code: 'E_TENSOR_BOUNDS',
      detail: `${fileBytes - end} bytes after the last tensor belong to no tensor`,
      byteOffset: end,
      byteLength: fileBytes - end,
    });
  }
}

function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}
