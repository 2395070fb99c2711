import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeSafetensors } from '../../../src/artifact/safetensors-writer.ts';
import { f32Output, ids as feed, Session } from '../../../src/engine/session.ts';
import { activationsGraph } from '../../../src/model/graphs/activations.ts';
import { embedGraph } from '../../../src/model/graphs/embed.ts';
import { readPooling } from '../../../src/model/pooling.ts';
import type { PoolingSpec } from '../../../src/model/spec.ts';
import { openGolden } from '../../golden/golden-case.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-pooling-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, value: unknown): void {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), JSON.stringify(value));
}

const TYPE = 'sentence_transformers.models.';

function modules(...list: readonly (readonly [string, string])[]): void {
  write(
    'modules.json',
    list.map(([type, path], idx) => ({ idx, name: String(idx), path, type: TYPE + type })),
  );
}

describe('readPooling', () => {
  test('is undefined without modules.json', () => {
    expect(readPooling(folder)).toBeUndefined();
  });

  test.each([
    ['pooling_mode_mean_tokens', 'mean'],
    ['pooling_mode_cls_token', 'first'],
    ['pooling_mode_max_tokens', 'max'],
    ['pooling_mode_lasttoken', 'last'],
  ])('reads %s', (key, kind) => {
    modules(['Transformer', ''], ['Pooling', '1_Pooling']);
    write('1_Pooling/config.json', { pooling_mode_mean_tokens: false, [key]: true });
    expect(readPooling(folder)).toEqual({ kind, normalise: false });
  });

  test('reads dense layers and normalisation', () => {
    modules(
      ['Transformer', ''],
      ['Pooling', '1_Pooling'],
      ['Dense', '2_Dense'],
      ['Normalize', '3_Normalize'],
    );
    write('1_Pooling/config.json', { pooling_mode_mean_tokens: true });
    write('2_Dense/config.json', {
      in_features: 2,
      out_features: 1,
      bias: true,
      activation_function: 'torch.nn.modules.activation.Tanh',
    });
    writeSafetensors(join(folder, '2_Dense', 'model.safetensors'), [
      { name: 'linear.weight', shape: [1, 2], data: Float32Array.of(1, 2) },
      { name: 'linear.bias', shape: [1], data: Float32Array.of(3) },
    ]);
    expect(readPooling(folder)).toMatchObject({
      kind: 'mean',
      normalise: true,
      dense: [{ activation: 'tanh', linear: { weight: { shape: [1, 2] }, bias: { shape: [1] } } }],
    });
  });

  test('refuses what it does not know', () => {
    modules(['Transformer', ''], ['LSTM', '1_LSTM']);
    expect(() => readPooling(folder)).toThrow('unknown module');
    modules(['Transformer', ''], ['Pooling', '../elsewhere']);
    expect(() => readPooling(folder)).toThrow('is not a plain name');
    modules(['Transformer', ''], ['Pooling', '1_Pooling']);
    write('1_Pooling/config.json', {
      pooling_mode_mean_tokens: true,
      pooling_mode_max_tokens: true,
    });
    expect(() => readPooling(folder)).toThrow('is not supported');
    write('1_Pooling/config.json', { pooling_mode_weightedmean_tokens: true });
    expect(() => readPooling(folder)).toThrow('is not supported');
    write('modules.json', { type: 'x' });
    expect(() => readPooling(folder)).toThrow('not a list of modules');
    writeFileSync(join(folder, 'modules.json'), '[');
    expect(() => readPooling(folder)).toThrow('not JSON');
  });
});

test.each(['first', 'last', 'max', 'mean'] as const)(
  '%s pooling is what its name says',
  async (kind) => {
    const { spec, ids, lengths, length } = openGolden('bert');
    const pooling: PoolingSpec = { kind, normalise: false };
    const feeds = {
      ids: feed(ids, [lengths.length, length]),
      lengths: feed(lengths, [lengths.length]),
    };
    const states = await Session.open(
      activationsGraph(spec, [{ kind: 'final', layer: 0 }], {
        logits: false,
        positions: length,
        padded: true,
      }),
      { device: 'cpu' },
    );
    const final = f32Output(await states.run(feeds), 'final');
    const embed = await Session.open(embedGraph({ ...spec, pooling }, { positions: length }), {
      device: 'cpu',
    });
    const embedding = f32Output(await embed.run(feeds), 'embedding');
    lengths.forEach((count, text) => {
      for (let i = 0; i < spec.width; i++) {
        const column = Array.from(
          { length: count },
          (_, t) => final[(text * length + t) * spec.width + i] ?? 0,
        );
        const expected = {
          first: column[0],
          last: column.at(-1),
          max: Math.max(...column),
          mean: column.reduce((sum, value) => sum + value, 0) / count,
        }[kind];
        expect(embedding[text * spec.width + i]).toBeCloseTo(expected ?? Number.NaN, 5);
      }
    });
  },
);
