/** A GGUF model in parts, as the PyPI package "gguf" splits one (test/golden/make_gguf_models.py). */
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readAll } from '../../../../src/artifact/values/tensor-values.ts';
import { ggufParts } from '../../../../src/model/gguf/parts.ts';
import { ggufFileOf, readModelConfig } from '../../../../src/model/model-files.ts';
import { openStored } from '../../../../src/model/weights.ts';

const SPLIT = 'test/fixtures/gguf-split';
const WHOLE = 'test/fixtures/gguf/llama.gguf';
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-parts-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const parts = readdirSync(SPLIT).map((name) => join(SPLIT, name));

it.each([SPLIT, ...parts])('%s gives the tensors and config of the whole file', (path) => {
  using ours = openStored(path);
  using whole = openStored(WHOLE);
  expect(ours.files).toHaveLength(3);
  expect([...ours.tensors.keys()].toSorted()).toEqual([...whole.tensors.keys()].toSorted());
  for (const [name, { values }] of whole.tensors) {
    const found = ours.tensors.get(name)?.values;
    if (values === undefined || found === undefined) throw new Error(name);
    expect(readAll(found), name).toEqual(readAll(values));
  }
  expect(JSON.stringify(readModelConfig(path).raw('rope_scaling'))).toBe(
    JSON.stringify(readModelConfig(WHOLE).raw('rope_scaling')),
  );
});

it('finds rotary factors in whatever part they lie', () => {
  expect(readModelConfig(WHOLE).raw('rope_scaling')).toBeDefined();
});

it('names the part that is missing', () => {
  const broken = join(folder, 'broken');
  cpSync(SPLIT, broken, { recursive: true });
  rmSync(join(broken, 'llama-00002-of-00003.gguf'));
  for (const path of [broken, join(broken, 'llama-00003-of-00003.gguf')]) {
    expect(() => openStored(path)).toThrow(
      expect.objectContaining({
        code: 'E_NOT_FOUND',
        message: '"llama-00002-of-00003.gguf" is missing',
      }),
    );
  }
});

it('refuses numbers that cannot be, and leaves other names alone', () => {
  const codeOf = (name: string) => {
    try {
      return ggufParts(join(folder, name)).length;
    } catch (thrown) {
      return (thrown as { code?: string }).code;
    }
  };
  expect(codeOf('m-00004-of-00003.gguf')).toBe('E_FORMAT');
  expect(codeOf('m-00000-of-00003.gguf')).toBe('E_FORMAT');
  expect(codeOf('m-00001-of-99999.gguf')).toBe('E_LIMIT');
  expect(codeOf('m-00001-of-00001.gguf')).toBe(1);
  expect(codeOf('m-1-of-3.gguf')).toBe(1);
});

it('does not take a part under another name for a whole model', () => {
  const renamed = join(folder, 'renamed.gguf');
  cpSync(join(SPLIT, 'llama-00001-of-00003.gguf'), renamed);
  expect(() => openStored(renamed)).toThrow(/split over 3 files, found 1/);
});

it('takes no one of two models in a folder', () => {
  const both = join(folder, 'both');
  cpSync(SPLIT, both, { recursive: true });
  cpSync(WHOLE, join(both, 'other.gguf'));
  expect(ggufFileOf(both)).toBeUndefined();
});
