/**
 * LZMA decoding (Igor Pavlov's LZMA specification): the range coder and the match machine, shared by
 * `.lzma` files, LZMA2 chunks in `.xz`, and 7z folders. The dictionary grows with the data, never with the header.
 */
import { ScanError } from '../../errors.ts';
import { BlockStream, type ByteStream, type Input } from './byte-stream.ts';

/** Larger dictionaries than this are not used by model tools and would break the memory limit. */
export const MAX_DICTIONARY_BYTES = 64 * 2 ** 20;
const BLOCK_BYTES = 64 * 1024;
const STATES = 12;
const HALF = 1024;

interface LengthCoder {
  readonly choice: Uint16Array;
  readonly low: Uint16Array;
  readonly middle: Uint16Array;
  readonly high: Uint16Array;
}

function probabilities(count: number): Uint16Array {
  return new Uint16Array(count).fill(HALF);
}

function lengthCoder(): LengthCoder {
  return {
    choice: probabilities(2),
    low: probabilities(16 * 8),
    middle: probabilities(16 * 8),
    high: probabilities(256),
  };
}

export class LzmaDecoder {
  readonly #maxDictionary: number;
  #dictionary = new Uint8Array(BLOCK_BYTES);
  /** Bytes decoded since the dictionary was reset. */
  #position = 0;
  #lc = 3;
  #lpMask = 0;
  #pbMask = 3;
  #state = 0;
  #rep0 = 0;
  #rep1 = 0;
  #rep2 = 0;
  #rep3 = 0;
  #pendingLength = 0;
  #range = 0xffffffff;
  #code = 0;
  #input: Input;
  #literals = probabilities(0x300);
  #isMatch = probabilities(STATES * 16);
  #isRep = probabilities(STATES);
  #isRep0 = probabilities(STATES);
  #isRep1 = probabilities(STATES);
  #isRep2 = probabilities(STATES);
  #isRep0Long = probabilities(STATES * 16);
  #slots = probabilities(4 * 64);
  #distances = probabilities(115);
  #align = probabilities(16);
  #lengths = lengthCoder();
  #repLengths = lengthCoder();
  ended = false;
  /** Bytes of the last `decode` that are valid if it threw. */
  decoded = 0;

  constructor(input: Input, dictionaryBytes: number) {
    this.#input = input;
    this.#maxDictionary = Math.max(4096, dictionaryBytes);
  }

  /** One byte: `(pb * 5 + lp) * 9 + lc`. */
  setProperties(byte: number): void {
    if (byte >= 225) this.#input.fail('LZMA properties that do not exist');
    this.#lc = byte % 9;
    const rest = Math.floor(byte / 9);
    this.#lpMask = (1 << (rest % 5)) - 1;
    this.#pbMask = (1 << Math.floor(rest / 5)) - 1;
    this.resetState();
  }

  resetState(): void {
    this.#state = this.#rep0 = this.#rep1 = this.#rep2 = this.#rep3 = 0;
    this.#pendingLength = 0;
    this.#literals = probabilities(0x300 << (this.#lc + Math.log2(this.#lpMask + 1)));
    this.#isMatch = probabilities(STATES * 16);
    this.#isRep = probabilities(STATES);
    this.#isRep0 = probabilities(STATES);
    this.#isRep1 = probabilities(STATES);
    this.#isRep2 = probabilities(STATES);
    this.#isRep0Long = probabilities(STATES * 16);
    this.#slots = probabilities(4 * 64);
    this.#distances = probabilities(115);
    this.#align = probabilities(16);
    this.#lengths = lengthCoder();
    this.#repLengths = lengthCoder();
  }

  resetDictionary(): void {
    this.#position = 0;
  }

  startRange(): void {
    if (this.#input.byte() !== 0) this.#input.fail('LZMA data must start with a zero byte');
    this.#range = 0xffffffff;
    this.#code = 0;
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | this.#input.byte()) >>> 0;
  }

  /** Stored bytes also enter the dictionary. */
  store(bytes: Uint8Array): void {
    for (const byte of bytes) this.#put(byte);
  }

  /** Decodes until `out` is full or the end marker; gives the bytes written. */
  decode(out: Uint8Array): number {
    this.decoded = 0;
    while (this.decoded < out.byteLength && !this.ended) {
      if (this.#pendingLength > 0) {
        const byte = this.#back(this.#rep0);
        this.#put(byte);
        out[this.decoded++] = byte;
        this.#pendingLength--;
      } else this.#step(out);
    }
    return this.decoded;
  }

  #step(out: Uint8Array): void {
    const posState = this.#position & this.#pbMask;
    const at = this.#state * 16 + posState;
    if (this.#bit(this.#isMatch, at) === 0) {
      const byte = this.#literal();
      this.#put(byte);
      out[this.decoded++] = byte;
      const state = this.#state;
      this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      return;
    }
    if (this.#bit(this.#isRep, this.#state) === 0) {
      this.#newMatch(posState);
      return;
    }
    if (this.#bit(this.#isRep0, this.#state) === 0) {
      if (this.#bit(this.#isRep0Long, at) === 0) {
        this.#state = this.#state < 7 ? 9 : 11;
        this.#pendingLength = 1;
        this.#checkDistance();
        return;
      }
    } else {
      let distance = this.#rep1;
      if (this.#bit(this.#isRep1, this.#state) !== 0) {
        distance = this.#rep2;
        if (this.#bit(this.#isRep2, this.#state) !== 0) {
          distance = this.#rep3;
          this.#rep3 = this.#rep2;
        }
        this.#rep2 = this.#rep1;
      }
      this.#rep1 = this.#rep0;
      this.#rep0 = distance;
    }
    this.#pendingLength = this.#length(this.#repLengths, posState);
    this.#state = this.#state < 7 ? 8 : 11;
    this.#checkDistance();
  }

  #newMatch(posState: number): void {
    this.#rep3 = this.#rep2;
    this.#rep2 = this.#rep1;
    this.#rep1 = this.#rep0;
    const length = this.#length(this.#lengths, posState);
    this.#state = this.#state < 7 ? 7 : 10;
    const slot = this.#tree(this.#slots, Math.min(length - 2, 3) * 64, 6);
    this.#rep0 = slot < 4 ? slot : this.#longDistance(slot);
    if (this.#rep0 === 0xffffffff) {
      this.ended = true;
      return;
    }
    this.#pendingLength = length;
    this.#checkDistance();
  }

  #longDistance(slot: number): number {
    const extra = (slot >> 1) - 1;
    const base = (2 | (slot & 1)) * 2 ** extra;
    if (slot < 14) return base + this.#reverseTree(this.#distances, base - slot, extra);
    let direct = 0;
    for (let i = 0; i < extra - 4; i++) direct = direct * 2 + this.#directBit();
    return base + direct * 16 + this.#reverseTree(this.#align, 0, 4);
  }

  #checkDistance(): void {
    if (this.#rep0 < this.#position && this.#rep0 < this.#maxDictionary) return;
    if (this.#rep0 < this.#position)
      throw new ScanError('E_LIMIT', 'the data needs a larger dictionary than is allowed here');
    this.#input.fail('an LZMA match before the start');
  }

  #literal(): number {
    const previous = this.#position === 0 ? 0 : this.#back(0);
    const context = ((this.#position & this.#lpMask) << this.#lc) + (previous >> (8 - this.#lc));
    const base = 0x300 * context;
    let symbol = 1;
    if (this.#state >= 7) {
      let match = this.#back(this.#rep0);
      while (symbol < 0x100) {
        const matchBit = (match >> 7) & 1;
        match <<= 1;
        const bit = this.#bit(this.#literals, base + ((1 + matchBit) << 8) + symbol);
        symbol = symbol * 2 + bit;
        if (bit !== matchBit) break;
      }
    }
    while (symbol < 0x100) symbol = symbol * 2 + this.#bit(this.#literals, base + symbol);
    return symbol & 0xff;
  }

  #length(coder: LengthCoder, posState: number): number {
    if (this.#bit(coder.choice, 0) === 0) return 2 + this.#tree(coder.low, posState * 8, 3);
    if (this.#bit(coder.choice, 1) === 0) return 10 + this.#tree(coder.middle, posState * 8, 3);
    return 18 + this.#tree(coder.high, 0, 8);
  }

  #tree(probs: Uint16Array, base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = symbol * 2 + this.#bit(probs, base + symbol);
    return symbol - (1 << bits);
  }

  #reverseTree(probs: Uint16Array, base: number, bits: number): number {
    let symbol = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(probs, base + symbol);
      symbol = symbol * 2 + bit;
      value += bit * 2 ** i;
    }
    return value;
  }

  #bit(probs: Uint16Array, index: number): number {
    const probability = probs[index] as number;
    const bound = (this.#range >>> 11) * probability;
    let bit = 0;
    if (this.#code < bound) {
      this.#range = bound;
      probs[index] = probability + ((2048 - probability) >> 5);
    } else {
      this.#range -= bound;
      this.#code -= bound;
      probs[index] = probability - (probability >> 5);
      bit = 1;
    }
    if (this.#range < 0x1000000) this.#normalise();
    return bit;
  }

  #directBit(): number {
    this.#range >>>= 1;
    let bit = 0;
    if (this.#code >= this.#range) {
      this.#code -= this.#range;
      bit = 1;
    }
    if (this.#range < 0x1000000) this.#normalise();
    return bit;
  }

  #normalise(): void {
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#input.byte()) >>> 0;
  }

  #back(distance: number): number {
    const size = this.#dictionary.byteLength;
    return this.#dictionary[(this.#position - 1 - distance) % size] as number;
  }

  #put(byte: number): void {
    if (this.#position === this.#dictionary.byteLength && this.#position < this.#maxDictionary) {
      const larger = new Uint8Array(Math.min(this.#maxDictionary, this.#position * 2));
      larger.set(this.#dictionary);
      this.#dictionary = larger;
    }
    this.#dictionary[this.#position % this.#dictionary.byteLength] = byte;
    this.#position++;
  }
}

/** The `.lzma` format: properties, dictionary size, size or -1, data. */
export function lzmaAloneStream(input: Input): ByteStream {
  const properties = input.byte();
  const dictionary = input.u32();
  const low = input.u32();
  const high = input.u32();
  const size = low === 0xffffffff && high === 0xffffffff ? undefined : high * 2 ** 32 + low;
  return lzmaStream(input, properties, dictionary, size);
}

export function lzmaStream(
  input: Input,
  properties: number,
  dictionaryBytes: number,
  size: number | undefined,
): ByteStream {
  const decoder = new LzmaDecoder(input, Math.min(dictionaryBytes, MAX_DICTIONARY_BYTES));
  decoder.setProperties(properties);
  decoder.startRange();
  let left = size ?? Number.POSITIVE_INFINITY;
  return deliverFirst((block) => {
    if (left <= 0 || decoder.ended) return 0;
    const count = decoder.decode(block.subarray(0, Math.min(block.byteLength, left)));
    left -= count;
    return count;
  }, decoder);
}

/** Gives what was decoded before an error, then the error. */
function deliverFirst(decode: (block: Uint8Array) => number, decoder: LzmaDecoder): ByteStream {
  let failed: unknown;
  return new BlockStream(() => {
    if (failed !== undefined) throw failed;
    const block = new Uint8Array(BLOCK_BYTES);
    try {
      const count = decode(block);
      return count === 0 ? undefined : block.subarray(0, count);
    } catch (error) {
      if (decoder.decoded === 0) throw error;
      failed = error;
      return block.subarray(0, decoder.decoded);
    }
  });
}
