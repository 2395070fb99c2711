/** Attributes whose value is text, of fixed or variable length; other types are only named. */
import { ScanError } from '../../errors.ts';
import { Cursor } from '../cursor.ts';
import { findHeapObject, untilZero } from './heaps.ts';
import { type Hdf5Layout, readLength, readOffset } from './layout.ts';

export interface Hdf5Attribute {
  readonly name: string;
  readonly byteOffset: number;
  /** Where the text of a scalar text attribute lies; absent for other types. */
  readonly text?: { readonly offset: number; readonly length: number };
}

/** Reads an attribute message body (versions 1 to 3) at an absolute offset. */
export function readAttribute(layout: Hdf5Layout, offset: number, length: number): Hdf5Attribute {
  const cursor = new Cursor(layout.source, offset, offset + length);
  const version = cursor.u8();
  if (version < 1 || version > 3) {
    throw new ScanError('E_FORMAT', `attribute version ${version} is not known`, {
      byteOffset: offset,
    });
  }
  const flags = cursor.u8();
  const nameBytes = cursor.u16();
  const typeBytes = cursor.u16();
  const spaceBytes = cursor.u16();
  if (version === 3) cursor.skip(1);
  const padded = (size: number): number => (version === 1 ? Math.ceil(size / 8) * 8 : size);
  const name = untilZero(cursor.bytes(nameBytes));
  cursor.skip(padded(nameBytes) - nameBytes);
  const typeOffset = cursor.at;
  cursor.skip(padded(typeBytes));
  const spaceOffset = cursor.at;
  cursor.skip(padded(spaceBytes));
  const base = { name, byteOffset: offset };
  // A shared type or space is stored elsewhere; text attributes never share theirs.
  if (version >= 2 && (flags & 3) !== 0) return base;
  const type = new Cursor(layout.source, typeOffset, typeOffset + typeBytes);
  const typeClass = type.u8() & 0x0f;
  const kind = type.u8() & 0x0f;
  type.skip(2);
  const size = type.u32();
  if (elementsOf(layout, spaceOffset, spaceBytes) !== 1) return base;
  if (typeClass === 3) {
    if (size > cursor.left) throw cursor.truncated(size);
    return { ...base, text: { offset: cursor.at, length: size } };
  }
  if (typeClass !== 9 || kind !== 1) return base;
  const textLength = cursor.u32();
  const heap = readOffset(cursor, layout);
  const object = heap === undefined ? undefined : findHeapObject(layout, heap, cursor.u32());
  if (object === undefined) return base;
  return { ...base, text: { offset: object.offset, length: Math.min(textLength, object.length) } };
}

function elementsOf(layout: Hdf5Layout, offset: number, length: number): number {
  const cursor = new Cursor(layout.source, offset, offset + length);
  const version = cursor.u8();
  const rank = cursor.u8();
  cursor.skip(version === 1 ? 6 : 2);
  let elements = 1;
  for (let i = 0; i < Math.min(rank, 32); i++) elements *= readLength(cursor, layout);
  return elements;
}
