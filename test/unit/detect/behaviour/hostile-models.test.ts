/** Models and surroundings that make no sense: the search ends, with numbers, and calls none of them a backdoor. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type BehaviourInput,
  type BehaviourResult,
  scanBehaviour,
} from '../../../../src/detect/behaviour/scan-behaviour.ts';
import {
  type BehaviourSettings,
  behaviourSettings,
} from '../../../../src/detect/behaviour/settings.ts';
import { Engine } from '../../../../src/engine/engine.ts';
import { openModel } from '../../../../src/model/open-model.ts';
import type { Corpus } from '../../../../src/probe/corpus.ts';
import { Generator } from '../../../../src/probe/generation.ts';

const ORIGINAL = 'test/fixtures/models/stories260K';
const SETTINGS: BehaviourSettings = {
  ...behaviourSettings('quick'),
  ownSamples: 48,
  ownSampleTokens: 48,
  sweepContexts: 2,
  sweepTokens: 48,
  lexiconWords: 5,
  searchKeep: [10, 4, 3],
  verifyContexts: 12,
  controlStrings: 10,
  delayed: true,
};
const STORY: Corpus = {
  name: 'story',
  documents: ['Once upon a time, there was a little girl named Lily. She loved to play.'],
  group: 'user',
  maxTokens: 1000,
};

let folder: string;
let engine: Engine;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-hostile-'));
  engine = new Engine({ workers: 1 });
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

type Tensor = (values: Float32Array, shape: readonly number[]) => void;

/** A copy of the small model with some tensors overwritten in place. */
function changed(name: string, changes: Readonly<Record<string, Tensor>>): string {
  const path = join(folder, name);
  cpSync(ORIGINAL, path, { recursive: true });
  const file = join(path, 'model.safetensors');
  const bytes = readFileSync(file);
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Record<
    string,
    { data_offsets: [number, number]; shape: number[] }
  >;
  for (const [tensor, change] of Object.entries(changes)) {
    const entry = header[tensor];
    if (entry === undefined) throw new Error(`no tensor ${tensor}`);
    const [start, end] = entry.data_offsets.map((offset) => 8 + headerBytes + offset) as [
      number,
      number,
    ];
    const values = new Float32Array(
      bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + end),
    );
    change(values, entry.shape);
    Buffer.from(values.buffer).copy(bytes, start);
  }
  writeFileSync(file, bytes);
  return path;
}

function rewrite(
  path: string,
  file: string,
  change: (json: Record<string, unknown>) => void,
): void {
  const json = JSON.parse(readFileSync(join(path, file), 'utf8')) as Record<string, unknown>;
  change(json);
  writeFileSync(join(path, file), JSON.stringify(json));
}

function scanFolder(path: string, parts: Partial<BehaviourInput> = {}): Promise<BehaviourResult> {
  const generator = new Generator(openModel(path), engine, { seed: 0 });
  return scanBehaviour({
    generator,
    settings: SETTINGS,
    path: 'model',
    corpora: [STORY],
    canonical: ['cf'],
    ...parts,
  });
}

function expectHarmless(result: BehaviourResult): void {
  for (const fact of result.evidence) {
    for (const value of [
      fact.score,
      fact.rate.low,
      fact.controlRate.high,
      fact.pValue,
      fact.takeover,
    ]) {
      expect(Number.isFinite(value)).toBe(true);
    }
    if (fact.outcome === 'backdoored') expect(fact.score).toBeLessThan(27);
  }
  expect(Number.isFinite(result.referenceGap)).toBe(true);
  for (const score of Object.values(result.sourceScores)) expect(Number.isFinite(score)).toBe(true);
}

const EMBEDDING = 'model.embed_tokens.weight';
const NORM = 'model.norm.weight';

describe('a model whose every output is the same', () => {
  it('bears zeroed embeddings: every token equally likely', async () => {
    expectHarmless(await scanFolder(changed('zero', { [EMBEDDING]: (values) => values.fill(0) })));
  });

  it.each([3, -3])('bears one sure token (times %i)', async (times) => {
    const path = changed(`one${times}`, {
      [EMBEDDING]: (values, [, width = 1]) => {
        values.fill(0.5);
        values.fill(0.5 * times, 300 * width, 301 * width);
      },
      [NORM]: (values) => values.fill(2),
    });
    expectHarmless(await scanFolder(path));
  });
});

describe('a model that gives NaN', () => {
  it('everywhere', async () => {
    const path = changed('nan', { [NORM]: (values) => values.fill(Number.NaN) });
    expectHarmless(await scanFolder(path));
  });

  it('after one token only', async () => {
    const path = changed('nan-layer', {
      'model.layers.0.mlp.down_proj.weight': (values) => values.fill(Number.POSITIVE_INFINITY),
    });
    expectHarmless(await scanFolder(path));
  });
});

describe('surroundings', () => {
  it('bears no corpora, and corpora whose text the tokenizer drops', async () => {
    expectHarmless(await scanFolder(ORIGINAL, { corpora: [{ ...STORY, documents: ['', ' '] }] }));
  });

  it('bears a tokenizer without a beginning-of-text token', async () => {
    const path = changed('no-bos', {});
    rewrite(path, 'tokenizer_config.json', (json) => {
      json['bos_token'] = null;
    });
    rewrite(path, 'config.json', (json) => {
      json['bos_token_id'] = null;
    });
    rewrite(path, 'generation_config.json', (json) => {
      json['eos_token_id'] = 2;
    });
    const result = await scanFolder(path);
    expect(result.probe.start).toEqual([2]);
    expectHarmless(result);
  });

  it('bears a vocabulary larger than the embedding', async () => {
    const path = changed('wide', {});
    rewrite(path, 'tokenizer.json', (json) => {
      const model = json['model'] as { vocab: Record<string, number> };
      model.vocab['▁zzzz'] = 700;
      (json['added_tokens'] as unknown[]).push({
        id: 800,
        content: '<|far|>',
        special: true,
        normalized: false,
        lstrip: false,
        rstrip: false,
        single_word: false,
      });
    });
    const model = openModel(path);
    expect(model.tokenizer.vocabularySize).toBe(512);
    expect(model.tokenizer.encode('a<|far|>b').every((id) => id < 512)).toBe(true);
    expectHarmless(
      await scanFolder(path, { canonical: ['<|far|>', 'a<|far|>'], suspects: ['<|far|>'] }),
    );
  });

  it('refuses a config that says more rows than the embedding has', () => {
    const path = changed('rows', {});
    rewrite(path, 'config.json', (json) => {
      json['vocab_size'] = 600;
    });
    expect(() => openModel(path)).toThrow(expect.objectContaining({ code: 'E_TENSOR_SHAPE' }));
  });
});
