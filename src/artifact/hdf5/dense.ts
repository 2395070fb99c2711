/**
 * Dense storage of HDF5: link and attribute messages in a fractal heap, listed by a version 2 B-tree.
 * Files written with `libver='latest'` and many links use it. Objects outside the heap's blocks ("huge") are refused.
 */
import { ScanError } from '../../errors.ts';
import type { Cursor } from '../cursor.ts';
import type { HeapObject } from './heaps.ts';
import { cursorAt, expectSignature, type Hdf5Layout, readLength, readOffset } from './layout.ts';

const MAX_BLOCKS = 20_000;
const MAX_DEPTH = 16;
const LINK_NAME_INDEX = 5;
const ATTRIBUTE_NAME_INDEX = 8;

/** Message bodies in the order of the name index. */
export function* denseObjects(
  layout: Hdf5Layout,
  heap: number,
  tree: number,
): Generator<HeapObject> {
  const fractal = readFractalHeap(layout, heap);
  const blocks = directBlocks(layout, fractal);
  for (const idOffset of heapIds(layout, tree, fractal.idBytes)) {
    yield locate(layout, fractal, blocks, idOffset);
  }
}

interface FractalHeap {
  readonly idBytes: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly width: number;
  readonly startBytes: number;
  readonly directRows: number;
  readonly root: number | undefined;
  readonly rootRows: number;
}

function bytesToHold(limit: number): number {
  return Math.floor(Math.log2(Math.max(limit, 1)) / 8) + 1;
}

function readFractalHeap(layout: Hdf5Layout, address: number): FractalHeap {
  const cursor = cursorAt(layout, address);
  expectSignature(cursor, 'FRHP');
  cursor.skip(1);
  const idBytes = cursor.u16();
  const filterBytes = cursor.u16();
  cursor.skip(1);
  const maxManaged = cursor.u32();
  readLength(cursor, layout);
  readOffset(cursor, layout);
  readLength(cursor, layout);
  readOffset(cursor, layout);
  for (let i = 0; i < 8; i++) readLength(cursor, layout);
  const width = cursor.u16();
  const startBytes = readLength(cursor, layout);
  const maxDirectBytes = readLength(cursor, layout);
  const heapBits = cursor.u16();
  cursor.skip(2);
  const root = readOffset(cursor, layout);
  const rootRows = cursor.u16();
  const isPower = (n: number): boolean => n > 0 && Number.isInteger(Math.log2(n));
  const sound =
    filterBytes === 0 &&
    isPower(width) &&
    isPower(startBytes) &&
    isPower(maxDirectBytes) &&
    width <= 1024 &&
    heapBits <= 64 &&
    idBytes >= 3 &&
    idBytes <= 4096 &&
    rootRows <= 64;
  if (!sound) {
    throw new ScanError('E_FORMAT', 'a fractal heap with unusual settings is not read', {
      byteOffset: address,
    });
  }
  return {
    idBytes,
    offsetBytes: Math.ceil(heapBits / 8),
    lengthBytes: Math.min(bytesToHold(maxDirectBytes), bytesToHold(maxManaged)),
    width,
    startBytes,
    directRows: Math.log2(maxDirectBytes) - Math.log2(startBytes) + 2,
    root,
    rootRows,
  };
}

interface DirectBlock {
  /** In the heap's own address space. */
  readonly heapOffset: number;
  readonly address: number;
  readonly length: number;
}

function rowBytes(heap: FractalHeap, row: number): number {
  return heap.startBytes * 2 ** Math.max(0, row - 1);
}

function directBlocks(layout: Hdf5Layout, heap: FractalHeap): readonly DirectBlock[] {
  const { root, rootRows, startBytes, width, offsetBytes } = heap;
  if (root === undefined) return [];
  if (rootRows === 0) return [{ heapOffset: 0, address: root, length: startBytes }];
  const blocks: DirectBlock[] = [];
  const pending = [{ address: root, rows: rootRows, heapOffset: 0, depth: 0 }];
  for (let next = pending.pop(); next; next = pending.pop()) {
    const cursor = cursorAt(layout, next.address);
    expectSignature(cursor, 'FHIB');
    cursor.skip(1 + layout.offsetBytes + offsetBytes);
    let heapOffset = next.heapOffset;
    for (let row = 0; row < next.rows; row++) {
      const length = rowBytes(heap, row);
      for (let column = 0; column < width; column++, heapOffset += length) {
        const address = readOffset(cursor, layout);
        if (address === undefined) continue;
        if (blocks.length + pending.length >= MAX_BLOCKS || next.depth >= MAX_DEPTH) {
          throw new ScanError('E_LIMIT', 'a fractal heap has too many blocks', {
            byteOffset: next.address,
          });
        }
        if (row < heap.directRows) blocks.push({ heapOffset, address, length });
        else {
          const rows = Math.log2(length) - Math.log2(startBytes * width) + 1;
          pending.push({ address, rows, heapOffset, depth: next.depth + 1 });
        }
      }
    }
  }
  return blocks;
}

function readNumber(cursor: Cursor, bytes: number): number {
  let value = 0;
  let scale = 1;
  for (const byte of cursor.bytes(bytes)) {
    value += byte * scale;
    scale *= 256;
  }
  return value;
}

function locate(
  layout: Hdf5Layout,
  heap: FractalHeap,
  blocks: readonly DirectBlock[],
  idOffset: number,
): HeapObject {
  const cursor = cursorAt(layout, idOffset);
  const first = cursor.u8();
  const type = (first >> 4) & 3;
  if (type === 2)
    return { offset: cursor.at, length: Math.min((first & 0x0f) + 1, heap.idBytes - 1) };
  if (type !== 0) {
    throw new ScanError('E_FORMAT', 'objects outside the heap blocks are not read', {
      byteOffset: idOffset,
    });
  }
  const offset = readNumber(cursor, heap.offsetBytes);
  const length = readNumber(cursor, heap.lengthBytes);
  const block = blocks.find(
    (item) => offset >= item.heapOffset && offset < item.heapOffset + item.length,
  );
  if (block === undefined || offset + length > block.heapOffset + block.length) {
    throw new ScanError('E_FORMAT', 'a heap object lies in no block', { byteOffset: idOffset });
  }
  const start = block.address + offset - block.heapOffset;
  if (start + length > layout.source.size) {
    throw new ScanError('E_TRUNCATED', 'a heap object leaves the file', { byteOffset: idOffset });
  }
  return { offset: start, length };
}

/** File offsets of the heap ids in a name index. */
function* heapIds(layout: Hdf5Layout, address: number, idBytes: number): Generator<number> {
  const cursor = cursorAt(layout, address);
  expectSignature(cursor, 'BTHD');
  cursor.skip(1);
  const type = cursor.u8();
  const nodeBytes = cursor.u32();
  const recordBytes = cursor.u16();
  const depth = cursor.u16();
  cursor.skip(2);
  const root = readOffset(cursor, layout);
  const rootRecords = cursor.u16();
  const idAt = type === LINK_NAME_INDEX ? 4 : 0;
  const sound =
    (type === LINK_NAME_INDEX || type === ATTRIBUTE_NAME_INDEX) &&
    recordBytes >= idAt + Math.min(idBytes, 7) &&
    nodeBytes >= 64 &&
    depth <= MAX_DEPTH;
  if (!sound)
    throw new ScanError('E_FORMAT', 'a name index with unusual settings is not read', {
      byteOffset: address,
    });
  if (root === undefined) return;
  const pointers = pointerWidths(layout, nodeBytes, recordBytes, depth);
  const pending = [{ address: root, records: rootRecords, depth }];
  const seen = new Set<number>();
  for (let node = pending.pop(); node; node = pending.pop()) {
    if (seen.has(node.address) || seen.size >= MAX_BLOCKS) {
      throw new ScanError('E_FORMAT', 'a name index loops or is too large', {
        byteOffset: node.address,
      });
    }
    seen.add(node.address);
    const at = cursorAt(layout, node.address);
    expectSignature(at, node.depth > 0 ? 'BTIN' : 'BTLF');
    at.skip(2);
    for (let i = 0; i < node.records; i++) {
      yield at.at + idAt;
      at.skip(recordBytes);
    }
    if (node.depth === 0) continue;
    const { countBytes, totalBytes } = pointers;
    for (let i = 0; i <= node.records; i++) {
      const child = readOffset(at, layout);
      const records = readNumber(at, countBytes);
      at.skip(totalBytes[node.depth - 1] ?? 0);
      if (child !== undefined) pending.push({ address: child, records, depth: node.depth - 1 });
    }
  }
}

/** Widths of the counts beside child pointers, which follow from how many records a node can hold. */
function pointerWidths(
  layout: Hdf5Layout,
  nodeBytes: number,
  recordBytes: number,
  depth: number,
): { readonly countBytes: number; readonly totalBytes: readonly number[] } {
  const prefix = 10;
  let most = Math.floor((nodeBytes - prefix) / recordBytes);
  const countBytes = bytesToHold(most);
  const totalBytes = [0];
  let total = most;
  for (let level = 1; level < depth; level++) {
    const pointer = layout.offsetBytes + countBytes + (totalBytes[level - 1] ?? 0);
    most = Math.floor((nodeBytes - prefix - pointer) / (recordBytes + pointer));
    total = (most + 1) * total + most;
    totalBytes.push(bytesToHold(total));
  }
  return { countBytes, totalBytes };
}
