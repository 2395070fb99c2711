/** The three record kinds of a zip file, as they are written; source: PKWARE APPNOTE 6.3.10. */
import { ScanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';

export const LOCAL_SIGNATURE = 0x04034b50;
export const CENTRAL_SIGNATURE = 0x02014b50;
const END_SIGNATURE = 0x06054b50;
const END64_SIGNATURE = 0x06064b50;
const MAX_TAIL_BYTES = 65_557;
export const MAX_MEMBERS = 1_000_000;

export interface ZipRecord {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly plainBytes: number;
  /** Unix mode, when the writer gave one (central records). */
  readonly mode: number;
  /** Another name in a Unicode path field, which some readers prefer. */
  readonly otherName?: string;
}

export interface CentralRecord extends ZipRecord {
  readonly localOffset: number;
  readonly byteOffset: number;
}

export interface LocalRecord extends ZipRecord {
  readonly dataOffset: number;
}

export interface EndRecord {
  readonly byteOffset: number;
  readonly directoryBytes: number;
  readonly directoryOffset: number;
  /** Where the record and its comment end. */
  readonly endOffset: number;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Every plausible end record near the end of the file, last first. */
export function findEndRecords(source: ByteSource): EndRecord[] {
  const size = Math.min(MAX_TAIL_BYTES, source.size);
  const start = source.size - size;
  const tail = Buffer.from(source.read(start, size));
  const found: EndRecord[] = [];
  for (let at = size - 22; at >= 0; at--) {
    if (tail[at] !== 0x50 || tail.readUInt32LE(at) !== END_SIGNATURE) continue;
    const record = endRecord(source, tail, at, start);
    if (record !== undefined) found.push(record);
  }
  return found;
}

function endRecord(
  source: ByteSource,
  tail: Buffer,
  at: number,
  start: number,
): EndRecord | undefined {
  let directoryBytes = tail.readUInt32LE(at + 12);
  let directoryOffset = tail.readUInt32LE(at + 16);
  let byteOffset = start + at;
  const endOffset = Math.min(source.size, byteOffset + 22 + tail.readUInt16LE(at + 20));
  // torch always writes the 64-bit record, and Python prefers it whenever it is there.
  const wide = end64(source, byteOffset);
  if (wide !== undefined) {
    directoryBytes = wide.directoryBytes;
    directoryOffset = wide.directoryOffset;
    byteOffset = wide.byteOffset;
  }
  if (directoryBytes > byteOffset) return undefined;
  return { byteOffset, directoryBytes, directoryOffset, endOffset };
}

function end64(source: ByteSource, endOffset: number): EndRecord | undefined {
  if (endOffset < 76) return undefined;
  const locator = view(source.read(endOffset - 20, 20));
  if (locator.getUint32(0, true) !== 0x07064b50) return undefined;
  // The stored offset is wrong when something was put in front, so the place before the locator counts too.
  for (const offset of [Number(locator.getBigUint64(8, true)), endOffset - 76]) {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > source.size - 56) continue;
    const record = view(source.read(offset, 56));
    if (record.getUint32(0, true) !== END64_SIGNATURE) continue;
    return {
      byteOffset: offset,
      directoryBytes: Number(record.getBigUint64(40, true)),
      directoryOffset: Number(record.getBigUint64(48, true)),
      endOffset,
    };
  }
  return undefined;
}

/** Central records from `offset` to `end`. @throws ScanError when one of them is broken. */
export function* centralRecords(
  source: ByteSource,
  offset: number,
  end: number,
): Generator<CentralRecord> {
  let at = offset;
  for (let count = 0; at + 46 <= end; count++) {
    if (count > MAX_MEMBERS) throw new ScanError('E_LIMIT', `more than ${MAX_MEMBERS} members`);
    const fixed = view(source.read(at, 46));
    if (fixed.getUint32(0, true) !== CENTRAL_SIGNATURE) {
      throw new ScanError('E_FORMAT', 'the zip directory is broken', { byteOffset: at });
    }
    const nameBytes = fixed.getUint16(28, true);
    const extraBytes = fixed.getUint16(30, true);
    const next = at + 46 + nameBytes + extraBytes + fixed.getUint16(32, true);
    if (next > source.size) {
      throw new ScanError('E_TRUNCATED', 'the zip directory runs over', { byteOffset: at });
    }
    const flags = fixed.getUint16(8, true);
    const wide = wideFields(source.read(at + 46 + nameBytes, extraBytes), [
      fixed.getUint32(24, true),
      fixed.getUint32(20, true),
      fixed.getUint32(42, true),
    ]);
    yield {
      ...wide.names,
      name: decodeName(source.read(at + 46, nameBytes), flags),
      flags,
      method: fixed.getUint16(10, true),
      crc: fixed.getUint32(16, true),
      plainBytes: wide.values[0] as number,
      packedBytes: wide.values[1] as number,
      mode:
        fixed.getUint8(5) === 3 || fixed.getUint32(38, true) > 0xffff
          ? fixed.getUint32(38, true) >>> 16
          : 0,
      localOffset: wide.values[2] as number,
      byteOffset: at,
    };
    at = next;
  }
}

/** The local record at `offset`, or nothing when there is none. */
export function localRecord(source: ByteSource, offset: number): LocalRecord | undefined {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > source.size - 30) return undefined;
  const fixed = view(source.read(offset, 30));
  if (fixed.getUint32(0, true) !== LOCAL_SIGNATURE) return undefined;
  const nameBytes = fixed.getUint16(26, true);
  const extraBytes = fixed.getUint16(28, true);
  const dataOffset = offset + 30 + nameBytes + extraBytes;
  if (dataOffset > source.size) return undefined;
  const flags = fixed.getUint16(6, true);
  const wide = wideFields(source.read(offset + 30 + nameBytes, extraBytes), [
    fixed.getUint32(22, true),
    fixed.getUint32(18, true),
  ]);
  return {
    ...wide.names,
    name: decodeName(source.read(offset + 30, nameBytes), flags),
    flags,
    method: fixed.getUint16(8, true),
    crc: fixed.getUint32(14, true),
    plainBytes: wide.values[0] as number,
    packedBytes: wide.values[1] as number,
    mode: 0,
    dataOffset,
  };
}

/** Replaces 32-bit fields that say "see the zip64 field", and reads the Unicode path field. */
function wideFields(
  extra: Uint8Array,
  narrow: readonly number[],
): { values: number[]; names: { otherName?: string } } {
  const values = [...narrow];
  const fields = view(extra);
  let names: { otherName?: string } = {};
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const kind = fields.getUint16(at, true);
    const end = Math.min(extra.byteLength, at + 4 + fields.getUint16(at + 2, true));
    if (kind === 1) {
      let from = at + 4;
      for (let i = 0; i < values.length; i++) {
        if (values[i] !== 0xffffffff || from + 8 > end) continue;
        values[i] = Number(fields.getBigUint64(from, true));
        from += 8;
      }
    } else if (kind === 0x7075 && end - at > 9) {
      names = { otherName: Buffer.from(extra.subarray(at + 9, end)).toString('utf8') };
    }
    at = end;
  }
  return { values, names };
}

/** Without the UTF-8 flag names are bytes in an old code page; Latin-1 keeps them distinct. */
function decodeName(bytes: Uint8Array, flags: number): string {
  const buffer = Buffer.from(bytes);
  const utf8 = buffer.toString('utf8');
  return (flags & 0x800) !== 0 || !utf8.includes('\ufffd') ? utf8 : buffer.toString('latin1');
}
