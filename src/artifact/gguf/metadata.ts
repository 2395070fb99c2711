/** Key-value section of GGUF: every count is compared with the bytes that are left before it is used. */
import { ScanError } from '../../errors.ts';
import type { Cursor } from '../cursor.ts';
import type { ProblemSink } from '../problem.ts';
import {
  type GgufArray,
  type GgufEntry,
  type GgufScalarType,
  type GgufValue,
  type GgufValueType,
  SCALAR_BYTES,
  VALUE_TYPES,
} from './types.ts';

const MAX_KEY_BYTES = 65_535;
const MAX_STRING_BYTES = 64 * 1024 * 1024;
const MAX_ARRAY_DEPTH = 4;
/** Largest vocabulary times a generous factor; keeps the structure check short. */
const MAX_COUNTED_STRINGS = 8_000_000;

/** Thrown inside the reader after the sink was told: the rest of the file has no known place. */
export class Unreadable extends Error {}

export interface GgufCursor {
  readonly cursor: Cursor;
  readonly version: number;
  readonly sink: ProblemSink;
}

/** Version 1 counts with 32 bits, later ones with 64. */
export function count(reader: GgufCursor, what: string): number {
  if (reader.version === 1) return reader.cursor.u32();
  const byteOffset = reader.cursor.at;
  try {
    return reader.cursor.count64(what);
  } catch (error) {
    if (!(error instanceof ScanError) || error.code !== 'E_LIMIT') throw error;
    return stop(reader, byteOffset, `${what} does not fit 53 bits`);
  }
}

function stop(reader: GgufCursor, byteOffset: number, detail: string, key?: string): never {
  reader.sink({
    problem: 'wild-count',
    code: 'E_LIMIT',
    detail,
    byteOffset,
    ...(key !== undefined && { key }),
  });
  throw new Unreadable(detail);
}

/** Refuses a count whose smallest possible content would not fit the file. */
export function checkCount(
  reader: GgufCursor,
  value: number,
  smallestBytes: number,
  what: string,
  key?: string,
): void {
  if (value <= Math.floor(reader.cursor.left / smallestBytes)) return;
  const detail = `${what}: ${value} claimed, ${reader.cursor.left} bytes are left`;
  stop(reader, reader.cursor.at, detail, key);
}

export function lengthPrefixBytes(version: number): number {
  return version === 1 ? 4 : 8;
}

export function readText(reader: GgufCursor, what: string, maxBytes: number): string {
  const byteOffset = reader.cursor.at;
  const length = count(reader, `the length of ${what}`);
  if (length > reader.cursor.left || length > maxBytes) {
    stop(reader, byteOffset, `${what}: ${length} bytes claimed, ${reader.cursor.left} are left`);
  }
  return reader.cursor.text(length, maxBytes);
}

export function readEntry(reader: GgufCursor): GgufEntry {
  const { cursor } = reader;
  const keyOffset = cursor.at;
  const key = readText(reader, 'a metadata key', MAX_KEY_BYTES);
  const type = readType(reader, key);
  const valueOffset = cursor.at;
  const value = type === 'array' ? readArray(reader, key, 1) : readPlain(reader, type, key);
  return { key, type, value, keyOffset, valueOffset };
}

function readType(reader: GgufCursor, key: string): GgufValueType {
  const byteOffset = reader.cursor.at;
  const id = reader.cursor.u32();
  const type = VALUE_TYPES[id];
  if (type !== undefined) return type;
  const detail = `key ${JSON.stringify(key.slice(0, 200))} has the unknown value type ${id}`;
  reader.sink({ problem: 'value-type', code: 'E_FORMAT', detail, byteOffset, key });
  throw new Unreadable(detail);
}

function readPlain(
  reader: GgufCursor,
  type: Exclude<GgufValueType, 'array'>,
  key: string,
): GgufValue {
  const { cursor } = reader;
  switch (type) {
    case 'string':
      return readText(reader, `the value of ${key.slice(0, 200)}`, MAX_STRING_BYTES);
    case 'u8':
      return cursor.u8();
    case 'i8':
      return (cursor.u8() << 24) >> 24;
    case 'u16':
      return cursor.u16();
    case 'i16':
      return (cursor.u16() << 16) >> 16;
    case 'u32':
      return cursor.u32();
    case 'i32':
      return cursor.i32();
    case 'f32':
      return cursor.f32();
    case 'f64':
      return cursor.f64();
    case 'u64':
      return narrow(cursor.u64());
    case 'i64':
      return narrow(cursor.i64());
    case 'bool':
      return readBool(reader, key);
  }
}

function readBool(reader: GgufCursor, key: string): boolean {
  const byteOffset = reader.cursor.at;
  const byte = reader.cursor.u8();
  if (byte > 1) {
    const detail = `key ${JSON.stringify(key.slice(0, 200))} is a boolean with the value ${byte}`;
    reader.sink({ problem: 'bad-boolean', code: 'E_FORMAT', detail, byteOffset, key });
  }
  return byte !== 0;
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function readArray(reader: GgufCursor, key: string, depth: number): GgufArray {
  const { cursor, sink } = reader;
  const startOffset = cursor.at;
  const elementType = readType(reader, key);
  const elements = count(reader, `the length of array ${key.slice(0, 200)}`);
  const byteOffset = cursor.at;
  if (elementType === 'string' || elementType === 'array') {
    const smallest = lengthPrefixBytes(reader.version) + (elementType === 'array' ? 4 : 0);
    checkCount(reader, elements, smallest, `array ${key.slice(0, 200)}`, key);
    if (elements > MAX_COUNTED_STRINGS) {
      stop(reader, startOffset, `array ${key.slice(0, 200)} has ${elements} strings`, key);
    }
    if (elementType === 'array') {
      const detail = `key ${JSON.stringify(key.slice(0, 200))} is an array of arrays`;
      sink({ problem: 'nested-array', code: 'E_FORMAT', detail, byteOffset: startOffset, key });
      if (depth >= MAX_ARRAY_DEPTH) throw new Unreadable('arrays nested too deep');
    }
    for (let i = 0; i < elements; i++) {
      if (elementType === 'array') readArray(reader, key, depth + 1);
      else skipText(reader, key);
    }
  } else {
    const size = SCALAR_BYTES[elementType satisfies GgufScalarType];
    checkCount(reader, elements, size, `array ${key.slice(0, 200)}`, key);
    cursor.skip(elements * size);
  }
  return { elementType, count: elements, byteOffset, byteLength: cursor.at - byteOffset };
}

function skipText(reader: GgufCursor, key: string): void {
  const byteOffset = reader.cursor.at;
  const length = count(reader, 'the length of a string');
  if (length > reader.cursor.left) {
    const detail = `a string of array ${key.slice(0, 200)} claims ${length} bytes, ${reader.cursor.left} are left`;
    stop(reader, byteOffset, detail, key);
  }
  reader.cursor.skip(length);
}
