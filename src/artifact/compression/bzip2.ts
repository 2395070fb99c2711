/** bzip2 (Julian Seward's format, as described by Joe Tsai's specification); checksums are not read. */
import { BlockStream, type ByteStream, type Input } from './byte-stream.ts';

const BLOCK_MAGIC = 0x314159265359;
const END_MAGIC = 0x177245385090;
const GROUP_SYMBOLS = 50;
const MAX_CODE_BITS = 20;

export function bzip2Stream(input: Input): ByteStream {
  const bits = new BigEndianBits(input);
  let maxBlock = 0;
  return new BlockStream(() => {
    for (;;) {
      if (maxBlock === 0) {
        if (input.left < 14) return undefined;
        const start = input.offset;
        const head = bits.take(24);
        const level = bits.take(8) - 0x30;
        if (head !== 0x425a68 || level < 1 || level > 9) {
          if (start === 0) input.fail('no bzip2 header');
          return undefined;
        }
        maxBlock = level * 100_000;
      }
      const magic = bits.take(24) * 2 ** 24 + bits.take(24);
      bits.take(16);
      bits.take(16);
      if (magic === END_MAGIC) {
        bits.align();
        maxBlock = 0;
        continue;
      }
      if (magic !== BLOCK_MAGIC) input.fail('no bzip2 block where one must be');
      return decodeBlock(bits, maxBlock);
    }
  });
}

class BigEndianBits {
  readonly input: Input;
  #hold = 0;
  #available = 0;

  constructor(input: Input) {
    this.input = input;
  }

  /** At most 24 bits. */
  take(count: number): number {
    while (this.#available < count) {
      this.#hold = ((this.#hold << 8) | this.input.byte()) >>> 0;
      this.#available += 8;
    }
    this.#available -= count;
    const value = this.#hold >>> this.#available;
    this.#hold &= this.#available === 0 ? 0 : 0xffffffff >>> (32 - this.#available);
    return value;
  }

  align(): void {
    this.#available = 0;
    this.#hold = 0;
  }
}

interface PrefixCode {
  readonly limits: Int32Array;
  readonly bases: Int32Array;
  readonly symbols: Uint16Array;
}

function buildCode(lengths: Uint8Array): PrefixCode {
  const limits = new Int32Array(MAX_CODE_BITS + 1).fill(-1);
  const bases = new Int32Array(MAX_CODE_BITS + 1);
  const symbols = new Uint16Array(lengths.length);
  let code = 0;
  let index = 0;
  for (let width = 1; width <= MAX_CODE_BITS; width++) {
    bases[width] = index - code;
    const first = index;
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] === width) symbols[index++] = symbol;
    }
    code += index - first;
    if (index > first) limits[width] = code - 1;
    code *= 2;
  }
  return { limits, bases, symbols };
}

function decodeSymbol(code: PrefixCode, bits: BigEndianBits): number {
  let value = 0;
  for (let width = 1; width <= MAX_CODE_BITS; width++) {
    value = value * 2 + bits.take(1);
    if (value <= (code.limits[width] as number)) {
      const symbol = code.symbols[value + (code.bases[width] as number)];
      if (symbol !== undefined) return symbol;
    }
  }
  return bits.input.fail('a bzip2 code that stands for nothing');
}

function decodeBlock(bits: BigEndianBits, maxBlock: number): Uint8Array {
  const { input } = bits;
  if (bits.take(1) === 1) input.fail('a randomised bzip2 block');
  const origin = bits.take(24);
  const used = readUsedBytes(bits);
  if (used.length === 0) input.fail('a bzip2 block without symbols');
  const symbolCount = used.length + 2;
  const { codes, selectors } = readCodes(bits, symbolCount);
  const order = Uint8Array.from(used);
  const transformed = new Uint8Array(maxBlock);
  let length = 0;
  let run = 0;
  let runBit = 1;
  for (let group = 0, left = 0, code = codes[0] as PrefixCode; ; left--) {
    if (left === 0) {
      const selector = selectors[group++];
      if (selector === undefined) return input.fail('a bzip2 block has too few selectors');
      code = codes[selector] as PrefixCode;
      left = GROUP_SYMBOLS;
    }
    const symbol = decodeSymbol(code, bits);
    if (symbol <= 1) {
      run += runBit << symbol;
      runBit *= 2;
      if (run > maxBlock) input.fail('a bzip2 run is longer than its block');
      continue;
    }
    if (run > 0) {
      if (length + run > maxBlock) input.fail('a bzip2 block is too long');
      transformed.fill(order[0] as number, length, length + run);
      length += run;
      run = 0;
      runBit = 1;
    }
    if (symbol === symbolCount - 1) break;
    if (length >= maxBlock) input.fail('a bzip2 block is too long');
    const index = symbol - 1;
    const byte = order[index] as number;
    order.copyWithin(1, 0, index);
    order[0] = byte;
    transformed[length++] = byte;
  }
  if (origin >= length && length > 0) input.fail('a bzip2 origin outside its block');
  return undoRuns(undoTransform(transformed.subarray(0, length), origin));
}

function readUsedBytes(bits: BigEndianBits): number[] {
  const ranges = bits.take(16);
  const used: number[] = [];
  for (let range = 0; range < 16; range++) {
    if ((ranges & (0x8000 >> range)) === 0) continue;
    const map = bits.take(16);
    for (let i = 0; i < 16; i++) if ((map & (0x8000 >> i)) !== 0) used.push(range * 16 + i);
  }
  return used;
}

function readCodes(
  bits: BigEndianBits,
  symbolCount: number,
): { codes: PrefixCode[]; selectors: Uint8Array } {
  const { input } = bits;
  const codeCount = bits.take(3);
  const selectorCount = bits.take(15);
  if (codeCount < 2 || codeCount > 6 || selectorCount === 0) input.fail('bad bzip2 tables');
  const recent = [0, 1, 2, 3, 4, 5].slice(0, codeCount);
  const selectors = new Uint8Array(selectorCount);
  for (let i = 0; i < selectorCount; i++) {
    let index = 0;
    while (bits.take(1) === 1) if (++index >= codeCount) input.fail('a bad bzip2 selector');
    const chosen = recent.splice(index, 1)[0] as number;
    recent.unshift(chosen);
    selectors[i] = chosen;
  }
  const codes = Array.from({ length: codeCount }, () => {
    const lengths = new Uint8Array(symbolCount);
    let length = bits.take(5);
    for (let symbol = 0; symbol < symbolCount; symbol++) {
      while (bits.take(1) === 1) length += bits.take(1) === 1 ? -1 : 1;
      if (length < 1 || length > MAX_CODE_BITS) input.fail('a bad bzip2 code length');
      lengths[symbol] = length;
    }
    return buildCode(lengths);
  });
  return { codes, selectors };
}

/** Inverse Burrows-Wheeler transform. */
function undoTransform(last: Uint8Array, origin: number): Uint8Array {
  const starts = new Uint32Array(257);
  for (const byte of last) starts[byte + 1] = (starts[byte + 1] as number) + 1;
  for (let i = 0; i < 256; i++) starts[i + 1] = (starts[i + 1] as number) + (starts[i] as number);
  const next = new Uint32Array(last.length);
  for (let i = 0; i < last.length; i++) {
    const byte = last[i] as number;
    const at = starts[byte] as number;
    next[at] = i;
    starts[byte] = at + 1;
  }
  const out = new Uint8Array(last.length);
  let at = next[origin] ?? 0;
  for (let i = 0; i < last.length; i++) {
    out[i] = last[at] as number;
    at = next[at] as number;
  }
  return out;
}

/** Four equal bytes are followed by a count of more; one block cannot exceed 255/5 of its size. */
function undoRuns(bytes: Uint8Array): Uint8Array {
  let out = new Uint8Array(Math.max(1024, bytes.length * 2));
  let at = 0;
  let same = 0;
  let previous = -1;
  function room(count: number): void {
    if (at + count <= out.length) return;
    const larger = new Uint8Array((at + count) * 2);
    larger.set(out.subarray(0, at));
    out = larger;
  }
  for (const byte of bytes) {
    if (same === 4) {
      room(byte);
      out.fill(previous, at, at + byte);
      at += byte;
      same = 0;
      previous = -1;
      continue;
    }
    same = byte === previous ? same + 1 : 1;
    previous = byte;
    room(1);
    out[at++] = byte;
  }
  return out.subarray(0, at);
}
