/** 7z archives with the common codecs: copy, LZMA, LZMA2, Deflate, BZip2, and the x86 filter; others are named. */
import { ScanError } from '../../errors.ts';
import { type ByteSource, MemorySource, SliceSource } from '../byte-source.ts';
import { type ByteStream, Input } from '../compression/byte-stream.ts';
import { bzip2Stream } from '../compression/bzip2.ts';
import { type ExpandLimits, expand } from '../compression/expand.ts';
import { InflateStream } from '../compression/inflate.ts';
import { lzmaStream } from '../compression/lzma.ts';
import { lzma2DictionaryBytes, lzma2Stream } from '../compression/xz.ts';
import {
  type ArchiveFact,
  type ArchiveListing,
  type ArchiveMember,
  nameProblems,
} from './member.ts';
import { type Coder, type Folder, headerSource, parseHeader } from './seven-zip-header.ts';

const MAX_HEADER_BYTES = 64 * 2 ** 20;
const MAX_FILTERED_BYTES = 64 * 2 ** 20;
const X86_FILTER = '03030103';

/** @throws ScanError for a header that cannot be read, as when it is encrypted. */
export function readSevenZip(source: ByteSource, limits: ExpandLimits): ArchiveListing {
  const start = Buffer.from(source.read(0, 32));
  const offset = 32 + Number(start.readBigUInt64LE(12));
  const length = Number(start.readBigUInt64LE(20));
  if (length === 0) return { members: [], facts: [], stray: [] };
  if (
    !Number.isSafeInteger(offset + length) ||
    offset + length > source.size ||
    length > MAX_HEADER_BYTES
  )
    throw new ScanError('E_TRUNCATED', 'the 7z header lies outside the file', { byteOffset: 12 });
  let parsed = parseHeader(new SliceSource(source, offset, length, '7z header'));
  for (let depth = 0; 'encoded' in parsed; depth++) {
    if (depth > 4) throw new ScanError('E_LIMIT', '7z headers are encoded too often');
    if (parsed.encoded.plainBytes > MAX_HEADER_BYTES)
      throw new ScanError('E_LIMIT', 'a 7z header is too large');
    const { source: header, error } = folderContent(source, parsed.encoded, limits);
    if (error !== undefined) throw error;
    parsed = parseHeader(headerSource(header.read(0, header.size)));
  }
  const members: ArchiveMember[] = [];
  const facts: ArchiveFact[] = [];
  let index = 0;
  for (const folder of parsed.folders) {
    const names = folder.fileBytes.map((_, i) => parsed.names[index + i] ?? `file ${index + i}`);
    index += names.length;
    for (const name of names) {
      for (const { problem, detail } of nameProblems(name))
        facts.push({ problem, name, detail, byteOffset: folder.packOffset });
    }
    members.push(...folderMembers(source, folder, names, limits));
  }
  return { members, facts, stray: [] };
}

function folderMembers(
  source: ByteSource,
  folder: Folder,
  names: readonly string[],
  limits: ExpandLimits,
): ArchiveMember[] {
  const base = { byteOffset: folder.packOffset, declaredBytes: folder.plainBytes };
  try {
    const { source: content, error } = folderContent(source, folder, limits);
    let at = 0;
    const members = names.map((name, i): ArchiveMember => {
      const size = folder.fileBytes[i] ?? 0;
      const held = Math.max(0, Math.min(size, content.size - at));
      const packed = new SliceSource(content, Math.min(at, content.size), held, name);
      at += size;
      return { ...base, name, packed };
    });
    if (error === undefined) return members;
    const empty = new MemorySource(new Uint8Array(0), 'rest');
    return [...members, { ...base, name: 'rest', packed: empty, unreadable: error.message }];
  } catch (error) {
    if (!(error instanceof ScanError)) throw error;
    const empty = new MemorySource(new Uint8Array(0), 'unreadable');
    return names.map((name) => ({ ...base, name, packed: empty, unreadable: error.message }));
  }
}

function folderContent(
  source: ByteSource,
  folder: Folder,
  limits: ExpandLimits,
): { source: ByteSource; error?: ScanError } {
  if (folder.branching) throw new ScanError('E_LIMIT', 'a 7z folder with branching coders');
  const [coder, ...filters] = folder.coders;
  if (coder === undefined) throw new ScanError('E_FORMAT', 'a 7z folder without coders');
  const packed = new SliceSource(source, folder.packOffset, folder.packBytes, '7z folder');
  const open = decoderOf(coder, packed, folder.plainBytes);
  const expansion = open === undefined ? { source: packed } : expand(open, '7z folder', limits);
  let content = expansion.source;
  for (const filter of filters) {
    if (filter.id !== X86_FILTER || content.size > MAX_FILTERED_BYTES)
      throw new ScanError('E_LIMIT', `7z filter ${filter.id} cannot be undone here`);
    content = new MemorySource(undoX86(content.read(0, content.size).slice()), '7z folder');
  }
  return { ...expansion, source: content };
}

/** Nothing for stored data. @throws ScanError `E_LIMIT` for a codec that cannot be read here */
function decoderOf(
  coder: Coder,
  packed: ByteSource,
  plainBytes: number,
): (() => ByteStream) | undefined {
  const { id, properties } = coder;
  switch (id) {
    case '00':
      return undefined;
    case '21':
      return () => lzma2Stream(new Input(packed), lzma2DictionaryBytes(properties[0] ?? 41));
    case '030101':
      return () => {
        if (properties.byteLength < 5) throw new ScanError('E_FORMAT', 'LZMA without properties');
        const dictionary = Buffer.from(properties).readUInt32LE(1);
        return lzmaStream(new Input(packed), properties[0] as number, dictionary, plainBytes);
      };
    case '040108':
      return () => new InflateStream(new Input(packed), 'raw');
    case '040202':
      return () => bzip2Stream(new Input(packed));
    default:
      throw new ScanError(
        'E_LIMIT',
        id === '06f10701' ? 'the 7z data is encrypted' : `7z codec ${id} cannot be read here`,
      );
  }
}

/**
 * Undoes Igor Pavlov's x86 filter, which made call and jump targets absolute. `history` holds which of the
 * last bytes looked like opcodes, since those in another's operand were left alone.
 */
function undoX86(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isBorder = (byte: number | undefined): boolean => byte === 0 || byte === 0xff;
  const maskToBit = [0, 1, 2, 2, 3, 3, 3, 3];
  let mask = 0;
  let previous = -1;
  for (let at = 0; at + 5 <= bytes.byteLength; at++) {
    if (((bytes[at] as number) & 0xfe) !== 0xe8) continue;
    const distance = at - previous;
    previous = at;
    mask = distance > 3 ? 0 : (mask << (distance - 1)) & 7;
    if (mask !== 0) {
      const bit = maskToBit[mask] as number;
      const allowed = mask === 1 || mask === 2 || mask === 4;
      if (!allowed || isBorder(bytes[at + 4 - bit])) {
        mask = ((mask << 1) & 7) | 1;
        continue;
      }
    }
    if (!isBorder(bytes[at + 4])) {
      mask = ((mask << 1) & 7) | 1;
      continue;
    }
    let target = view.getUint32(at + 1, true);
    for (;;) {
      target = (target - (at + 5)) >>> 0;
      if (mask === 0) break;
      const shift = (maskToBit[mask] as number) * 8;
      if (!isBorder((target >>> (24 - shift)) & 0xff)) break;
      target = (target ^ (2 ** (32 - shift) - 1)) >>> 0;
    }
    const negative = (target & 0x1000000) !== 0;
    view.setUint32(at + 1, negative ? (target | 0xff000000) >>> 0 : target & 0x1ffffff, true);
    at += 4;
    previous = at;
    mask = 0;
  }
  return bytes;
}
