import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openModel } from '../../../src/model/open-model.ts';
import { f32, writeSafetensors } from '../../cases/safetensors-writer.ts';

const BASE = 'test/fixtures/models/stories260K';
const folder = mkdtempSync(join(tmpdir(), 'narrowfire-adapter-'));
const before = process.env['NARROWFIRE_CACHE'];
beforeAll(() => {
  process.env['NARROWFIRE_CACHE'] = join(folder, 'cache');
});
afterAll(() => {
  if (before === undefined) delete process.env['NARROWFIRE_CACHE'];
  else process.env['NARROWFIRE_CACHE'] = before;
  rmSync(folder, { recursive: true, force: true });
});

it('opens an adapter on its base: config and tokenizer of the base, one weight of the merge', () => {
  const module = 'base_model.model.model.layers.0.self_attn.q_proj';
  writeSafetensors(join(folder, 'adapter_model.safetensors'), {
    [`${module}.lora_A.weight`]: f32([1, 64], new Float32Array(64).fill(1)),
    [`${module}.lora_B.weight`]: f32([64, 1], new Float32Array(64).fill(1)),
  });
  writeFileSync(join(folder, 'adapter_config.json'), '{"peft_type":"LORA","r":1,"lora_alpha":1}');
  const model = openModel(folder, { base: BASE });
  expect(model.spec.blocks).toHaveLength(5);
  expect(model.tokenizer.encode('Once upon')).toEqual(
    openModel(BASE).tokenizer.encode('Once upon'),
  );
  expect(model.weights.get('model.layers.0.self_attn.q_proj.weight').file).toContain('cache');
  expect(model.weights.get('model.layers.0.self_attn.k_proj.weight').file).toContain('stories260K');
  expect(() => openModel(folder)).toThrow(expect.objectContaining({ file: expect.any(String) }));
});
