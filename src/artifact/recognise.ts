/**
 * What a file is, by content first. The strongest magic wins; weaker readings of the same bytes are kept
 * as `also`, because a second loader may prefer them (polyglots). The name is only compared, never trusted.
 */
import type { ByteSource } from './byte-source.ts';
import { pickleLikelihood } from './pickle/probe.ts';
import { protobufModelKind } from './protobuf-probe.ts';

export interface Recognition {
  /** `unknown` when no reading fits, `empty` for no bytes. */
  readonly format: string;
  /** Other formats that a loader would accept for the same bytes. */
  readonly also: readonly string[];
  /** Lower-case extension without the dot; empty when there is none. */
  readonly extension: string;
  /** Formats that the extension stands for, when the content is none of them. */
  readonly expected?: readonly string[];
}

const HEAD_BYTES = 4096;
const TAIL_BYTES = 65_557;

interface Magic {
  readonly format: string;
  readonly offset: number;
  readonly bytes: readonly number[];
}

const ascii = (text: string): readonly number[] => [...text].map((char) => char.charCodeAt(0));

/** Long magics first: a match of more bytes is stronger. */
const MAGICS: readonly Magic[] = [
  { format: 'hdf5', offset: 0, bytes: [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a] },
  { format: 'png', offset: 0, bytes: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] },
  { format: 'rar', offset: 0, bytes: [0x52, 0x61, 0x72, 0x21, 0x1a, 0x07] },
  { format: '7z', offset: 0, bytes: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c] },
  { format: 'npy', offset: 0, bytes: [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] },
  { format: 'xz', offset: 0, bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { format: 'tar', offset: 257, bytes: ascii('ustar') },
  { format: 'zip', offset: 0, bytes: [0x50, 0x4b, 0x03, 0x04] },
  { format: 'zip', offset: 0, bytes: [0x50, 0x4b, 0x05, 0x06] },
  { format: 'gguf', offset: 0, bytes: ascii('GGUF') },
  { format: 'gguf', offset: 0, bytes: ascii('FUGG') },
  { format: 'tflite', offset: 4, bytes: ascii('TFL3') },
  { format: 'ggml', offset: 0, bytes: ascii('lmgg') },
  { format: 'ggml', offset: 0, bytes: ascii('tjgg') },
  { format: 'zstd', offset: 0, bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  { format: 'lz4', offset: 0, bytes: [0x04, 0x22, 0x4d, 0x18] },
  { format: 'elf', offset: 0, bytes: [0x7f, 0x45, 0x4c, 0x46] },
  { format: 'macho', offset: 0, bytes: [0xcf, 0xfa, 0xed, 0xfe] },
  { format: 'macho', offset: 0, bytes: [0xca, 0xfe, 0xba, 0xbe] },
  { format: 'wasm', offset: 0, bytes: [0x00, 0x61, 0x73, 0x6d] },
  { format: 'pdf', offset: 0, bytes: ascii('%PDF-') },
  { format: 'bzip2', offset: 0, bytes: [0x42, 0x5a, 0x68] },
  { format: 'jpeg', offset: 0, bytes: [0xff, 0xd8, 0xff] },
  { format: 'gzip', offset: 0, bytes: [0x1f, 0x8b, 0x08] },
];

const CONTAINERS = ['zip', 'gzip', 'zlib', 'bzip2', 'xz', 'lzma', 'zstd', 'lz4', 'tar', '7z'];

/** Content that an extension promises. Extensions that many formats share are left out. */
const PROMISES: Readonly<Record<string, readonly string[]>> = {
  safetensors: ['safetensors'],
  gguf: ['gguf'],
  onnx: ['onnx', 'protobuf'],
  h5: ['hdf5'],
  hdf5: ['hdf5'],
  keras: ['zip', 'hdf5'],
  npy: ['npy', 'pickle'],
  npz: ['zip'],
  tflite: ['tflite'],
  json: ['json', 'text'],
  txt: ['text', 'json'],
  md: ['text', 'json'],
  yaml: ['text', 'json'],
  yml: ['text', 'json'],
  py: ['text', 'json'],
  jinja: ['text', 'json'],
  zip: ['zip'],
  tar: ['tar'],
  gz: ['gzip', 'tar'],
  '7z': ['7z'],
  png: ['png'],
  jpg: ['jpeg'],
  jpeg: ['jpeg'],
  pkl: ['pickle', ...CONTAINERS],
  pickle: ['pickle', ...CONTAINERS],
  joblib: ['pickle', ...CONTAINERS],
  dill: ['pickle', ...CONTAINERS],
  pt: ['pickle', 'zip', 'tar'],
  pth: ['pickle', 'zip', 'tar'],
};

/** Reads at most 70 KB of the source: its head, and its tail for a zip directory. */
export function recognise(source: ByteSource, name: string): Recognition {
  const extension = extensionOf(name);
  if (source.size === 0) return { format: 'empty', also: [], extension };
  const head = source.read(0, Math.min(HEAD_BYTES, source.size));
  const readings = [...contentReadings(source, head)];
  const format = readings[0] ?? weakReading(source, head, extension);
  const also = [...new Set(readings.slice(1))].filter((other) => other !== format);
  if (format !== 'zip' && !also.includes('zip') && hasZipDirectory(source)) also.push('zip');
  if (format !== 'hdf5' && HDF5_NAMES.has(extension) && hasLateSuperblock(source))
    also.push('hdf5');
  const expected = PROMISES[extension];
  const mismatch = expected !== undefined && format !== 'lfs-pointer' && !expected.includes(format);
  return { format, also, extension, ...(mismatch && { expected }) };
}

export function extensionOf(name: string): string {
  const base = name.slice(name.lastIndexOf('/') + 1);
  const dot = base.lastIndexOf('.');
  return dot <= 0 ? '' : base.slice(dot + 1).toLowerCase();
}

/** Strong readings, strongest first. */
function* contentReadings(source: ByteSource, head: Uint8Array): Generator<string> {
  if (startsLikeSafetensors(source, head)) {
    yield 'safetensors';
    if (pickleLikelihood(source) === 'calls') yield 'pickle';
    return;
  }
  let strong = false;
  for (const { format, offset, bytes } of MAGICS) {
    if (!bytes.every((byte, i) => head[offset + i] === byte)) continue;
    strong = true;
    yield format;
  }
  if (Buffer.from(head.subarray(0, 64)).toString('latin1').startsWith('version https://git-lfs'))
    yield 'lfs-pointer';
  const pickle = pickleLikelihood(source);
  // Behind a magic number, chance opcodes are common and only a stream that acts is a second reading.
  if (pickle === 'calls' || (pickle !== 'no' && !strong)) yield 'pickle';
}

/** An 8-byte header length that fits the file, then a JSON object. */
function startsLikeSafetensors(source: ByteSource, head: Uint8Array): boolean {
  if (head.byteLength < 10) return false;
  const length = new DataView(head.buffer, head.byteOffset).getBigUint64(0, true);
  if (length < 2n || length > BigInt(source.size - 8)) return false;
  let at = 8;
  while (at < head.byteLength && isSpace(head[at])) at++;
  const next = head[at + 1];
  return head[at] === 0x7b && (next === 0x22 || next === 0x7d || isSpace(next));
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

/** Formats whose first bytes prove little: the name may tip the balance. */
function weakReading(source: ByteSource, head: Uint8Array, extension: string): string {
  const first = head[0] as number;
  if (isZlibHeader(head)) return 'zlib';
  if (first === 0x5d && head[1] === 0 && head[2] === 0 && source.size > 13) return 'lzma';
  if (first === 0x4d && head[1] === 0x5a) return 'pe';
  if (looksLikeTar(head)) return 'tar';
  if (extension === 'safetensors' && source.size < 10) return 'safetensors';
  const text = textKind(head);
  if (text !== undefined) return text;
  return protobufModelKind(source, extension) ?? 'unknown';
}

function isZlibHeader(head: Uint8Array): boolean {
  const [method, flags] = [head[0] as number, head[1]];
  if (flags === undefined || (method & 0x0f) !== 8 || method >> 4 > 7) return false;
  // FDICT streams need a dictionary that no model loader passes.
  return (method * 256 + flags) % 31 === 0 && (flags & 0x20) === 0 && !isMostlyText(head);
}

function isMostlyText(head: Uint8Array): boolean {
  return textKind(head) !== undefined;
}

/** Old tar archives have no magic: the header checksum is the only proof. */
function looksLikeTar(head: Uint8Array): boolean {
  if (head.byteLength < 512) return false;
  const stored = Number.parseInt(
    Buffer.from(head.subarray(148, 156))
      .toString('latin1')
      .replace(/[\0 ]+.*$/, '')
      .trim(),
    8,
  );
  if (!Number.isFinite(stored) || head[0] === 0) return false;
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 0x20 : (head[i] as number);
  return sum === stored;
}

function textKind(head: Uint8Array): string | undefined {
  const start = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
  let control = 0;
  for (let i = start; i < head.byteLength; i++) {
    const byte = head[i] as number;
    if (byte === 0) return undefined;
    if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d && byte !== 0x1b) control++;
  }
  if (control > head.byteLength / 100) return undefined;
  const decoded = Buffer.from(head.subarray(start)).toString('utf8');
  const broken = decoded.split('\ufffd').length - 1;
  if (broken > 2 + decoded.length / 100) return undefined;
  const trimmed = decoded.trimStart();
  return trimmed.startsWith('{') || trimmed.startsWith('[') ? 'json' : 'text';
}

const HDF5_NAMES = new Set(['h5', 'hdf5', 'keras', 'hdf', 'nc']);

/** HDF5 lets an application write its own bytes first: the superblock may stand at 512, 1024, 2048, and so on. */
function hasLateSuperblock(source: ByteSource): boolean {
  for (let at = 512; at <= 1 << 22 && at + 8 <= source.size; at *= 2) {
    if (Buffer.from(source.read(at, 8)).toString('latin1') === '\x89HDF\r\n\x1a\n') return true;
  }
  return false;
}

/** An end-of-directory record near the end whose directory is really there. */
export function hasZipDirectory(source: ByteSource): boolean {
  const size = Math.min(TAIL_BYTES, source.size);
  if (size < 22) return false;
  const start = source.size - size;
  const tail = Buffer.from(source.read(start, size));
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  for (let at = tail.lastIndexOf('PK\x05\x06', undefined, 'latin1'); at >= 0; ) {
    if (at + 22 <= tail.byteLength) {
      const directorySize = view.getUint32(at + 12, true);
      const from = start + at - directorySize;
      if (directorySize >= 46 && from >= 0) {
        const signature = source.read(from, 4);
        if (Buffer.from(signature).toString('latin1') === 'PK\x01\x02') return true;
      }
    }
    if (at === 0) break;
    at = tail.lastIndexOf('PK\x05\x06', at - 1, 'latin1');
  }
  return false;
}
