import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../../../src/engine/engine.ts';
import { f32Output, floats, ids, Session } from '../../../../src/engine/session.ts';
import { emitLinear } from '../../../../src/model/emit/layers.ts';
import { activationsGraph } from '../../../../src/model/graphs/activations.ts';
import { openModel } from '../../../../src/model/open-model.ts';
import type { LinearSpec } from '../../../../src/model/spec.ts';
import { FloatCache } from '../../../../src/model/weights/float-cache.ts';
import { withInt8 } from '../../../../src/model/weights/int8-copy.ts';
import { Graph } from '../../../../src/onnx/graph.ts';
import { Generator } from '../../../../src/probe/generation.ts';
import { openGolden } from '../../../golden/golden-case.ts';

let folder: string;
let cache: FloatCache;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-int8-'));
  cache = new FloatCache(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function product(linear: LinearSpec, x: Float32Array, rows: number): Promise<Float32Array> {
  const g = new Graph();
  const input = g.input('x', 'f32', [rows, x.length / rows]);
  g.output('y', emitLinear(g, linear, input), 'f32', [rows, 'out']);
  const session = await Session.open(g, { device: 'cpu' });
  const y = f32Output(await session.run({ x: floats(x, [rows, x.length / rows]) }), 'y');
  await session.close();
  return y;
}

function relativeError(exact: ArrayLike<number>, found: ArrayLike<number>): number {
  let error = 0;
  let power = 0;
  for (let i = 0; i < exact.length; i++) {
    error += ((exact[i] ?? 0) - (found[i] ?? 0)) ** 2;
    power += (exact[i] ?? 0) ** 2;
  }
  return Math.sqrt(error / power);
}

describe('withInt8', () => {
  it.each(['gpt2', 'llama', 'gpt_neox'])('%s: each matrix gives nearly the same', async (name) => {
    const { spec } = openGolden(name);
    const int8 = withInt8(spec, cache);
    const [plain, coarse] = [spec, int8].map(({ blocks }) => blocks[0]?.attention.output);
    if (plain === undefined || coarse === undefined) throw new Error('no block');
    expect(coarse.int8).toBeDefined();
    const [, width = 0] =
      plain.layout === 'out-in' ? plain.weight.shape : [0, plain.weight.shape[0]];
    const x = Float32Array.from({ length: 3 * (width ?? 0) }, (_, i) => Math.sin(i * 1.7));
    // One row of large values takes nothing from the others.
    x.subarray(0, width).forEach((value, i) => {
      x[i] = value * 1e4;
    });
    const [exact, found] = [await product(plain, x, 3), await product(coarse, x, 3)];
    const outputs = exact.length / 3;
    for (let row = 0; row < 3; row++) {
      const part = (values: Float32Array) => values.subarray(row * outputs, (row + 1) * outputs);
      expect(relativeError(part(exact), part(found))).toBeLessThan(0.03);
    }
  });

  it('leaves routers, embeddings and norms exact, and makes the copy once', () => {
    const { spec } = openGolden('mixtral');
    const before = readdirSync(folder).length;
    const int8 = withInt8(spec, cache);
    expect(withInt8(spec, cache)).toEqual(int8);
    expect(readdirSync(folder)).toHaveLength(before + 1);
    const mlp = int8.blocks[0]?.mlp;
    if (mlp?.kind !== 'experts') throw new Error('no experts');
    expect(mlp.router.int8).toBeUndefined();
    expect(mlp.experts[0]?.down.int8).toBeDefined();
    expect(int8.embedding).toEqual(spec.embedding);
    expect(int8.blocks[0]?.preAttentionNorm).toEqual(spec.blocks[0]?.preAttentionNorm);
  });
});

it('screens in eight bits, and gives what is reported in float32', async () => {
  const model = openModel('test/fixtures/models/stories260K');
  const screen = withInt8(model.spec, cache);
  await using engine = new Engine({ workers: 1 });
  const contexts = [[1, 403, 407, 261, 378]];
  const strings = Array.from({ length: 60 }, (_, i) => [300 + i]);
  const plain = await new Generator(model, engine, { seed: 0 }).agree(contexts, strings, 2);
  const both = new Generator(model, engine, { seed: 0, screen });
  expect(await both.agree(contexts, strings, 2)).toEqual(plain);
  const coarse = await both.agree(contexts, strings, 2, true);
  expect(coarse).not.toEqual(plain);
  const same = coarse.filter((path, i) => path.firstTokens[0] === plain[i]?.firstTokens[0]).length;
  expect(same).toBeGreaterThan(45);
  const logits = async (spec: typeof model.spec) => {
    const session = await Session.open(activationsGraph(spec, [], { logits: true, positions: 5 }), {
      device: 'cpu',
    });
    const outputs = await session.run({ ids: ids(contexts[0] ?? [], [1, 5]) });
    await session.close();
    return f32Output(outputs, 'logits');
  };
  expect(relativeError(await logits(model.spec), await logits(screen))).toBeLessThan(0.1);
});
