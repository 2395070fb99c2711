/**
 * Deflate (RFC 1951) with its zlib (RFC 1950) and gzip (RFC 1952) wrappings. Our own, because Node's
 * synchronous zlib drops what came before an error and cannot stop early; checksums are not trusted, so
 * they are not read.
 */
import type { ByteStream, Input } from './byte-stream.ts';

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
  163, 195, 227, 258,
];
const LENGTH_EXTRA = [
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
  3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_EXTRA = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const WINDOW_BYTES = 32 * 1024;
const WINDOW_MASK = WINDOW_BYTES - 1;
const MAX_CODE_BITS = 15;
const FAST_BITS = 10;

/** Canonical Huffman code: a table for short codes, counting for long ones. */
class HuffmanCode {
  readonly #fast: Uint16Array;
  readonly #counts: Uint16Array;
  readonly #symbols: Uint16Array;

  constructor(lengths: Uint8Array, input: Input) {
    const counts = new Uint16Array(MAX_CODE_BITS + 1);
    for (const length of lengths) counts[length] = (counts[length] as number) + 1;
    counts[0] = 0;
    let open = 1;
    for (let bits = 1; bits <= MAX_CODE_BITS; bits++) {
      open = open * 2 - (counts[bits] as number);
      if (open < 0) input.fail('a Huffman code has too many entries');
    }
    const offsets = new Uint16Array(MAX_CODE_BITS + 2);
    const codes = new Uint32Array(MAX_CODE_BITS + 2);
    for (let bits = 1; bits <= MAX_CODE_BITS; bits++) {
      offsets[bits + 1] = (offsets[bits] as number) + (counts[bits] as number);
      codes[bits + 1] = ((codes[bits] as number) + (counts[bits] as number)) * 2;
    }
    const symbols = new Uint16Array(lengths.length);
    const fast = new Uint16Array(1 << FAST_BITS);
    const next = codes.slice();
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      const bits = lengths[symbol] as number;
      if (bits === 0) continue;
      const at = offsets[bits] as number;
      symbols[at] = symbol;
      offsets[bits] = at + 1;
      const code = next[bits] as number;
      next[bits] = code + 1;
      if (bits > FAST_BITS) continue;
      const reversed = reverseBits(code, bits);
      for (let i = reversed; i < 1 << FAST_BITS; i += 1 << bits) fast[i] = symbol * 16 + bits;
    }
    this.#fast = fast;
    this.#counts = counts;
    this.#symbols = symbols;
  }

  decode(bits: BitReader): number {
    const entry = this.#fast[bits.peek(FAST_BITS)] as number;
    const length = entry & 15;
    if (length !== 0 && length <= bits.available) {
      bits.drop(length);
      return entry >> 4;
    }
    let code = 0;
    let first = 0;
    let index = 0;
    for (let width = 1; width <= MAX_CODE_BITS; width++) {
      code |= bits.take(1);
      const count = this.#counts[width] as number;
      if (code - count < first) return this.#symbols[index + code - first] as number;
      index += count;
      first = (first + count) * 2;
      code *= 2;
    }
    return bits.input.fail('a Huffman code that stands for nothing');
  }
}

function reverseBits(code: number, bits: number): number {
  let result = 0;
  for (let i = 0; i < bits; i++) result |= ((code >> i) & 1) << (bits - 1 - i);
  return result;
}

class BitReader {
  readonly input: Input;
  available = 0;
  #hold = 0;

  constructor(input: Input) {
    this.input = input;
  }

  /** Up to `count` bits without using them; missing ones at the end are zero. */
  peek(count: number): number {
    while (this.available < count && this.input.left > 0) {
      this.#hold |= this.input.byte() << this.available;
      this.available += 8;
    }
    return this.#hold & ((1 << count) - 1);
  }

  drop(count: number): void {
    this.#hold >>>= count;
    this.available -= count;
  }

  take(count: number): number {
    if (count === 0) return 0;
    const value = this.peek(count);
    if (this.available < count) this.input.truncated();
    this.drop(count);
    return value;
  }

  /** Gives whole unused bytes back to the input and forgets the rest of the current byte. */
  align(): void {
    this.drop(this.available & 7);
    this.input.offset -= this.available / 8;
    this.available = 0;
    this.#hold = 0;
  }
}

const FIXED_LENGTHS = Uint8Array.from({ length: 288 }, (_, i) =>
  i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8,
);
const FIXED_DISTANCES = new Uint8Array(30).fill(5);

export type DeflateWrapping = 'raw' | 'zlib' | 'gzip';

export class InflateStream implements ByteStream {
  readonly #input: Input;
  readonly #bits: BitReader;
  readonly #wrapping: DeflateWrapping;
  readonly #window = new Uint8Array(WINDOW_BYTES);
  #written = 0;
  #state: 'header' | 'block' | 'stored' | 'codes' | 'trailer' | 'end' = 'header';
  #lastBlock = false;
  #storedLeft = 0;
  #copyLength = 0;
  #copyDistance = 0;
  #lengths: HuffmanCode | undefined;
  #distances: HuffmanCode | undefined;
  #error: unknown;
  #members = 0;

  constructor(input: Input, wrapping: DeflateWrapping) {
    this.#input = input;
    this.#bits = new BitReader(input);
    this.#wrapping = wrapping;
  }

  /** Where the compressed data ends, once `read` has given 0. */
  get endOffset(): number {
    return this.#input.offset;
  }

  read(out: Uint8Array): number {
    if (this.#error !== undefined) throw this.#error;
    let done = 0;
    try {
      while (done < out.byteLength && this.#state !== 'end') done = this.#step(out, done);
    } catch (error) {
      if (done === 0 && this.#pending === 0) throw error;
      this.#error = error;
      done = this.#pending;
    }
    return done;
  }

  /** Bytes of the current `out` that are valid although `#step` threw. */
  #pending = 0;

  #step(out: Uint8Array, start: number): number {
    this.#pending = start;
    switch (this.#state) {
      case 'header':
        this.#header();
        this.#state = 'block';
        return start;
      case 'block':
        this.#block();
        return start;
      case 'stored':
        return this.#copyStored(out, start);
      case 'codes':
        return this.#decode(out, start);
      default:
        this.#trailer();
        return start;
    }
  }

  #header(): void {
    const input = this.#input;
    if (this.#wrapping === 'raw') return;
    if (this.#wrapping === 'zlib') {
      const method = input.byte();
      const flags = input.byte();
      if ((method & 15) !== 8 || (method * 256 + flags) % 31 !== 0) input.fail('no zlib header');
      if ((flags & 0x20) !== 0) input.fail('zlib data with a preset dictionary');
      return;
    }
    const head = input.take(10);
    if (head[0] !== 0x1f || head[1] !== 0x8b || head[2] !== 8) input.fail('no gzip header');
    const flags = head[3] as number;
    if ((flags & 4) !== 0) input.take(input.byte() + input.byte() * 256);
    for (const bit of [8, 16]) {
      if ((flags & bit) !== 0) while (input.byte() !== 0);
    }
    if ((flags & 2) !== 0) input.take(2);
  }

  #block(): void {
    if (this.#lastBlock) {
      this.#bits.align();
      this.#state = 'trailer';
      return;
    }
    this.#lastBlock = this.#bits.take(1) === 1;
    const type = this.#bits.take(2);
    if (type === 0) {
      this.#bits.align();
      const length = this.#input.byte() + this.#input.byte() * 256;
      const check = this.#input.byte() + this.#input.byte() * 256;
      if ((length ^ 0xffff) !== check)
        this.#input.fail('a stored block contradicts its own length');
      this.#storedLeft = length;
      this.#state = 'stored';
    } else if (type === 1) {
      this.#lengths = new HuffmanCode(FIXED_LENGTHS, this.#input);
      this.#distances = new HuffmanCode(FIXED_DISTANCES, this.#input);
      this.#state = 'codes';
    } else if (type === 2) {
      this.#dynamicCodes();
      this.#state = 'codes';
    } else this.#input.fail('a block of a type that does not exist');
  }

  #dynamicCodes(): void {
    const bits = this.#bits;
    const lengthCount = bits.take(5) + 257;
    const distanceCount = bits.take(5) + 1;
    const codeCount = bits.take(4) + 4;
    if (lengthCount > 286 || distanceCount > 30) this.#input.fail('too many Huffman symbols');
    const codeLengths = new Uint8Array(19);
    for (let i = 0; i < codeCount; i++) codeLengths[CODE_ORDER[i] as number] = bits.take(3);
    const code = new HuffmanCode(codeLengths, this.#input);
    const all = new Uint8Array(lengthCount + distanceCount);
    for (let i = 0; i < all.length; ) {
      const symbol = code.decode(bits);
      if (symbol < 16) {
        all[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) this.#input.fail('a repeat without a length before it');
      const value = symbol === 16 ? (all[i - 1] as number) : 0;
      const repeat =
        symbol === 16 ? 3 + bits.take(2) : symbol === 17 ? 3 + bits.take(3) : 11 + bits.take(7);
      if (i + repeat > all.length) this.#input.fail('Huffman lengths run over');
      all.fill(value, i, i + repeat);
      i += repeat;
    }
    this.#lengths = new HuffmanCode(all.subarray(0, lengthCount), this.#input);
    this.#distances = new HuffmanCode(all.subarray(lengthCount), this.#input);
  }

  #copyStored(out: Uint8Array, start: number): number {
    let at = start;
    const count = Math.min(this.#storedLeft, out.byteLength - start, WINDOW_BYTES);
    if (count > 0) {
      if (this.#input.left <= 0) this.#input.truncated();
      const bytes = this.#input.take(Math.min(count, this.#input.left));
      for (const byte of bytes) {
        out[at++] = byte;
        this.#window[this.#written++ & WINDOW_MASK] = byte;
      }
      this.#storedLeft -= bytes.byteLength;
      this.#pending = at;
    }
    if (this.#storedLeft === 0) this.#state = 'block';
    return at;
  }

  #decode(out: Uint8Array, start: number): number {
    const window = this.#window;
    const lengths = this.#lengths as HuffmanCode;
    const distances = this.#distances as HuffmanCode;
    const bits = this.#bits;
    let at = start;
    while (at < out.byteLength) {
      if (this.#copyLength > 0) {
        const count = Math.min(this.#copyLength, out.byteLength - at);
        for (let i = 0; i < count; i++) {
          const byte = window[(this.#written - this.#copyDistance) & WINDOW_MASK] as number;
          window[this.#written++ & WINDOW_MASK] = byte;
          out[at++] = byte;
        }
        this.#copyLength -= count;
        this.#pending = at;
        continue;
      }
      this.#pending = at;
      const symbol = lengths.decode(bits);
      if (symbol < 256) {
        window[this.#written++ & WINDOW_MASK] = symbol;
        out[at++] = symbol;
      } else if (symbol === 256) {
        this.#state = 'block';
        return at;
      } else {
        const index = symbol - 257;
        if (index >= LENGTH_BASE.length) this.#input.fail('a length that does not exist');
        const length = (LENGTH_BASE[index] as number) + bits.take(LENGTH_EXTRA[index] as number);
        const code = distances.decode(bits);
        if (code >= DISTANCE_BASE.length) this.#input.fail('a distance that does not exist');
        const distance =
          (DISTANCE_BASE[code] as number) + bits.take(DISTANCE_EXTRA[code] as number);
        if (distance > this.#written) this.#input.fail('a distance before the start');
        this.#copyLength = length;
        this.#copyDistance = distance;
      }
    }
    return at;
  }

  /** gzip files may hold several members; zlib and raw data end here. */
  #trailer(): void {
    this.#state = 'end';
    if (this.#wrapping === 'zlib')
      this.#input.offset = Math.min(this.#input.offset + 4, this.#input.end);
    if (this.#wrapping !== 'gzip') return;
    this.#input.offset = Math.min(this.#input.offset + 8, this.#input.end);
    const next =
      this.#input.left >= 18 ? this.#input.source.read(this.#input.offset, 2) : undefined;
    if (next?.[0] !== 0x1f || next[1] !== 0x8b || ++this.#members > 1_000_000) return;
    this.#state = 'header';
    this.#lastBlock = false;
  }
}
