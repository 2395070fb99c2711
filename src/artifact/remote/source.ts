/**
 * A remote file as a `ByteSource`: bytes that are here are read, others throw `MissingRange`, and the driver fetches
 * them and runs the reader again. Only what a reader asks for crosses the network, in blocks that grow while it
 * goes on asking.
 */
import { ScanError } from '../../errors.ts';
import { type ByteSource, checkRange, MissingRange } from '../byte-source.ts';
import { type HttpAnswer, type HttpOptions, httpGet } from './http.ts';

export interface RemoteLimits {
  /** Bytes of one file that may be fetched; whole weights are never needed. */
  readonly maxFetchedBytes: number;
  /** From a server without ranges, only files up to this size are read. */
  readonly maxWholeBytes: number;
}

export const REMOTE_LIMITS: RemoteLimits = {
  maxFetchedBytes: 256 * 2 ** 20,
  maxWholeBytes: 32 * 2 ** 20,
};

const BLOCK_BYTES = 64 * 1024;
const MAX_BLOCKS_AT_ONCE = 64;

/** Thrown by `read`; tells the driver which of several sources to fill. */
export class MissingRemoteRange extends MissingRange {
  readonly source: RemoteSource;

  constructor(source: RemoteSource, offset: number, length: number) {
    super(offset, length);
    this.source = source;
  }
}

/** What tells one version of a file from another. */
interface Version {
  readonly size: number;
  readonly tag: string;
}

export class RemoteSource implements ByteSource {
  readonly name: string;
  /** Reading all of it is costly; detectors that only compare digests leave it. */
  readonly partial = true;
  readonly #url: string;
  readonly #options: HttpOptions;
  readonly #limits: RemoteLimits;
  readonly #version: Version;
  readonly #blocks = new Map<number, Uint8Array>();
  #whole: Uint8Array | undefined;
  #fetchedBytes = 0;
  #requests = 0;
  #nextBlock = 1;
  #walked = 0;

  private constructor(
    url: string,
    name: string,
    options: HttpOptions,
    limits: RemoteLimits,
    version: Version,
  ) {
    this.#url = url;
    this.name = name;
    this.#options = options;
    this.#limits = limits;
    this.#version = version;
  }

  /**
   * Asks for the first block and learns the size.
   * @throws ScanError `E_NETWORK`, `E_NOT_FOUND`, `E_LIMIT` (no ranges, and too large to read whole).
   */
  static async open(
    url: string,
    name: string,
    options: HttpOptions,
    limits: RemoteLimits = REMOTE_LIMITS,
  ): Promise<RemoteSource> {
    const range = { offset: 0, length: BLOCK_BYTES };
    const maxBytes = Math.max(limits.maxWholeBytes, BLOCK_BYTES);
    const answer = await httpGet(url, { range, maxBytes }, options);
    checkStatus(answer);
    if (answer.status === 206) {
      const { start, end, total } = contentRange(answer);
      if (start !== 0 || answer.body.byteLength !== end - start + 1 || end >= total) {
        throw new ScanError('E_NETWORK', 'the server sent another range than it was asked for');
      }
      const source = new RemoteSource(url, name, options, limits, {
        size: total,
        tag: tagOf(answer),
      });
      source.#keep(0, answer.body);
      return source;
    }
    // 416 is how servers answer a range of an empty file.
    const body = answer.status === 416 ? new Uint8Array(0) : answer.body;
    if (answer.cut || body.byteLength > limits.maxWholeBytes) {
      throw new ScanError(
        'E_LIMIT',
        `the server knows no ranges, and the file is larger than ${limits.maxWholeBytes} bytes`,
        { hint: 'Download it and scan the copy.' },
      );
    }
    const source = new RemoteSource(url, name, options, limits, {
      size: body.byteLength,
      tag: tagOf(answer),
    });
    source.#whole = body;
    source.#fetchedBytes = body.byteLength;
    return source;
  }

  get size(): number {
    return this.#version.size;
  }

  get fetchedBytes(): number {
    return this.#fetchedBytes;
  }

  get requests(): number {
    return this.#requests;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length);
    if (this.#whole !== undefined) return this.#whole.subarray(offset, offset + length);
    if (length === 0) return new Uint8Array(0);
    const first = Math.floor(offset / BLOCK_BYTES);
    const last = Math.floor((offset + length - 1) / BLOCK_BYTES);
    const single = first === last ? this.#blocks.get(first) : undefined;
    const inBlock = offset - first * BLOCK_BYTES;
    if (single !== undefined) return single.subarray(inBlock, inBlock + length);
    this.#requireBlocks(first, last, offset, length);
    const out = new Uint8Array(length);
    for (let index = first; index <= last; index += 1) {
      const block = this.#blocks.get(index);
      if (block === undefined) throw new MissingRemoteRange(this, offset, length);
      const start = index * BLOCK_BYTES - offset;
      const from = Math.max(0, -start);
      out.set(block.subarray(from, Math.min(block.byteLength, length - start)), Math.max(0, start));
    }
    return out;
  }

  /** Checked before anything is allocated. */
  #requireBlocks(first: number, last: number, offset: number, length: number): void {
    for (let index = first; index <= last; index += 1) {
      if (!this.#blocks.has(index)) throw new MissingRemoteRange(this, offset, length);
    }
  }

  /** Fetches what a `MissingRange` asked for, and some more after it. */
  async fetch(offset: number, length: number): Promise<void> {
    checkRange(this, offset, length);
    let first = Math.floor(offset / BLOCK_BYTES);
    let last = Math.floor((offset + length - 1) / BLOCK_BYTES);
    while (first < last && this.#blocks.has(first)) first += 1;
    while (last > first && this.#blocks.has(last)) last -= 1;
    this.#requests += 1;
    // A reader that walks on gets twice as much each time, up to 4 MiB; one that jumps gets what it asked for.
    this.#walked = first === this.#nextBlock ? this.#walked + 1 : 0;
    const ahead = Math.min(MAX_BLOCKS_AT_ONCE, 2 ** this.#walked);
    last = Math.min(Math.max(last, first + ahead - 1), Math.floor((this.size - 1) / BLOCK_BYTES));
    this.#nextBlock = last + 1;
    const start = first * BLOCK_BYTES;
    const wanted = Math.min((last + 1) * BLOCK_BYTES, this.size) - start;
    if (this.#fetchedBytes + wanted > this.#limits.maxFetchedBytes) {
      throw new ScanError(
        'E_LIMIT',
        `more than ${this.#limits.maxFetchedBytes} bytes would have to be fetched`,
        {
          file: this.name,
          hint: 'Download it and scan the copy.',
        },
      );
    }
    const range = { offset: start, length: wanted };
    const answer = await httpGet(this.#url, { range, maxBytes: wanted }, this.#options);
    checkStatus(answer);
    this.#checkVersion(answer);
    const { start: gotStart, end } = contentRange(answer);
    if (
      answer.cut ||
      gotStart !== start ||
      end !== start + wanted - 1 ||
      answer.body.byteLength !== wanted
    ) {
      throw new ScanError('E_NETWORK', 'the server sent another range than it was asked for', {
        file: this.name,
        byteOffset: start,
      });
    }
    this.#keep(start, answer.body);
  }

  #checkVersion(answer: HttpAnswer): void {
    const changed =
      answer.status !== 206 ||
      contentRange(answer).total !== this.#version.size ||
      tagOf(answer) !== this.#version.tag;
    if (changed) {
      throw new ScanError('E_CHANGED', 'the file changed on the server while it was read', {
        file: this.name,
      });
    }
  }

  #keep(start: number, bytes: Uint8Array): void {
    this.#fetchedBytes += bytes.byteLength;
    for (let at = 0; at < bytes.byteLength; at += BLOCK_BYTES) {
      const block = bytes.subarray(at, at + BLOCK_BYTES);
      const isWhole =
        block.byteLength === BLOCK_BYTES || start + at + block.byteLength === this.size;
      if (isWhole) this.#blocks.set((start + at) / BLOCK_BYTES, block);
    }
  }
}

function checkStatus({ status, url }: HttpAnswer): void {
  if (status === 200 || status === 206 || status === 416) return;
  const host = new URL(url).host;
  if (status === 404 || status === 410) {
    throw new ScanError('E_NOT_FOUND', `${host} has no such file (${status})`);
  }
  if (status === 401 || status === 403) {
    throw new ScanError('E_NETWORK', `${host} refused access (${status})`, {
      hint: 'Set HF_TOKEN for private and gated models.',
    });
  }
  throw new ScanError('E_NETWORK', `${host} answered ${status}`);
}

function contentRange({ headers }: HttpAnswer): { start: number; end: number; total: number } {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(headers['content-range'] ?? '');
  const [start, end, total] = [Number(match?.[1]), Number(match?.[2]), Number(match?.[3])];
  if (match === null || end < start || end >= total) {
    throw new ScanError('E_NETWORK', 'the server sent a range without saying which');
  }
  return { start, end, total };
}

/** Strong tag where there is one; the date otherwise. */
function tagOf({ headers }: HttpAnswer): string {
  return headers.etag ?? headers['last-modified'] ?? '';
}
