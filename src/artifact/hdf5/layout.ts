/** Superblock, addresses and lengths of an HDF5 file. Source: The HDF Group, HDF5 File Format Specification 3.0. */
import { ScanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { Cursor } from '../cursor.ts';

export interface Hdf5Layout {
  readonly source: ByteSource;
  readonly superblockVersion: number;
  /** Offset of the superblock; addresses count from here. */
  readonly base: number;
  readonly offsetBytes: 4 | 8;
  readonly lengthBytes: 4 | 8;
  /** Address of the root group's object header. */
  readonly root: number;
}

const SIGNATURE = '\x89HDF\r\n\x1a\n';
const MAX_USER_BLOCK = 1 << 22;

/** @throws ScanError `E_FORMAT` for a bad superblock, `E_TRUNCATED` for a short one. */
export function readSuperblock(source: ByteSource): Hdf5Layout {
  const base = findSignature(source);
  const cursor = new Cursor(source, base + 8);
  const version = cursor.u8();
  if (version > 3) {
    throw new ScanError('E_FORMAT', `superblock version ${version} is not known`, {
      byteOffset: base + 8,
    });
  }
  if (version <= 1) cursor.skip(4);
  const offsetBytes = width(cursor);
  const lengthBytes = width(cursor);
  const layout = { source, superblockVersion: version, base, offsetBytes, lengthBytes, root: 0 };
  if (version <= 1) {
    cursor.skip(version === 0 ? 9 : 13);
    for (let i = 0; i < 4; i++) readOffset(cursor, layout);
    readOffset(cursor, layout);
  } else {
    cursor.skip(1);
    for (let i = 0; i < 3; i++) readOffset(cursor, layout);
  }
  const root = readOffset(cursor, layout);
  if (root === undefined) {
    throw new ScanError('E_FORMAT', 'the root group has no address', { byteOffset: cursor.at });
  }
  return { ...layout, root };
}

/** The signature may stand at 0, 512, 1024, and so on, after a user block. */
function findSignature(source: ByteSource): number {
  for (let at = 0; at <= MAX_USER_BLOCK && at + 16 <= source.size; at = at === 0 ? 512 : at * 2) {
    if (Buffer.from(source.read(at, 8)).toString('latin1') === SIGNATURE) return at;
  }
  throw new ScanError('E_FORMAT', 'no HDF5 signature', { byteOffset: 0 });
}

function width(cursor: Cursor): 4 | 8 {
  const byteOffset = cursor.at;
  const bytes = cursor.u8();
  if (bytes === 4 || bytes === 8) return bytes;
  throw new ScanError('E_FORMAT', `addresses of ${bytes} bytes are not read`, { byteOffset });
}

/** An address as an absolute file offset; undefined for HDF5's "no address". */
export function readOffset(cursor: Cursor, layout: Hdf5Layout): number | undefined {
  if (layout.offsetBytes === 4) {
    const value = cursor.u32();
    return value === 0xffff_ffff ? undefined : value + layout.base;
  }
  const value = cursor.u64();
  if (value === 0xffff_ffff_ffff_ffffn) return undefined;
  const offset = Number(value) + layout.base;
  if (!Number.isSafeInteger(offset)) {
    throw new ScanError('E_LIMIT', 'an address does not fit 53 bits', {
      byteOffset: cursor.at - 8,
    });
  }
  return offset;
}

export function readLength(cursor: Cursor, layout: Hdf5Layout): number {
  return layout.lengthBytes === 4 ? cursor.u32() : cursor.count64('a length');
}

/** A cursor at an absolute offset. @throws ScanError `E_TRUNCATED` when it lies outside the file. */
export function cursorAt(layout: Hdf5Layout, offset: number): Cursor {
  if (offset > layout.source.size) {
    throw new ScanError(
      'E_TRUNCATED',
      `an address points ${offset - layout.source.size} bytes past the end`,
      {
        byteOffset: layout.source.size,
      },
    );
  }
  return new Cursor(layout.source, offset);
}

/** Checks a four-byte block signature. */
export function expectSignature(cursor: Cursor, signature: string): void {
  const byteOffset = cursor.at;
  const found = Buffer.from(cursor.bytes(4)).toString('latin1');
  if (found !== signature) {
    throw new ScanError('E_FORMAT', `no ${signature} block where one should be`, { byteOffset });
  }
}
