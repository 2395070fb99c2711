/** Where HDF5 keeps names and long values: local heaps and global heap collections. */
import { ScanError } from '../../errors.ts';
import type { Cursor } from '../cursor.ts';
import { cursorAt, expectSignature, type Hdf5Layout, readLength, readOffset } from './layout.ts';

const MAX_NAME_BYTES = 65_536;
const MAX_HEAP_OBJECTS = 100_000;

export interface LocalHeap {
  readonly dataOffset: number;
  readonly dataBytes: number;
}

export function readLocalHeap(layout: Hdf5Layout, address: number): LocalHeap {
  const cursor = cursorAt(layout, address);
  expectSignature(cursor, 'HEAP');
  cursor.skip(4);
  const dataBytes = readLength(cursor, layout);
  readLength(cursor, layout);
  const dataOffset = readOffset(cursor, layout);
  if (dataOffset === undefined || dataOffset + dataBytes > layout.source.size) {
    throw new ScanError('E_TRUNCATED', 'a local heap leaves the file', { byteOffset: address });
  }
  return { dataOffset, dataBytes };
}

/** A name that ends with a zero byte. */
export function heapName(layout: Hdf5Layout, heap: LocalHeap, offset: number): string {
  if (offset >= heap.dataBytes) {
    throw new ScanError('E_FORMAT', 'a name lies outside its heap', {
      byteOffset: heap.dataOffset,
    });
  }
  const length = Math.min(heap.dataBytes - offset, MAX_NAME_BYTES);
  return untilZero(layout.source.read(heap.dataOffset + offset, length));
}

export function untilZero(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString('utf8');
}

export interface HeapObject {
  readonly offset: number;
  readonly length: number;
}

/** An object of a global heap collection; undefined when there is none with this index. */
export function findHeapObject(
  layout: Hdf5Layout,
  address: number,
  index: number,
): HeapObject | undefined {
  const cursor = cursorAt(layout, address);
  expectSignature(cursor, 'GCOL');
  cursor.skip(4);
  const size = readLength(cursor, layout);
  const end = address + size;
  if (end > layout.source.size) {
    throw new ScanError('E_TRUNCATED', 'a global heap leaves the file', { byteOffset: address });
  }
  for (let i = 0; i < MAX_HEAP_OBJECTS && cursor.at + 16 <= end; i++) {
    const object = readHeapObject(layout, cursor, end);
    if (object.index === 0) return undefined;
    if (object.index === index) return { offset: object.offset, length: object.length };
  }
  return undefined;
}

function readHeapObject(
  layout: Hdf5Layout,
  cursor: Cursor,
  end: number,
): HeapObject & { readonly index: number } {
  const index = cursor.u16();
  cursor.skip(6);
  const length = readLength(cursor, layout);
  const offset = cursor.at;
  if (index !== 0) {
    if (length > end - offset) {
      throw new ScanError('E_FORMAT', 'a global heap object leaves its heap', {
        byteOffset: offset,
      });
    }
    cursor.skip(Math.min(Math.ceil(length / 8) * 8, end - offset));
  }
  return { index, offset, length };
}
