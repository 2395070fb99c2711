/**
 * Walks MessagePack without building values: lengths are checked, depth is bounded, extension types are counted.
 * Flax writes checkpoints in it (extension 1 arrays, 2 complex numbers, 3 scalars). Source: msgpack/spec.md.
 */
import { ScanError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { Cursor } from './cursor.ts';

export interface MsgpackSummary {
  /** Extension type to how many there are. */
  readonly extensions: ReadonlyMap<number, number>;
  /** First byte after the first value. */
  readonly endOffset: number;
}

export interface MsgpackVisitor {
  check(): void;
  /** Text of at most 64 KiB: keys and short values. */
  text(value: string, byteOffset: number): void;
}

const MAX_DEPTH = 128;
const MAX_VALUES = 20_000_000;
const MAX_TEXT_BYTES = 65_536;

/** @throws ScanError `E_FORMAT`, `E_TRUNCATED`, `E_LIMIT` */
export function walkMsgpack(source: ByteSource, visitor: MsgpackVisitor): MsgpackSummary {
  const cursor = new Cursor(source);
  const extensions = new Map<number, number>();
  /** Values that are still to come, for each open container. */
  const open: number[] = [1];
  for (let values = 0; open.length > 0; values++) {
    const left = open.at(-1) ?? 0;
    if (left === 0) {
      open.pop();
      continue;
    }
    open[open.length - 1] = left - 1;
    if (values % 4096 === 0) visitor.check();
    if (values > MAX_VALUES) throw limit(cursor, `more than ${MAX_VALUES} values`);
    const children = readValue(cursor, extensions, visitor);
    if (children === 0) continue;
    if (children > cursor.left) throw cursor.truncated(children);
    if (open.length > MAX_DEPTH) throw limit(cursor, `nested deeper than ${MAX_DEPTH}`);
    open.push(children);
  }
  return { extensions, endOffset: cursor.at };
}

function limit(cursor: Cursor, problem: string): ScanError {
  return new ScanError('E_LIMIT', problem, { byteOffset: cursor.at });
}

/** Big-endian count of 1, 2 or 4 bytes. */
function size(cursor: Cursor, bytes: number): number {
  let value = 0;
  for (let i = 0; i < bytes; i++) value = value * 256 + cursor.u8();
  return value;
}

/** Steps over one value; returns how many values a container holds. */
function readValue(
  cursor: Cursor,
  extensions: Map<number, number>,
  visitor: MsgpackVisitor,
): number {
  const byteOffset = cursor.at;
  const type = cursor.u8();
  if (type < 0x80 || type >= 0xe0) return 0;
  if (type < 0x90) return (type & 0x0f) * 2;
  if (type < 0xa0) return type & 0x0f;
  if (type < 0xc0) return readText(cursor, type & 0x1f, visitor);
  if (type >= 0xd9 && type <= 0xdb)
    return readText(cursor, size(cursor, 1 << (type - 0xd9)), visitor);
  if (type === 0xdc || type === 0xdd) return size(cursor, type === 0xdc ? 2 : 4);
  if (type === 0xde || type === 0xdf) return size(cursor, type === 0xde ? 2 : 4) * 2;
  if (type === 0xc0 || type === 0xc2 || type === 0xc3) return 0;
  if (type >= 0xc4 && type <= 0xc6) cursor.skip(size(cursor, 1 << (type - 0xc4)));
  else if (type >= 0xca && type <= 0xd3) cursor.skip(SCALAR_BYTES[type - 0xca] ?? 0);
  else if (type >= 0xd4 && type <= 0xd8) readExtension(cursor, 1 << (type - 0xd4), extensions);
  else if (type >= 0xc7 && type <= 0xc9)
    readExtension(cursor, size(cursor, 1 << (type - 0xc7)), extensions);
  else throw new ScanError('E_FORMAT', 'a byte that MessagePack never uses', { byteOffset });
  return 0;
}

/** float 32, float 64, uint 8 to 64, int 8 to 64. */
const SCALAR_BYTES = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8];

function readText(cursor: Cursor, length: number, visitor: MsgpackVisitor): number {
  const byteOffset = cursor.at;
  if (length <= MAX_TEXT_BYTES) visitor.text(cursor.text(length, MAX_TEXT_BYTES), byteOffset);
  else cursor.skip(length);
  return 0;
}

function readExtension(cursor: Cursor, length: number, extensions: Map<number, number>): void {
  const type = cursor.u8();
  extensions.set(type, (extensions.get(type) ?? 0) + 1);
  cursor.skip(length);
}
