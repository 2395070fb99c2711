/** Reads one golden fixture: a tiny model and what transformers computed on it (make_golden.py). */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileSource } from '../../src/artifact/byte-source.ts';
import { readSafetensorsHeader } from '../../src/artifact/safetensors.ts';
import { readConfig } from '../../src/model/config.ts';
import { describeModel } from '../../src/model/families/registry.ts';
import type { ModelSpec } from '../../src/model/spec.ts';
import { openWeights } from '../../src/model/weights.ts';

export const MODELS = new URL('../fixtures/models/', import.meta.url).pathname;

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface GoldenCase {
  readonly name: string;
  readonly folder: string;
  readonly spec: ModelSpec;
  /** [batch, length], padded on the right. */
  readonly ids: readonly number[];
  readonly lengths: readonly number[];
  readonly length: number;
  readonly tensors: ReadonlyMap<string, GoldenTensor>;
}

interface StoredTensors {
  readonly floats: ReadonlyMap<string, GoldenTensor>;
  readonly whole: ReadonlyMap<string, readonly number[]>;
}

/** Names of all fixtures that hold golden values, sorted. */
export function goldenNames(): string[] {
  return readdirSync(MODELS)
    .filter((name) => existsSync(join(MODELS, name, 'golden.safetensors')))
    .sort();
}

export function openGolden(name: string): GoldenCase {
  const folder = join(MODELS, name);
  const { floats, whole } = readTensors(join(folder, 'golden.safetensors'));
  const ids = whole.get('ids') ?? [];
  const lengths = whole.get('lengths') ?? [];
  return {
    name,
    folder,
    spec: describeModel(readConfig(join(folder, 'config.json')), openWeights(folder)),
    ids,
    lengths,
    length: ids.length / lengths.length,
    tensors: floats,
  };
}

/** Values at the border of transformers' modules, two tokens each; undefined where the fixture has none. */
export function moduleValues(name: string): ReadonlyMap<string, GoldenTensor> | undefined {
  const path = join(MODELS, name, 'modules.safetensors');
  return existsSync(path) ? readTensors(path).floats : undefined;
}

export function readTensors(path: string): StoredTensors {
  using source = new FileSource(path);
  const bytes = readFileSync(path);
  const floats = new Map<string, GoldenTensor>();
  const whole = new Map<string, number[]>();
  for (const entry of readSafetensorsHeader(source).tensors) {
    const slice = Uint8Array.from(
      bytes.subarray(entry.byteOffset, entry.byteOffset + entry.byteLength),
    );
    if (entry.dtype === 'i64') {
      whole.set(entry.name, Array.from(new BigInt64Array(slice.buffer), Number));
    } else {
      floats.set(entry.name, { shape: entry.shape, data: new Float32Array(slice.buffer) });
    }
  }
  return { floats, whole };
}

/** Largest absolute difference over the rows of real tokens. */
export function largestDifference(
  golden: GoldenCase,
  expected: GoldenTensor,
  actual: Float32Array,
): number {
  if (expected.data.length !== actual.length) return Number.POSITIVE_INFINITY;
  const width = expected.shape.at(-1) ?? 1;
  let largest = 0;
  for (let i = 0; i < actual.length; i++) {
    const row = Math.floor(i / width);
    const real = row % golden.length < (golden.lengths[Math.floor(row / golden.length)] ?? 0);
    const difference = Math.abs((expected.data[i] as number) - (actual[i] as number));
    if (real && !(difference <= largest)) largest = difference;
  }
  return largest;
}
