/**
 * The shared fuzzer: deterministic mutations of sound seeds, run through a reader that may only return or throw
 * `ScanError`. A failure names the format, seed and number, so that `mutated()` gives the same bytes again.
 */
import { MissingRange } from '../../src/artifact/byte-source.ts';
import { ScanError } from '../../src/errors.ts';

/** Mulberry32: small, fast, the same on every machine. Gives numbers in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

const NUMBERS = [
  0,
  1,
  2,
  3,
  7,
  8,
  16,
  31,
  32,
  64,
  127,
  128,
  255,
  256,
  32_767,
  65_535,
  65_536,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];
const BIG_NUMBERS = [
  2n ** 31n,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n - 8n,
];

/** One to six changes: bits, bytes, numbers, cuts, copies, and pieces of another seed. */
export function mutate(
  seed: Uint8Array,
  others: readonly Uint8Array[],
  random: () => number,
): Uint8Array {
  let bytes = Buffer.from(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let left = 1 + below(6); left > 0; left--) {
    if (bytes.byteLength === 0) return bytes;
    const at = below(bytes.byteLength);
    switch (below(10)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
        break;
      case 1:
        bytes[at] = below(256);
        break;
      case 2:
        bytes[at] = NUMBERS[below(14)] ?? 0;
        break;
      case 3:
        if (at + 4 <= bytes.byteLength)
          bytes.writeUInt32LE(NUMBERS[below(NUMBERS.length)] ?? 0, at);
        break;
      case 4:
        if (at + 8 <= bytes.byteLength)
          bytes.writeBigUInt64LE(BIG_NUMBERS[below(BIG_NUMBERS.length)] ?? 0n, at);
        break;
      case 5:
        bytes = bytes.subarray(0, at);
        break;
      case 6: {
        const end = Math.min(bytes.byteLength, at + 1 + below(32));
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      }
      case 7: {
        const end = Math.min(bytes.byteLength, at + 1 + below(64));
        bytes = Buffer.concat([
          bytes.subarray(0, end),
          bytes.subarray(at, end),
          bytes.subarray(end),
        ]);
        break;
      }
      case 8: {
        const other = others[below(others.length)] ?? seed;
        const from = below(other.byteLength);
        const piece = other.subarray(from, from + 1 + below(64));
        bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
        break;
      }
      default:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(TOKENS[below(TOKENS.length)] ?? '', 'latin1'),
          bytes.subarray(at),
        ]);
    }
  }
  return bytes;
}

/** Pieces that text formats are made of. */
const TOKENS = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  '\\u0000',
  '\\',
  '[[[[[[[[',
  '{"a":',
  '-',
  '1e999',
  '99999999999999999999',
  '../',
  '\0',
  '\xff\xff\xff\xff',
];

export interface FuzzTarget {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  /** Runs the reader over the bytes; may throw `ScanError`. */
  run(bytes: Uint8Array): void;
}

export interface FuzzLimits {
  readonly iterations: number;
  /** One input may not take longer. */
  readonly maxMs: number;
  /** Growth of the process over the whole run. */
  readonly maxGrowthBytes: number;
}

/** 100,000 inputs a format unless `NARROWFIRE_FUZZ` says how many. */
export const FUZZ_LIMITS: FuzzLimits = {
  iterations: Number(process.env['NARROWFIRE_FUZZ'] ?? 100_000),
  maxMs: 2000,
  maxGrowthBytes: 256 * 1024 * 1024,
};

/** The bytes of one fuzzing step, for a regression case. */
export function mutated(target: FuzzTarget, step: number): Uint8Array {
  const random = seededRandom(step * 2_654_435_761);
  const seed = target.seeds[step % target.seeds.length];
  if (seed === undefined) throw new Error(`${target.name} has no seeds`);
  return mutate(seed, target.seeds, random);
}

/** @throws Error that names the step of the first input that crashes, hangs or grows memory. */
export function fuzz(target: FuzzTarget, limits: FuzzLimits = FUZZ_LIMITS): void {
  for (const seed of target.seeds) runOne(target, seed, -1, limits);
  const startBytes = process.memoryUsage().rss;
  for (let step = 0; step < limits.iterations; step++) {
    runOne(target, mutated(target, step), step, limits);
    if (step % 5000 !== 4999) continue;
    const grown = process.memoryUsage().rss - startBytes;
    if (grown > limits.maxGrowthBytes) {
      throw new Error(`${target.name}: memory grew by ${grown} bytes by step ${step}`);
    }
  }
}

function runOne(target: FuzzTarget, bytes: Uint8Array, step: number, limits: FuzzLimits): void {
  const start = performance.now();
  try {
    target.run(bytes);
  } catch (error) {
    if (!(error instanceof ScanError) && !(error instanceof MissingRange)) {
      throw new Error(`${target.name}: step ${step} threw ${String(error)}`, { cause: error });
    }
    if (error instanceof ScanError && error.code === 'E_INTERNAL') throw error;
  }
  const took = performance.now() - start;
  if (took > limits.maxMs) throw new Error(`${target.name}: step ${step} took ${took} ms`);
}
