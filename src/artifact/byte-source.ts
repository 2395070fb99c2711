/**
 * Bounded random access to bytes that nobody vouches for. Every format reader takes a `ByteSource`,
 * reads synchronously, and never allocates from a length it has not checked against `size`.
 *
 * Readers are pure over their source, so a remote source may throw `MissingRange`, fetch the range and
 * run the reader again: the same parser serves local files, archive members and HTTP ranges.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { ScanError } from '../errors.ts';

export interface ByteSource {
  /** Total bytes; a reader must not believe any other length. */
  readonly size: number;
  /** For error messages. */
  readonly name: string;
  /** Bytes come over a network: read what a verdict needs, never all of it for its own sake. */
  readonly partial?: boolean;
  /**
   * Exactly `length` bytes from `offset`.
   * @throws ScanError `E_TRUNCATED` when the range leaves the source.
   */
  read(offset: number, length: number): Uint8Array;
}

/** Thrown by remote sources; the driver fetches the range and restarts the reader. */
export class MissingRange extends Error {
  readonly offset: number;
  readonly length: number;

  constructor(offset: number, length: number) {
    super(`bytes ${offset}+${length} are not here yet`);
    this.name = 'MissingRange';
    this.offset = offset;
    this.length = length;
  }
}

/** @throws ScanError `E_TRUNCATED` unless `[offset, offset + length)` lies inside `size`. */
export function checkRange(
  source: { size: number; name: string },
  offset: number,
  length: number,
): void {
  const valid =
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    offset <= source.size - length;
  if (!valid) {
    throw new ScanError('E_TRUNCATED', `${length} bytes wanted, the source has ${source.size}`, {
      byteOffset: Number.isSafeInteger(offset) ? offset : 0,
    });
  }
}

/** Bytes that are already in memory, such as a decompressed archive member. */
export class MemorySource implements ByteSource {
  readonly size: number;
  readonly name: string;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.size = bytes.byteLength;
    this.name = name;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length);
    return this.#bytes.subarray(offset, offset + length);
  }
}

/** The first bytes of something longer that was not decoded to its end. */
export class HeadSource extends MemorySource {
  /** What the archive says the whole has. */
  readonly declaredBytes: number;

  constructor(head: Uint8Array, declaredBytes: number, name: string) {
    super(head, name);
    this.declaredBytes = declaredBytes;
  }
}

/** A window of another source: a member stored uncompressed, a tensor's bytes. */
export class SliceSource implements ByteSource {
  readonly size: number;
  readonly name: string;
  readonly partial: boolean;
  readonly #parent: ByteSource;
  readonly #start: number;

  constructor(parent: ByteSource, start: number, size: number, name: string) {
    checkRange(parent, start, size);
    this.#parent = parent;
    this.#start = start;
    this.size = size;
    this.name = name;
    this.partial = parent.partial === true;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length);
    return this.#parent.read(this.#start + offset, length);
  }
}

const BLOCK_BYTES = 64 * 1024;

/**
 * A regular file, opened without following a final link's race: the descriptor is checked, not the path,
 * and `O_NONBLOCK` keeps a named pipe from blocking the open.
 */
export class FileSource implements ByteSource, Disposable {
  readonly size: number;
  readonly name: string;
  readonly #descriptor: number;
  #block: Uint8Array = new Uint8Array(0);
  #blockStart = 0;

  constructor(path: string, name: string = path) {
    this.name = name;
    this.#descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(this.#descriptor);
    if (!stat.isFile()) {
      closeSync(this.#descriptor);
      throw new ScanError('E_NOT_REGULAR', 'not a regular file, so it was not opened', {
        file: name,
      });
    }
    this.size = stat.size;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length);
    if (length > BLOCK_BYTES) return this.#readExactly(offset, length);
    const end = offset + length;
    if (offset < this.#blockStart || end > this.#blockStart + this.#block.byteLength) {
      const start = Math.floor(offset / 4096) * 4096;
      this.#block = this.#readExactly(start, Math.min(BLOCK_BYTES + 4096, this.size - start));
      this.#blockStart = start;
    }
    return this.#block.subarray(offset - this.#blockStart, end - this.#blockStart);
  }

  #readExactly(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.#descriptor, bytes, done, length - done, offset + done);
      if (count === 0) {
        throw new ScanError(
          'E_CHANGED',
          `the file became shorter than ${this.size} bytes while it was read`,
          {
            file: this.name,
            byteOffset: offset + done,
          },
        );
      }
      done += count;
    }
    return bytes;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
