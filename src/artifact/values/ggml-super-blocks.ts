/**
 * ggml's super-blocks of 256 numbers ("K-quants"): small blocks whose scales and minima are quantised themselves
 * against one or two half-precision numbers. Layouts: ggml-common.h, ggml-quants.c.
 */
import { type BlockDecoder, half, NON_LINEAR_LEVELS, signed } from './ggml-blocks.ts';

const SIZE = 256;
const HALF_SIZE = 128;

/** 2 bits: 16 blocks of 16 with 4-bit scales and minima. */
export const q2_k: BlockDecoder = (bytes, at, out, to) => {
  const codes = at + 16;
  const scale = half(bytes, at + 80);
  const least = half(bytes, at + 82);
  for (let i = 0; i < SIZE; i++) {
    const packed = bytes[at + (i >> 4)] as number;
    const shift = 2 * ((i % HALF_SIZE) >> 5);
    const code =
      ((bytes[codes + 32 * Math.floor(i / HALF_SIZE) + (i % 32)] as number) >> shift) & 3;
    out[to + i] = scale * (packed & 15) * code - least * (packed >> 4);
  }
};

/** 3 bits: two in the codes, one in a mask that is clear where 4 is taken off; 16 blocks with 6-bit scales. */
export const q3_k: BlockDecoder = (bytes, at, out, to) => {
  const codes = at + 32;
  const scales = at + 96;
  const scale = half(bytes, at + 108);
  for (let i = 0; i < SIZE; i++) {
    const group = (i % HALF_SIZE) >> 5;
    const upper = Math.floor(i / HALF_SIZE);
    const code = ((bytes[codes + 32 * upper + (i % 32)] as number) >> (2 * group)) & 3;
    const keeps = ((bytes[at + (i % 32)] as number) >> (4 * upper + group)) & 1;
    out[to + i] = scale * threeBitScale(bytes, scales, i >> 4) * (code - (keeps === 1 ? 0 : 4));
  }
};

/** Four low bits of scales 0 to 15 in bytes 0 to 7, two high bits in bytes 8 to 11, less 32. */
function threeBitScale(bytes: Uint8Array, at: number, block: number): number {
  const low = ((bytes[at + (block % 8)] as number) >> (block < 8 ? 0 : 4)) & 15;
  const high = ((bytes[at + 8 + (block % 4)] as number) >> (2 * (block >> 2))) & 3;
  return (low | (high << 4)) - 32;
}

/** 6-bit scale and minimum of one of eight blocks, packed in 12 bytes (4 and 5 bits). */
function scaleAndLeast(bytes: Uint8Array, at: number, block: number): [number, number] {
  const byte = (offset: number): number => bytes[at + offset] as number;
  if (block < 4) return [byte(block) & 63, byte(block + 4) & 63];
  return [
    (byte(block + 4) & 15) | ((byte(block - 4) >> 6) << 4),
    (byte(block + 4) >> 4) | ((byte(block) >> 6) << 4),
  ];
}

/** Eight blocks of 32; pairs share 32 bytes, the even one in the low nibbles. */
function pairedNibbles(
  bytes: Uint8Array,
  at: number,
  out: Float32Array,
  to: number,
  codes: number,
  fifthBits?: number,
): void {
  const scale = half(bytes, at);
  const least = half(bytes, at + 2);
  for (let block = 0; block < 8; block++) {
    const [blockScale, blockLeast] = scaleAndLeast(bytes, at + 4, block);
    const step = scale * blockScale;
    const offset = least * blockLeast;
    const from = codes + 32 * (block >> 1);
    for (let j = 0; j < 32; j++) {
      let code = ((bytes[from + j] as number) >> (block % 2 === 0 ? 0 : 4)) & 15;
      if (fifthBits !== undefined) code |= (((bytes[fifthBits + j] as number) >> block) & 1) << 4;
      out[to + 32 * block + j] = step * code - offset;
    }
  }
}

export const q4_k: BlockDecoder = (bytes, at, out, to) =>
  pairedNibbles(bytes, at, out, to, at + 16);

export const q5_k: BlockDecoder = (bytes, at, out, to) =>
  pairedNibbles(bytes, at, out, to, at + 48, at + 16);

/** 6 bits: four low in nibbles, two high apart; 16 blocks with signed 8-bit scales. */
export const q6_k: BlockDecoder = (bytes, at, out, to) => {
  const high = at + 128;
  const scales = at + 192;
  const scale = half(bytes, at + 208);
  for (let i = 0; i < SIZE; i++) {
    const upper = Math.floor(i / HALF_SIZE);
    const quarter = (i % HALF_SIZE) >> 5;
    const lowByte = bytes[at + 64 * upper + 32 * (quarter % 2) + (i % 32)] as number;
    const low = (lowByte >> (quarter < 2 ? 0 : 4)) & 15;
    const top = ((bytes[high + 32 * upper + (i % 32)] as number) >> (2 * quarter)) & 3;
    out[to + i] = scale * signed(bytes[scales + (i >> 4)] as number) * ((low | (top << 4)) - 32);
  }
};

export const q8_k: BlockDecoder = (bytes, at, out, to) => {
  const scale = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getFloat32(0, true);
  for (let i = 0; i < SIZE; i++) out[to + i] = scale * signed(bytes[at + 4 + i] as number);
};

/** Non-linear 4 bits: eight blocks of 32 with 6-bit scales less 32. */
export const iq4_xs: BlockDecoder = (bytes, at, out, to) => {
  const scale = half(bytes, at);
  const highScales = (bytes[at + 2] as number) | ((bytes[at + 3] as number) << 8);
  for (let block = 0; block < 8; block++) {
    const low = ((bytes[at + 4 + (block >> 1)] as number) >> (block % 2 === 0 ? 0 : 4)) & 15;
    const step = scale * ((low | (((highScales >> (2 * block)) & 3) << 4)) - 32);
    for (let j = 0; j < 16; j++) {
      const byte = bytes[at + 8 + 16 * block + j] as number;
      out[to + 32 * block + j] = step * (NON_LINEAR_LEVELS[byte & 15] ?? 0);
      out[to + 32 * block + j + 16] = step * (NON_LINEAR_LEVELS[byte >> 4] ?? 0);
    }
  }
};
