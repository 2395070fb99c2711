/**
 * ggml's blocks of 32 numbers: a half-precision scale, sometimes a minimum, and 4, 5 or 8 bits a number.
 * Low nibbles are the first 16 numbers, high nibbles the last 16. Layouts: ggml-common.h.
 */
import { halfToNumber } from './scalar.ts';

/** Decodes the block that begins at `at` into `out` from index `to`. */
export type BlockDecoder = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void;

export function half(bytes: Uint8Array, at: number): number {
  return halfToNumber((bytes[at] as number) | ((bytes[at + 1] as number) << 8));
}

export function signed(byte: number): number {
  return (byte << 24) >> 24;
}

const HALF_BLOCK = 16;

/** `value(code)` for the 16 low and the 16 high nibbles, with an optional fifth bit. */
function nibbles(
  bytes: Uint8Array,
  at: number,
  out: Float32Array,
  to: number,
  value: (code: number) => number,
  fifthBits = 0,
): void {
  for (let j = 0; j < HALF_BLOCK; j++) {
    const byte = bytes[at + j] as number;
    const low = (byte & 15) | (((fifthBits >>> j) & 1) << 4);
    const high = (byte >> 4) | (((fifthBits >>> (j + HALF_BLOCK)) & 1) << 4);
    out[to + j] = value(low);
    out[to + j + HALF_BLOCK] = value(high);
  }
}

function u32(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + 4);
  return a | (b << 8) | (c << 16) | (d << 24);
}

export const q4_0: BlockDecoder = (bytes, at, out, to) => {
  const scale = half(bytes, at);
  nibbles(bytes, at + 2, out, to, (code) => (code - 8) * scale);
};

export const q4_1: BlockDecoder = (bytes, at, out, to) => {
  const scale = half(bytes, at);
  const least = half(bytes, at + 2);
  nibbles(bytes, at + 4, out, to, (code) => code * scale + least);
};

export const q5_0: BlockDecoder = (bytes, at, out, to) => {
  const scale = half(bytes, at);
  nibbles(bytes, at + 6, out, to, (code) => (code - 16) * scale, u32(bytes, at + 2));
};

export const q5_1: BlockDecoder = (bytes, at, out, to) => {
  const scale = half(bytes, at);
  const least = half(bytes, at + 2);
  nibbles(bytes, at + 8, out, to, (code) => code * scale + least, u32(bytes, at + 4));
};

export const q8_0: BlockDecoder = (bytes, at, out, to) => {
  const scale = half(bytes, at);
  for (let j = 0; j < 32; j++) out[to + j] = signed(bytes[at + 2 + j] as number) * scale;
};

/** The 16 levels of the non-linear 4-bit types. */
export const NON_LINEAR_LEVELS = [
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
] as const;

export const iq4_nl: BlockDecoder = (bytes, at, out, to) => {
  const scale = half(bytes, at);
  nibbles(bytes, at + 2, out, to, (code) => (NON_LINEAR_LEVELS[code] ?? 0) * scale);
};
