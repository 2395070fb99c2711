/** The header of a 7z archive as a tree of folders and files; source: 7zFormat.txt of the LZMA SDK. */
import { ScanError } from '../../errors.ts';
import { type ByteSource, MemorySource } from '../byte-source.ts';
import { Input } from '../compression/byte-stream.ts';

const MAX_COUNT = 1_000_000;

export interface Coder {
  readonly id: string;
  readonly properties: Uint8Array;
}

export interface Folder {
  /** In the order in which decoding applies them. */
  readonly coders: readonly Coder[];
  /** Set when streams branch, as in BCJ2, or coders cannot be put in a row. */
  readonly branching: boolean;
  readonly packOffset: number;
  readonly packBytes: number;
  readonly plainBytes: number;
  /** Sizes of the files in it, in order. */
  readonly fileBytes: readonly number[];
}

export interface SevenZipHeader {
  readonly folders: readonly Folder[];
  /** Names of files that have a stream, in the folders' order. */
  readonly names: readonly string[];
  readonly attributes: readonly number[];
}

interface Streams {
  folders: (Omit<Folder, 'packOffset' | 'packBytes' | 'fileBytes' | 'plainBytes'> & {
    packStreams: number;
    plainBytes: number;
  })[];
  packStart: number;
  packSizes: number[];
  fileBytes: number[][];
}

/** Parses a decoded header, or gives the folder that holds it. */
export function parseHeader(bytes: ByteSource): SevenZipHeader | { readonly encoded: Folder } {
  const reader = new HeaderReader(new Input(bytes));
  const kind = reader.byte();
  if (kind === 0x17) {
    const [encoded] = reader.streams();
    if (encoded === undefined) return reader.fail('an encoded header without a folder');
    return { encoded };
  }
  if (kind !== 1) return reader.fail('no 7z header');
  let folders: readonly Folder[] = [];
  let names: string[] = [];
  let attributes: number[] = [];
  for (let id = reader.byte(); id !== 0; id = reader.byte()) {
    if (id === 4) folders = reader.streams();
    else if (id === 5) ({ names, attributes } = reader.files());
    else return reader.fail(`header property ${id} is not expected`);
  }
  return { folders, names, attributes };
}

class HeaderReader {
  readonly #input: Input;

  constructor(input: Input) {
    this.#input = input;
  }

  byte(): number {
    return this.#input.byte();
  }

  fail(problem: string): never {
    return this.#input.fail(problem);
  }

  /** 7z's own variable length: leading ones of the first byte count the bytes that follow. */
  number(): number {
    const first = this.byte();
    let mask = 0x80;
    let value = 0;
    for (let i = 0; i < 8; i++) {
      if ((first & mask) === 0) return value + (first & (mask - 1)) * 2 ** (8 * i);
      value += this.byte() * 2 ** (8 * i);
      mask >>= 1;
    }
    return value;
  }

  #count(): number {
    const count = this.number();
    if (count > MAX_COUNT) throw new ScanError('E_LIMIT', `${count} entries in a 7z header`);
    return count;
  }

  #size(): number {
    const size = this.number();
    if (!Number.isSafeInteger(size)) this.fail('a size that is too large');
    return size;
  }

  #flags(count: number, optional: boolean): boolean[] {
    if (optional && this.byte() !== 0) return new Array(count).fill(true);
    const flags: boolean[] = [];
    for (let i = 0, bits = 0; i < count; i++) {
      if (i % 8 === 0) bits = this.byte();
      flags.push((bits & (0x80 >> (i % 8))) !== 0);
    }
    return flags;
  }

  #digests(count: number): boolean[] {
    const defined = this.#flags(count, true);
    for (const flag of defined) if (flag) this.#input.take(4);
    return defined;
  }

  streams(): readonly Folder[] {
    const streams: Streams = { folders: [], packStart: 32, packSizes: [], fileBytes: [] };
    let known: boolean[] = [];
    for (let id = this.byte(); id !== 0; id = this.byte()) {
      if (id === 6) this.#packInfo(streams);
      else if (id === 7) known = this.#folderInfo(streams);
      else if (id === 8) this.#fileSizes(streams, known);
      else this.fail(`stream property ${id} is not expected`);
    }
    let pack = 0;
    let offset = streams.packStart;
    return streams.folders.map((folder, i) => {
      const packBytes = streams.packSizes[pack] ?? 0;
      const packOffset = offset;
      for (let n = 0; n < folder.packStreams; n++) offset += streams.packSizes[pack++] ?? 0;
      const fileBytes = streams.fileBytes[i] ?? [folder.plainBytes];
      return { ...folder, packOffset, packBytes, fileBytes };
    });
  }

  #packInfo(streams: Streams): void {
    streams.packStart = 32 + this.#size();
    const count = this.#count();
    for (let id = this.byte(); id !== 0; id = this.byte()) {
      if (id === 9) for (let i = 0; i < count; i++) streams.packSizes.push(this.#size());
      else if (id === 10) this.#digests(count);
      else this.fail(`pack property ${id} is not expected`);
    }
  }

  #folderInfo(streams: Streams): boolean[] {
    if (this.byte() !== 11) this.fail('no folders');
    const count = this.#count();
    if (this.byte() !== 0) this.fail('external folder data');
    const outCounts: number[] = [];
    for (let i = 0; i < count; i++) {
      const { folder, outStreams } = this.#folder();
      streams.folders.push({ ...folder, plainBytes: 0 });
      outCounts.push(outStreams);
    }
    if (this.byte() !== 12) this.fail('no folder sizes');
    for (const [i, folder] of streams.folders.entries()) {
      const sizes = Array.from({ length: outCounts[i] ?? 0 }, () => this.#size());
      // The largest is the last filter's output; filters keep the size.
      folder.plainBytes = Math.max(0, ...sizes);
    }
    let known: boolean[] = new Array(count).fill(false);
    for (let id = this.byte(); id !== 0; id = this.byte()) {
      if (id !== 10) this.fail(`folder property ${id} is not expected`);
      known = this.#digests(count);
    }
    return known;
  }

  #folder(): { folder: Omit<Streams['folders'][number], 'plainBytes'>; outStreams: number } {
    const coderCount = this.number();
    if (coderCount === 0 || coderCount > 32) this.fail('a bad number of coders');
    const coders: Coder[] = [];
    let inStreams = 0;
    let outStreams = 0;
    for (let i = 0; i < coderCount; i++) {
      const flags = this.byte();
      const id = Buffer.from(this.#input.take(flags & 15)).toString('hex');
      const ins = (flags & 0x10) !== 0 ? this.number() : 1;
      const outs = (flags & 0x10) !== 0 ? this.number() : 1;
      const properties =
        (flags & 0x20) !== 0 ? this.#input.take(this.#count()).slice() : new Uint8Array(0);
      coders.push({ id, properties });
      inStreams += ins;
      outStreams += outs;
    }
    if (inStreams > 64 || outStreams > 64) this.fail('too many coder streams');
    const boundIn = new Map<number, number>();
    for (let i = 0; i < outStreams - 1; i++) boundIn.set(this.number(), this.number());
    const packStreams = inStreams - (outStreams - 1);
    if (packStreams < 1) this.fail('a folder without packed data');
    if (packStreams > 1) for (let i = 0; i < packStreams; i++) this.number();
    const branching = packStreams !== 1 || inStreams !== coderCount || outStreams !== coderCount;
    return {
      folder: { coders: branching ? coders : inOrder(coders, boundIn), branching, packStreams },
      outStreams,
    };
  }

  #fileSizes(streams: Streams, known: readonly boolean[]): void {
    let counts = streams.folders.map(() => 1);
    let id = this.byte();
    if (id === 13) {
      counts = streams.folders.map(() => this.#count());
      id = this.byte();
    }
    streams.fileBytes = streams.folders.map((folder, i) => {
      const sizes: number[] = [];
      let left = folder.plainBytes;
      const count = counts[i] ?? 0;
      for (let n = 0; n < count; n++) {
        const size = n === count - 1 ? Math.max(0, left) : id === 9 ? this.#size() : 0;
        sizes.push(size);
        left -= size;
      }
      return sizes;
    });
    if (id === 9) id = this.byte();
    for (; id !== 0; id = this.byte()) {
      if (id !== 10) this.fail(`file stream property ${id} is not expected`);
      const unknown = counts.reduce((sum, n, i) => sum + (n === 1 && known[i] === true ? 0 : n), 0);
      this.#digests(unknown);
    }
  }

  files(): { names: string[]; attributes: number[] } {
    const count = this.#count();
    let names: string[] = [];
    let empty: boolean[] = [];
    const attributes: number[] = [];
    for (let id = this.byte(); id !== 0; id = this.byte()) {
      const size = this.#size();
      const end = this.#input.offset + size;
      if (end > this.#input.end) this.#input.truncated();
      if (id === 17 && this.byte() === 0) {
        const raw = Buffer.from(this.#input.take(end - this.#input.offset)).toString('utf16le');
        names = raw.split('\0').slice(0, count);
      } else if (id === 14) empty = this.#flags(count, false);
      else if (id === 21) {
        const defined = this.#flags(count, true);
        if (this.byte() === 0)
          for (const flag of defined) attributes.push(flag ? this.#input.u32() : 0);
      }
      this.#input.offset = end;
    }
    const streams = (_: unknown, i: number): boolean => empty[i] !== true;
    return { names: names.filter(streams), attributes: attributes.filter(streams) };
  }
}

/** From the coder that reads the packed bytes to the one that gives the files. */
function inOrder(coders: readonly Coder[], boundIn: ReadonlyMap<number, number>): Coder[] {
  const bound = new Set(boundIn.keys());
  const order: Coder[] = [];
  let next = coders.findIndex((_, i) => !bound.has(i));
  for (let n = 0; n < coders.length && next >= 0; n++) {
    order.push(coders[next] as Coder);
    const reader = [...boundIn].find(([, out]) => out === next)?.[0];
    next = reader ?? -1;
  }
  return order;
}

export function headerSource(bytes: Uint8Array): ByteSource {
  return new MemorySource(bytes, '7z header');
}
