/** Messages of an HDF5 object header, versions 1 and 2, with continuation blocks that cannot loop. */
import { ScanError } from '../../errors.ts';
import { Cursor } from '../cursor.ts';
import { cursorAt, type Hdf5Layout, readLength, readOffset } from './layout.ts';

export const MESSAGE = {
  dataspace: 0x01,
  linkInfo: 0x02,
  datatype: 0x03,
  link: 0x06,
  externalFiles: 0x07,
  dataLayout: 0x08,
  attribute: 0x0c,
  continuation: 0x10,
  symbolTable: 0x11,
  attributeInfo: 0x15,
} as const;

export interface HeaderMessage {
  readonly type: number;
  /** Bit 1: the body only points to a shared message. */
  readonly shared: boolean;
  readonly offset: number;
  readonly length: number;
}

const MAX_MESSAGES = 20_000;
const MAX_BLOCKS = 1024;

interface Block {
  readonly start: number;
  readonly end: number;
}

/** @throws ScanError `E_FORMAT`, `E_TRUNCATED`, `E_LIMIT` */
export function readMessages(layout: Hdf5Layout, address: number): readonly HeaderMessage[] {
  const cursor = cursorAt(layout, address);
  const first = cursor.u8();
  if (first === 1) return readVersion1(layout, cursor);
  const rest = Buffer.from(cursor.bytes(4)).toString('latin1');
  if (first === 0x4f && rest === 'HDR\x02') return readVersion2(layout, cursor);
  throw new ScanError('E_FORMAT', 'not an object header', { byteOffset: address });
}

function readVersion1(layout: Hdf5Layout, cursor: Cursor): readonly HeaderMessage[] {
  cursor.skip(7);
  const size = cursor.u32();
  cursor.skip(4);
  const blocks: Block[] = [{ start: cursor.at, end: cursor.at + size }];
  return readBlocks(layout, blocks, (block) => {
    const type = block.u16();
    const length = block.u16();
    const flags = block.u8();
    block.skip(3);
    return { type, length, flags };
  });
}

function readVersion2(layout: Hdf5Layout, cursor: Cursor): readonly HeaderMessage[] {
  const flags = cursor.u8();
  if (flags & 0x20) cursor.skip(16);
  if (flags & 0x10) cursor.skip(4);
  const sizeWidth = flags & 3;
  const size =
    sizeWidth === 0
      ? cursor.u8()
      : sizeWidth === 1
        ? cursor.u16()
        : sizeWidth === 2
          ? cursor.u32()
          : cursor.count64('a header size');
  const blocks: Block[] = [{ start: cursor.at, end: cursor.at + size }];
  const prefix = flags & 0x04 ? 6 : 4;
  return readBlocks(
    layout,
    blocks,
    (block) => {
      const type = block.u8();
      const length = block.u16();
      const messageFlags = block.u8();
      if (prefix === 6) block.skip(2);
      return { type, length, flags: messageFlags };
    },
    prefix,
  );
}

function readBlocks(
  layout: Hdf5Layout,
  blocks: Block[],
  readPrefix: (block: Cursor) => { type: number; length: number; flags: number },
  /** Bytes before each body in version 2; undefined for version 1. */
  prefixBytes?: number,
): readonly HeaderMessage[] {
  const messages: HeaderMessage[] = [];
  const seen = new Set<number>();
  for (let i = 0; i < blocks.length; i++) {
    const block = blocks[i] as Block;
    if (seen.has(block.start) || i >= MAX_BLOCKS) {
      throw new ScanError('E_FORMAT', 'continuation blocks of an object header form a loop', {
        byteOffset: block.start,
      });
    }
    seen.add(block.start);
    if (block.end > layout.source.size) {
      throw new ScanError('E_TRUNCATED', 'an object header leaves the file', {
        byteOffset: block.start,
      });
    }
    const cursor = new Cursor(layout.source, block.start, block.end);
    while (cursor.left >= (prefixBytes ?? 8)) {
      const { type, length, flags } = readPrefix(cursor);
      const offset = cursor.at;
      cursor.skip(length);
      if (messages.length >= MAX_MESSAGES) {
        throw new ScanError('E_LIMIT', `more than ${MAX_MESSAGES} header messages`, {
          byteOffset: offset,
        });
      }
      if (type === MESSAGE.continuation) {
        blocks.push(continuationOf(layout, offset, prefixBytes !== undefined));
      } else messages.push({ type, shared: (flags & 2) !== 0, offset, length });
    }
  }
  return messages;
}

function continuationOf(layout: Hdf5Layout, offset: number, signed: boolean): Block {
  const cursor = new Cursor(layout.source, offset);
  const start = readOffset(cursor, layout);
  const length = readLength(cursor, layout);
  if (start === undefined || (signed && length < 8)) {
    throw new ScanError('E_FORMAT', 'a continuation block without a place', { byteOffset: offset });
  }
  // Version 2 blocks carry a signature in front and a checksum behind.
  return signed ? { start: start + 4, end: start + length - 4 } : { start, end: start + length };
}
