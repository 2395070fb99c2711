/**
 * Protocol buffers wire format, read field by field with no schema and no recursion: the caller decides which
 * length-delimited fields to enter. Groups are refused, as no model format uses them.
 * Source: protobuf.dev, "Encoding".
 */
import { ScanError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';

export interface WireField {
  readonly number: number;
  /** 0 varint, 1 fixed 64, 2 length-delimited, 5 fixed 32. */
  readonly wire: 0 | 1 | 2 | 5;
  /** Absolute offset of the tag. */
  readonly tagOffset: number;
  /** Absolute offset of the value's first byte. */
  readonly offset: number;
  /** Bytes of the value. */
  readonly length: number;
  /** Varint fields: low and high 32 bits, both unsigned; zero for others. */
  readonly low: number;
  readonly high: number;
}

/** A window of a source that holds one message. */
export interface Message {
  readonly source: ByteSource;
  readonly offset: number;
  readonly length: number;
}

const CHUNK_BYTES = 32 * 1024;
const EMPTY = new Uint8Array(0);
const MAX_FIELDS = 20_000_000;
const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });

export function wholeMessage(source: ByteSource): Message {
  return { source, offset: 0, length: source.size };
}

/** A length-delimited field as a message of its own. */
export function messageOf(parent: Message, field: WireField): Message {
  return { source: parent.source, offset: field.offset, length: field.length };
}

/**
 * Fields in order. Lengths are checked against the message before they are used.
 * @throws ScanError `E_FORMAT` or `E_TRUNCATED` with the absolute offset.
 */
export function* fieldsOf(message: Message): Generator<WireField, void, undefined> {
  const { source } = message;
  const end = message.offset + message.length;
  let at = message.offset;
  let chunk: Uint8Array = EMPTY;
  let chunkStart = at;
  let count = 0;

  function byteAt(position: number): number {
    if (position >= end) {
      throw new ScanError('E_TRUNCATED', 'a message ends inside a field', { byteOffset: position });
    }
    if (position < chunkStart || position >= chunkStart + chunk.byteLength) {
      chunk = source.read(position, Math.min(CHUNK_BYTES, end - position));
      chunkStart = position;
    }
    return chunk[position - chunkStart] ?? 0;
  }

  let low = 0;
  let high = 0;
  function varint(): void {
    const start = at;
    low = 0;
    high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = byteAt(at++);
      const bits = byte & 0x7f;
      if (shift < 28) low += bits * 2 ** shift;
      else if (shift === 28) {
        low += (bits & 0x0f) * 2 ** 28;
        high += bits >>> 4;
      } else high += bits * 2 ** (shift - 32);
      if (byte < 0x80) {
        high = high % 0x1_0000_0000;
        return;
      }
    }
    throw new ScanError('E_FORMAT', 'a varint is longer than ten bytes', { byteOffset: start });
  }

  while (at < end) {
    if (++count > MAX_FIELDS) {
      throw new ScanError('E_LIMIT', `more than ${MAX_FIELDS} fields in a message`, {
        byteOffset: at,
      });
    }
    const tagOffset = at;
    varint();
    const wire = low & 7;
    const number = Math.floor(low / 8);
    if (number === 0 || high !== 0) {
      throw new ScanError('E_FORMAT', 'not a protobuf field tag', { byteOffset: tagOffset });
    }
    if (wire === 0) {
      const offset = at;
      varint();
      yield { number, wire, tagOffset, offset, length: at - offset, low, high };
      continue;
    }
    let length: number;
    if (wire === 1) length = 8;
    else if (wire === 5) length = 4;
    else if (wire === 2) {
      varint();
      length = high * 0x1_0000_0000 + low;
    } else {
      throw new ScanError(
        'E_FORMAT',
        `protobuf wire type ${wire} is not used by any model format`,
        {
          byteOffset: tagOffset,
        },
      );
    }
    if (length > end - at) {
      throw new ScanError('E_TRUNCATED', `a field of ${length} bytes, ${end - at} are left`, {
        byteOffset: tagOffset,
      });
    }
    const offset = at;
    at += length;
    yield { number, wire, tagOffset, offset, length, low: 0, high: 0 };
  }
}

/** UTF-8 text of a length-delimited field, cut at `maxBytes`; bad sequences become U+FFFD. */
export function textOf(message: Message, field: WireField, maxBytes = 65_536): string {
  return decoder.decode(message.source.read(field.offset, Math.min(field.length, maxBytes)));
}

/** A varint as a signed 64-bit number. Not exact outside ±2^53. */
export function int64Of(field: WireField): number {
  return field.high >= 0x8000_0000
    ? (field.high - 0x1_0000_0000) * 0x1_0000_0000 + field.low
    : field.high * 0x1_0000_0000 + field.low;
}

/** Values of a repeated integer field in its packed or plain form, at most `limit` of them. */
export function repeatedInt64(message: Message, field: WireField, limit: number): number[] {
  if (field.wire === 0) return [int64Of(field)];
  const values: number[] = [];
  if (field.wire !== 2) return values;
  const bytes = message.source.read(field.offset, Math.min(field.length, limit * 10));
  let at = 0;
  while (at < bytes.byteLength && values.length < limit) {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    values.push(Number(BigInt.asIntN(64, value)));
  }
  return values;
}
