/**
 * Walks all groups and datasets of an HDF5 file once and tells a visitor about attributes, links and storage in
 * other files. Dataset contents are never read. Bounded by objects, and by each address being visited once.
 */
import { ScanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { Cursor } from '../cursor.ts';
import { type Hdf5Attribute, readAttribute } from './attribute.ts';
import { denseObjects } from './dense.ts';
import { findHeapObject, heapName, readLocalHeap, untilZero } from './heaps.ts';
import { cursorAt, type Hdf5Layout, readLength, readOffset, readSuperblock } from './layout.ts';
import { type HeaderMessage, MESSAGE, readMessages } from './object-header.ts';

export interface Hdf5Visitor {
  check(): void;
  /** Bytes before the superblock, which HDF5 leaves to the application. */
  userBlock(byteLength: number): void;
  attribute(path: string, attribute: Hdf5Attribute): void;
  /** A link or storage that needs another file. */
  reference(
    path: string,
    purpose: 'external-link' | 'external-storage' | 'virtual-dataset',
    file: string,
    byteOffset: number,
  ): void;
  /** An object that could not be read; the walk goes on with the next. */
  failed(path: string, error: ScanError): void;
}

const MAX_OBJECTS = 100_000;
const MAX_LINKS = 500_000;
const MAX_TREE_LEVELS = 16;

interface Pending {
  readonly path: string;
  readonly address: number;
}

/** @throws ScanError when the superblock cannot be read, `E_LIMIT` past an object limit. */
export function visitHdf5(source: ByteSource, visitor: Hdf5Visitor): void {
  const layout = readSuperblock(source);
  if (layout.base > 0) visitor.userBlock(layout.base);
  const walk = new Walk(layout, visitor);
  walk.run();
}

class Walk {
  readonly #layout: Hdf5Layout;
  readonly #visitor: Hdf5Visitor;
  readonly #pending: Pending[];
  readonly #seen = new Set<number>();
  #links = 0;

  constructor(layout: Hdf5Layout, visitor: Hdf5Visitor) {
    this.#layout = layout;
    this.#visitor = visitor;
    this.#pending = [{ path: '/', address: layout.root }];
    this.#seen.add(layout.root);
  }

  run(): void {
    for (let next = this.#pending.pop(); next; next = this.#pending.pop()) {
      this.#visitor.check();
      try {
        for (const message of readMessages(this.#layout, next.address)) {
          this.#message(next.path, message);
        }
      } catch (error) {
        if (!(error instanceof ScanError) || error.code === 'E_TIMEOUT') throw error;
        this.#visitor.failed(next.path, error);
      }
    }
  }

  #message(path: string, message: HeaderMessage): void {
    const { offset, length } = message;
    if (message.shared) return;
    const cursor = new Cursor(this.#layout.source, offset, offset + length);
    switch (message.type) {
      case MESSAGE.attribute:
        this.#visitor.attribute(path, readAttribute(this.#layout, offset, length));
        return;
      case MESSAGE.link:
        this.#link(path, offset, length);
        return;
      case MESSAGE.symbolTable:
        this.#symbolTable(path, cursor);
        return;
      case MESSAGE.externalFiles:
        this.#externalFiles(path, cursor);
        return;
      case MESSAGE.dataLayout:
        this.#virtual(path, cursor);
        return;
      case MESSAGE.linkInfo:
      case MESSAGE.attributeInfo:
        this.#dense(path, message.type, cursor);
        return;
      default:
    }
  }

  #add(parent: string, name: string, address: number | undefined, byteOffset: number): void {
    if (address === undefined || this.#seen.has(address)) return;
    if (this.#seen.size >= MAX_OBJECTS) {
      throw new ScanError('E_LIMIT', `more than ${MAX_OBJECTS} objects`, { byteOffset });
    }
    this.#seen.add(address);
    this.#pending.push({ path: `${parent === '/' ? '' : parent}/${name.slice(0, 200)}`, address });
  }

  /** Link message, version 1: hard, soft, external, or a user's own class. */
  #link(path: string, offset: number, length: number): void {
    const cursor = new Cursor(this.#layout.source, offset, offset + length);
    cursor.skip(1);
    const flags = cursor.u8();
    const type = flags & 0x08 ? cursor.u8() : 0;
    if (flags & 0x04) cursor.skip(8);
    if (flags & 0x10) cursor.skip(1);
    const widthCode = flags & 3;
    const nameBytes =
      widthCode === 0
        ? cursor.u8()
        : widthCode === 1
          ? cursor.u16()
          : widthCode === 2
            ? cursor.u32()
            : cursor.count64('a name length');
    const name = cursor.text(nameBytes, 65_536);
    if (type === 0) this.#add(path, name, readOffset(cursor, this.#layout), offset);
    if (type !== 64) return;
    const value = cursor.bytes(cursor.u16());
    this.#visitor.reference(
      `${path === '/' ? '' : path}/${name.slice(0, 200)}`,
      'external-link',
      untilZero(value.subarray(1)),
      offset,
    );
  }

  /** Groups of the first format: a B-tree of symbol nodes, names in a local heap. Only soft and hard links fit. */
  #symbolTable(path: string, cursor: Cursor): void {
    const layout = this.#layout;
    const tree = readOffset(cursor, layout);
    const heapAddress = readOffset(cursor, layout);
    if (tree === undefined || heapAddress === undefined) return;
    const heap = readLocalHeap(layout, heapAddress);
    const nodes: { address: number; level: number }[] = [{ address: tree, level: MAX_TREE_LEVELS }];
    const seen = new Set<number>([tree]);
    for (let node = nodes.pop(); node; node = nodes.pop()) {
      this.#visitor.check();
      const at = cursorAt(layout, node.address);
      const signature = Buffer.from(at.bytes(4)).toString('latin1');
      if (signature === 'SNOD') {
        at.skip(2);
        const symbols = at.u16();
        for (let i = 0; i < symbols; i++) {
          this.#countLink(at.at);
          const nameOffset = readLength(at, { ...layout, lengthBytes: layout.offsetBytes });
          const address = readOffset(at, layout);
          const cacheType = at.u32();
          at.skip(20);
          if (cacheType !== 2) this.#add(path, heapName(layout, heap, nameOffset), address, at.at);
        }
        continue;
      }
      if (signature !== 'TREE' || at.u8() !== 0) {
        throw new ScanError('E_FORMAT', 'not a group node', { byteOffset: node.address });
      }
      const level = at.u8();
      if (level >= node.level) {
        throw new ScanError('E_FORMAT', 'levels of a group tree do not fall', {
          byteOffset: node.address,
        });
      }
      const children = at.u16();
      readOffset(at, layout);
      readOffset(at, layout);
      for (let i = 0; i < children; i++) {
        readLength(at, layout);
        const child = readOffset(at, layout);
        if (child === undefined || seen.has(child)) continue;
        seen.add(child);
        this.#countLink(at.at);
        nodes.push({ address: child, level });
      }
    }
  }

  #countLink(byteOffset: number): void {
    if (++this.#links > MAX_LINKS) {
      throw new ScanError('E_LIMIT', `more than ${MAX_LINKS} links`, { byteOffset });
    }
  }

  #externalFiles(path: string, cursor: Cursor): void {
    const layout = this.#layout;
    cursor.skip(6);
    const slots = cursor.u16();
    const heapAddress = readOffset(cursor, layout);
    if (heapAddress === undefined) return;
    const heap = readLocalHeap(layout, heapAddress);
    for (let i = 0; i < slots; i++) {
      const byteOffset = cursor.at;
      const name = heapName(layout, heap, readLength(cursor, layout));
      readLength(cursor, layout);
      readLength(cursor, layout);
      this.#visitor.reference(path, 'external-storage', name, byteOffset);
    }
  }

  /** Layout class 3: the first source file of a virtual dataset; `.` is this file. */
  #virtual(path: string, cursor: Cursor): void {
    const version = cursor.u8();
    if (version < 4 || cursor.u8() !== 3) return;
    const byteOffset = cursor.at;
    const address = readOffset(cursor, this.#layout);
    const object = address && findHeapObject(this.#layout, address, cursor.u32());
    if (!object) return;
    const body = new Cursor(this.#layout.source, object.offset, object.offset + object.length);
    body.skip(1);
    readLength(body, this.#layout);
    const name = untilZero(body.bytes(Math.min(body.left, 4096)));
    if (name !== '.') this.#visitor.reference(path, 'virtual-dataset', name, byteOffset);
  }

  /** Many links or attributes: a fractal heap with a version 2 B-tree of names. */
  #dense(path: string, type: number, cursor: Cursor): void {
    cursor.skip(1);
    const flags = cursor.u8();
    if (flags & 1) cursor.skip(type === MESSAGE.linkInfo ? 8 : 2);
    const heap = readOffset(cursor, this.#layout);
    const tree = readOffset(cursor, this.#layout);
    if (heap === undefined || tree === undefined) return;
    for (const { offset, length } of denseObjects(this.#layout, heap, tree)) {
      this.#visitor.check();
      this.#countLink(offset);
      if (type === MESSAGE.linkInfo) this.#link(path, offset, length);
      else this.#visitor.attribute(path, readAttribute(this.#layout, offset, length));
    }
  }
}
