/**
 * Decompression by pulling: a decoder fills the buffer it is given and stops, so a bomb costs no more than
 * the reader takes. Bytes before an error are always delivered first.
 */
import { ScanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';

export interface ByteStream {
  /**
   * Fills `out` from the start and gives the number of bytes written; 0 means the end.
   * @throws ScanError once all bytes before the broken place have been delivered.
   */
  read(out: Uint8Array): number;
}

const WINDOW_BYTES = 64 * 1024;

/** Compressed bytes, read in windows. */
export class Input {
  readonly source: ByteSource;
  readonly end: number;
  offset: number;
  #window = new Uint8Array(0) as Uint8Array;
  #windowStart = 0;

  constructor(source: ByteSource, offset = 0, end: number = source.size) {
    this.source = source;
    this.offset = offset;
    this.end = Math.min(end, source.size);
  }

  get left(): number {
    return this.end - this.offset;
  }

  /** @throws ScanError `E_TRUNCATED` at the end. */
  byte(): number {
    const index = this.offset - this.#windowStart;
    if (index >= 0 && index < this.#window.byteLength) {
      this.offset++;
      return this.#window[index] as number;
    }
    this.#fill();
    this.offset++;
    return this.#window[0] as number;
  }

  /** Exactly `length` bytes. */
  take(length: number): Uint8Array {
    if (length > this.left) this.truncated();
    const bytes = this.source.read(this.offset, length);
    this.offset += length;
    return bytes;
  }

  u32(): number {
    const bytes = this.take(4);
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  }

  fail(problem: string): never {
    throw new ScanError('E_FORMAT', problem, { byteOffset: this.offset });
  }

  truncated(): never {
    throw new ScanError('E_TRUNCATED', 'the compressed data ends early', {
      byteOffset: this.offset,
    });
  }

  #fill(): void {
    if (this.left <= 0) this.truncated();
    this.#window = this.source.read(this.offset, Math.min(WINDOW_BYTES, this.left));
    this.#windowStart = this.offset;
  }
}

/** A decoder that produces blocks of its own size, as bzip2 and lz4 do. */
export class BlockStream implements ByteStream {
  readonly #next: () => Uint8Array | undefined;
  #block: Uint8Array = new Uint8Array(0);
  #used = 0;

  /** `next` gives the next block, or nothing at the end; it may throw. */
  constructor(next: () => Uint8Array | undefined) {
    this.#next = next;
  }

  read(out: Uint8Array): number {
    let done = 0;
    while (done < out.byteLength) {
      if (this.#used >= this.#block.byteLength) {
        // What is already in `out` goes first; the next call meets the same place again.
        if (done > 0) return done;
        const block = this.#next();
        if (block === undefined) return 0;
        this.#block = block;
        this.#used = 0;
        continue;
      }
      const count = Math.min(out.byteLength - done, this.#block.byteLength - this.#used);
      out.set(this.#block.subarray(this.#used, this.#used + count), done);
      this.#used += count;
      done += count;
    }
    return done;
  }
}
