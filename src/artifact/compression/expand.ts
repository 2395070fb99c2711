/**
 * A decompressed file as a `ByteSource` with flat memory: small results are kept, large ones are decoded
 * again from the start when a reader goes back. The size is what decoding gives, not what a header claims.
 */
import { type ScanError, toScanError } from '../../errors.ts';
import { type ByteSource, checkRange, MemorySource, MissingRange } from '../byte-source.ts';
import type { ByteStream } from './byte-stream.ts';

const KEPT_BYTES = 16 * 2 ** 20;
const CHUNK_BYTES = 64 * 1024;
const CACHED_CHUNKS = 64;

export interface Expansion {
  /** All bytes before the end or the error. */
  readonly source: ByteSource;
  readonly error?: ScanError;
}

export interface ExpandLimits {
  /** Called with every piece of output; throws when the budget is spent. */
  spend(bytes: number): void;
  /** Stops early and calls it an error when it answers with one. */
  stop?(producedBytes: number): ScanError | undefined;
}

/** Decodes once to learn size and soundness. `open` starts the decoder from the beginning. */
export function expand(open: () => ByteStream, name: string, limits: ExpandLimits): Expansion {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let error: ScanError | undefined;
  try {
    const stream = open();
    for (;;) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      const count = stream.read(chunk);
      if (count === 0) break;
      size += count;
      if (size <= KEPT_BYTES) chunks.push(chunk.subarray(0, count));
      limits.spend(count);
      error = limits.stop?.(size);
      if (error !== undefined) break;
    }
  } catch (thrown) {
    if (thrown instanceof MissingRange) throw thrown;
    const failure = toScanError(thrown);
    if (failure.code === 'E_LIMIT' || failure.code === 'E_TIMEOUT') throw failure;
    error = failure;
  }
  const source =
    size <= KEPT_BYTES
      ? new MemorySource(Buffer.concat(chunks), name)
      : new RewindingSource(open, size, name, limits);
  return error === undefined ? { source } : { source, error };
}

class RewindingSource implements ByteSource {
  readonly size: number;
  readonly name: string;
  readonly #open: () => ByteStream;
  readonly #limits: ExpandLimits;
  #stream: ByteStream;
  /** Index of the next chunk the stream will give. */
  #next = 0;
  readonly #cache = new Map<number, Uint8Array>();

  constructor(open: () => ByteStream, size: number, name: string, limits: ExpandLimits) {
    this.#open = open;
    this.size = size;
    this.name = name;
    this.#limits = limits;
    this.#stream = open();
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length);
    if (length === 0) return new Uint8Array(0);
    const first = Math.floor(offset / CHUNK_BYTES);
    const last = Math.floor((offset + length - 1) / CHUNK_BYTES);
    if (first === last) {
      const start = offset - first * CHUNK_BYTES;
      return this.#chunk(first).subarray(start, start + length);
    }
    const out = new Uint8Array(length);
    for (let index = first; index <= last; index++) {
      const chunk = this.#chunk(index);
      const from = Math.max(0, offset - index * CHUNK_BYTES);
      const to = Math.min(chunk.byteLength, offset + length - index * CHUNK_BYTES);
      out.set(chunk.subarray(from, to), index * CHUNK_BYTES + from - offset);
    }
    return out;
  }

  #chunk(index: number): Uint8Array {
    const cached = this.#cache.get(index);
    if (cached !== undefined) return cached;
    if (index < this.#next) {
      this.#stream = this.#open();
      this.#next = 0;
    }
    for (;;) {
      const chunk = this.#fill();
      const at = this.#next++;
      this.#cache.set(at, chunk);
      if (this.#cache.size > CACHED_CHUNKS) {
        this.#cache.delete(this.#cache.keys().next().value as number);
      }
      if (at === index) return chunk;
    }
  }

  /** A whole chunk, or the last one. */
  #fill(): Uint8Array {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, this.size - this.#next * CHUNK_BYTES));
    for (let done = 0; done < chunk.byteLength; ) {
      const count = this.#stream.read(chunk.subarray(done));
      if (count === 0) break;
      done += count;
    }
    this.#limits.spend(chunk.byteLength);
    return chunk;
  }
}
