import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileSource } from '../../../../src/artifact/byte-source.ts';
import { readScalars } from '../../../../src/artifact/values/tensor-values.ts';
import { FloatCache } from '../../../../src/model/weights/float-cache.ts';
import { openWeights, type WeightSet } from '../../../../src/model/weights.ts';
import {
  bf16,
  f32,
  type TensorToWrite,
  writeSafetensors,
} from '../../../cases/safetensors-writer.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-merge-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function save(name: string, tensors: Record<string, TensorToWrite>, config?: object): string {
  const path = join(folder, name);
  mkdirSync(path);
  const file = config === undefined ? 'model.safetensors' : 'adapter_model.safetensors';
  writeSafetensors(join(path, file), tensors);
  if (config !== undefined) {
    writeFileSync(join(path, 'adapter_config.json'), JSON.stringify(config));
  }
  return path;
}

function valuesOf(weights: WeightSet, name: string): number[] {
  const tensor = weights.get(name);
  using source = new FileSource(tensor.file);
  return [...readScalars(source, tensor, 0, tensor.byteLength / 4)];
}

const open = (path: string, base?: string) =>
  openWeights(path, {
    cache: new FloatCache(join(folder, 'cache')),
    ...(base !== undefined && { base }),
  });

describe('an adapter on its base', () => {
  // scale 2; B·A = [[1, 2, 3], [10, 20, 30]]
  const a = f32([1, 3], [1, 2, 3]);
  const b = f32([2, 1], [1, 10]);
  const config = { peft_type: 'LORA', r: 1, lora_alpha: 2 };
  const pair = (module: string) => ({
    [`base_model.model.${module}.lora_A.weight`]: a,
    [`base_model.model.${module}.lora_B.weight`]: b,
  });

  it('adds the scaled product, and leaves the rest in place', () => {
    const base = save('base', {
      'layers.0.q.weight': bf16([2, 3], [1, 1, 1, 1, 1, 1]),
      'layers.0.k.weight': f32([1], [7]),
    });
    const weights = open(save('adapter', pair('layers.0.q'), config), base);
    expect(valuesOf(weights, 'layers.0.q.weight')).toEqual([3, 5, 7, 21, 41, 61]);
    expect(weights.get('layers.0.k.weight').file).toContain('base');
  });

  it('turns the product for Conv1D and embeddings', () => {
    const base = save('base', { 'h.0.c_attn.weight': f32([3, 2], [0, 0, 0, 0, 0, 0]) });
    const adapter = save('adapter', pair('h.0.c_attn'), { ...config, fan_in_fan_out: true });
    expect(valuesOf(open(adapter, base), 'h.0.c_attn.weight')).toEqual([2, 20, 4, 40, 6, 60]);
    const vocabulary = save('vocabulary', { 'wte.weight': f32([3, 2], new Float32Array(6)) });
    const tokens = save(
      'tokens',
      {
        'base_model.model.wte.lora_embedding_A': a,
        'base_model.model.wte.lora_embedding_B': b,
      },
      config,
    );
    expect(valuesOf(open(tokens, vocabulary), 'wte.weight')).toEqual([2, 20, 4, 40, 6, 60]);
  });

  it('knows rank-stabilised scales, alpha patterns, replaced modules and other prefixes', () => {
    const base = save('base', {
      'model.q.weight': f32([2, 3], new Float32Array(6)),
      'score.weight': f32([1], [0]),
    });
    const adapter = save(
      'adapter',
      {
        ...pair('q'),
        'base_model.model.score.modules_to_save.weight': f32([1], [5]),
      },
      { ...config, use_rslora: true, alpha_pattern: { q: 4 } },
    );
    const weights = open(adapter, base);
    expect(valuesOf(weights, 'model.q.weight')).toEqual([4, 8, 12, 40, 80, 120]);
    expect(valuesOf(weights, 'score.weight')).toEqual([5]);
  });

  it('gives every output the norm that DoRA says', () => {
    const magnitude = (module: string, values: number[]) => ({
      [`base_model.model.${module}.lora_magnitude_vector`]: f32([2], values),
    });
    const dora = { ...config, use_dora: true };
    const base = save('base', { 'q.weight': f32([2, 3], [1, 1, 1, 1, 1, 1]) });
    const adapter = save('adapter', { ...pair('q'), ...magnitude('q', [2, 5]) }, dora);
    const expected = [
      [3, 5, 7],
      [21, 41, 61],
    ].map((row, o) => row.map((value) => (value * (o === 0 ? 2 : 5)) / Math.hypot(...row)));
    const close = (found: number[], wanted: number[]) => {
      expect(found).toHaveLength(wanted.length);
      found.forEach((value, i) => {
        expect(value).toBeCloseTo(wanted[i] ?? Number.NaN, 5);
      });
    };
    close(valuesOf(open(adapter, base), 'q.weight'), expected.flat());
    const turned = save('turned', { 'c.weight': f32([3, 2], [1, 1, 1, 1, 1, 1]) });
    const conv = save(
      'conv',
      { ...pair('c'), ...magnitude('c', [2, 5]) },
      { ...dora, fan_in_fan_out: true },
    );
    const columns = [0, 1, 2].flatMap((i) => [expected[0]?.[i] ?? 0, expected[1]?.[i] ?? 0]);
    close(valuesOf(open(conv, turned), 'c.weight'), columns);
  });

  it('refuses a DoRA adapter whose magnitudes are missing, misshapen or without a pair', () => {
    const base = save('base', { 'q.weight': f32([2, 3], new Float32Array(6)) });
    const dora = { ...config, use_dora: true };
    const vector = 'base_model.model.q.lora_magnitude_vector';
    const cases = [
      [pair('q'), 'E_TENSOR_MISSING'],
      [{ ...pair('q'), [vector]: f32([3], [1, 1, 1]) }, 'E_TENSOR_SHAPE'],
      [{ [vector]: f32([2], [1, 1]) }, 'E_TENSOR_MISSING'],
    ] as const;
    cases.forEach(([tensors, code], i) => {
      const adapter = save(`bad${i}`, tensors, dora);
      expect(() => open(adapter, base)).toThrow(expect.objectContaining({ code }));
    });
  });

  it('refuses what does not fit, by name', () => {
    const base = save('base', { 'q.weight': f32([4, 4], new Float32Array(16)) });
    const adapter = save('adapter', pair('q'), config);
    expect(() => open(adapter, base)).toThrow(expect.objectContaining({ code: 'E_TENSOR_SHAPE' }));
    expect(() => open(adapter)).toThrow(/an adapter alone/);
    const other = save('other', pair('missing'), config);
    expect(() => open(other, base)).toThrow(expect.objectContaining({ code: 'E_TENSOR_MISSING' }));
  });

  it('is cached by what the adapter says, too', () => {
    const base = save('base', { 'q.weight': f32([2, 3], new Float32Array(6)) });
    const first = open(save('one', pair('q'), config), base);
    const second = open(save('two', pair('q'), { ...config, lora_alpha: 4 }), base);
    expect(valuesOf(first, 'q.weight')[0]).toBe(2);
    expect(valuesOf(second, 'q.weight')[0]).toBe(4);
  });
});
