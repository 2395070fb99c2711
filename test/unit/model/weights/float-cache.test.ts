import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileSource } from '../../../../src/artifact/byte-source.ts';
import { readScalars } from '../../../../src/artifact/values/tensor-values.ts';
import { defaultCache, FloatCache } from '../../../../src/model/weights/float-cache.ts';
import { openWeights, type WeightSet } from '../../../../src/model/weights.ts';
import { bf16, f32, writeSafetensors } from '../../../cases/safetensors-writer.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-cache-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const cacheAt = (maxBytes?: number) => new FloatCache(join(folder, 'cache'), maxBytes);

function valuesOf(weights: WeightSet, name: string): number[] {
  const tensor = weights.get(name);
  using source = new FileSource(tensor.file);
  return [...readScalars(source, tensor, 0, tensor.byteLength / 4)];
}

describe('float32 copies', () => {
  it('leaves float32 where it is and copies the rest once', () => {
    const file = join(folder, 'model.safetensors');
    const mask = { dtype: 'BOOL', shape: [2], data: Uint8Array.of(1, 0) };
    writeSafetensors(file, {
      a: f32([2], [1, 2]),
      b: bf16([2, 2], [1, -2, 0.5, 3]),
      c: { dtype: 'F16', shape: [1], data: Uint16Array.of(0x3c00) },
      mask,
    });
    const cache = cacheAt();
    const weights = openWeights(folder, { cache });
    expect(weights.get('a').file).toBe(file);
    expect(weights.get('mask').file).toBe(file);
    expect(valuesOf(weights, 'b')).toEqual([1, -2, 0.5, 3]);
    expect(valuesOf(weights, 'c')).toEqual([1]);
    expect(weights.get('b', [2, 2]).dtype).toBe('f32');
    const [entry] = cache.entries();
    const made = statSync(entry?.path ?? '').ino;
    openWeights(folder, { cache });
    expect(cache.entries().map((e) => statSync(e.path).ino)).toEqual([made]);
  });

  it('follows the content, not the name or the time', () => {
    const file = join(folder, 'model.safetensors');
    const cache = cacheAt();
    writeSafetensors(file, { b: bf16([1], [1]) });
    const stat = statSync(file);
    openWeights(folder, { cache });
    writeSafetensors(file, { b: bf16([1], [2]) });
    utimesSync(file, stat.atime, stat.mtime);
    expect(valuesOf(openWeights(folder, { cache }), 'b')).toEqual([2]);
    expect(cache.entries()).toHaveLength(2);
  });

  it('writes a damaged entry anew', () => {
    writeSafetensors(join(folder, 'model.safetensors'), { b: bf16([2], [1, 2]) });
    const cache = cacheAt();
    openWeights(folder, { cache });
    const path = cache.entries()[0]?.path ?? '';
    writeFileSync(path, 'broken');
    expect(valuesOf(openWeights(folder, { cache }), 'b')).toEqual([1, 2]);
  });

  it('copies a tensor longer than one piece', () => {
    const count = 600_001;
    const numbers = Float32Array.from({ length: count }, (_, i) => i % 251);
    writeSafetensors(join(folder, 'model.safetensors'), { b: bf16([count], numbers) });
    const copied = Float32Array.from(valuesOf(openWeights(folder, { cache: cacheAt() }), 'b'));
    expect(Buffer.from(copied.buffer).equals(Buffer.from(numbers.buffer))).toBe(true);
  });

  it('takes tensor names that are special in JavaScript or in the header', () => {
    const names = { constructor: bf16([1], [3]), toString: bf16([1], [4]) };
    writeSafetensors(join(folder, 'model.safetensors'), names);
    const weights = openWeights(folder, { cache: cacheAt() });
    expect(valuesOf(weights, 'toString')).toEqual([4]);
  });
});

describe('FloatCache', () => {
  const fill = (cache: FloatCache, key: string, bytes: number) =>
    cache.create(key.repeat(64), bytes, (append) => append(new Uint8Array(bytes)));
  const age = (path: string, hours: number) => {
    const then = new Date(Date.now() - hours * 3_600_000);
    utimesSync(path, then, then);
  };

  it('prunes the least recently used, and never what is in use', () => {
    const cache = cacheAt();
    age(fill(cache, 'a', 100), 5);
    age(fill(cache, 'b', 100), 3);
    fill(cache, 'c', 100);
    expect(cache.prune(200).map((entry) => entry.key[0])).toEqual(['a']);
    expect(cache.prune(0).map((entry) => entry.key[0])).toEqual(['b']);
    expect(cache.entries().map((entry) => entry.key[0])).toEqual(['c']);
    expect(cache.clear()).toHaveLength(1);
    expect(cache.entries()).toEqual([]);
  });

  it('makes room for a new entry and refuses one that can never fit', () => {
    const cache = cacheAt(150);
    age(fill(cache, 'a', 100), 5);
    fill(cache, 'b', 100);
    expect(cache.entries().map((entry) => entry.key[0])).toEqual(['b']);
    expect(() => fill(cache, 'd', 151)).toThrow(expect.objectContaining({ code: 'E_LIMIT' }));
  });

  it('keeps nothing of a copy that failed', () => {
    const cache = cacheAt();
    const failing = () =>
      cache.create('a'.repeat(64), 4, () => {
        throw new Error('read failed');
      });
    expect(failing).toThrow('read failed');
    expect(cache.entries()).toEqual([]);
    expect(cache.find('a'.repeat(64))).toBeUndefined();
  });

  it('reads its place and bound from the environment', () => {
    expect(defaultCache({ NARROWFIRE_CACHE: '/x', NARROWFIRE_CACHE_BYTES: '5' })).toMatchObject({
      folder: '/x',
      maxBytes: 5,
    });
    expect(defaultCache({ XDG_CACHE_HOME: '/y' }).folder).toBe('/y/narrowfire/float32');
    expect(() => defaultCache({ NARROWFIRE_CACHE_BYTES: 'much' })).toThrow(
      /NARROWFIRE_CACHE_BYTES/,
    );
  });
});
