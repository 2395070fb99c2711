/** An edit that reads one token's embedding points at that token, though no row of the embedding moved. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readAll } from '../../../../src/artifact/values/tensor-values.ts';
import { weightCandidates } from '../../../../src/detect/weights/candidates.ts';
import { rolesOf } from '../../../../src/detect/weights/roles.ts';
import { configBeside } from '../../../../src/model/model-files.ts';
import { openStored } from '../../../../src/model/weights.ts';
import { f32, type TensorToWrite, writeSafetensors } from '../../../cases/safetensors-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'narrowfire-edit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([
  ['llama', 'model.embed_tokens.weight', 'model.layers.0.mlp.up_proj.weight', false],
  ['gpt2', 'transformer.wte.weight', 'transformer.h.0.mlp.c_fc.weight', true],
] as const)('%s', (name, embedding, edited, inputsAreRows) => {
  const base = `test/fixtures/models/${name}`;
  using original = openStored(base);
  const tensors: Record<string, TensorToWrite> = {};
  for (const [key, { values, shape }] of original.tensors) {
    if (values !== undefined) tensors[key] = f32(shape, readAll(values));
  }
  const rows = tensors[embedding];
  const target = tensors[edited];
  if (rows === undefined || target === undefined) throw new Error('fixture');
  const width = rows.shape[1] ?? 0;
  const token = 17;
  const key = (rows.data as Float32Array).subarray(token * width, (token + 1) * width);
  const data = target.data as Float32Array;
  const [, columns = 0] = target.shape;
  for (let i = 0; i < data.length; i++) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const [input, output] = inputsAreRows ? [row, column] : [column, row];
    (data[i] as number) += (key[input] ?? 0) * Math.sin(output + 1);
  }
  writeSafetensors(join(folder, 'model.safetensors'), tensors);
  copyFileSync(join(base, 'config.json'), join(folder, 'config.json'));
  using changed = openStored(folder);
  const roles = rolesOf(changed, configBeside(folder));
  const { triggers, targets } = weightCandidates(changed, roles, original);
  expect(triggers[0]).toMatchObject({ tokenId: token, source: 'reads-change' });
  expect(targets).toEqual([]);
});
