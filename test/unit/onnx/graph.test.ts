/** Graphs are judged by what the engine makes of them, names and sharing by what was declared. */
import { describe, expect, it } from 'vitest';
import type { LocatedTensor } from '../../../src/artifact/tensor.ts';
import { f32Output, floats, i64Output, ids, Session } from '../../../src/engine/session.ts';
import { openWeights } from '../../../src/model/weights.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import { ELEMENT_TYPE_IDS, float, Graph, int, text } from '../../../src/onnx/graph.ts';

const weights = openWeights('test/fixtures/models/stories260K');
const embedding = weights.get('model.embed_tokens.weight');

async function run(g: Graph, feeds: Parameters<Session['run']>[0]) {
  const session = await Session.open(g, { device: 'cpu' });
  try {
    return await session.run(feeds);
  } finally {
    await session.close();
  }
}

describe('Graph', () => {
  it('declares equal small constants and equal weights once', () => {
    const g = new Graph();
    expect(g.f32([1, 2])).toBe(g.f32([1, 2]));
    expect(g.f32([1, 2])).not.toBe(g.f32([1, 2], [2, 1]));
    expect(g.i64(1)).not.toBe(g.f32(1));
    expect(g.f32(0)).not.toBe(g.f32(-0));
    expect(g.external(embedding)).toBe(g.external({ ...embedding }));
    expect(g.externals).toHaveLength(1);
    const view: LocatedTensor = { ...embedding, shape: [...embedding.shape].reverse() };
    expect(g.external(view)).not.toBe(g.external(embedding));
  });

  it('keeps large constants apart', () => {
    const g = new Graph();
    const large = new Float32Array(100);
    expect(g.f32(large)).not.toBe(g.f32(large));
    large[0] = 5;
    expect(g.constants.every(({ bytes }) => bytes[0] === 0)).toBe(true);
  });

  it('gives subgraphs names that their parent never has', () => {
    const g = new Graph();
    const names = [g.f32(1), g.subgraph().f32(1), g.op('Neg', [g.f32(1)]), g.subgraph().f32(2)];
    expect(new Set(names).size).toBe(4);
  });

  it('refuses a number format that the engine cannot map', () => {
    expect(() => new Graph().external({ ...embedding, dtype: 'f8_e4m3' as never })).toThrow(
      /no ONNX external type/,
    );
  });
});

describe('encodeGraph', () => {
  it('maps a weight from its file, at its offset', async () => {
    const norm = weights.get('model.norm.weight');
    const g = new Graph();
    const token = g.input('token', 'i64', [1]);
    g.output('row', g.gather(g.external(embedding), token), 'f32', [1, 64]);
    g.output('norm', g.op('Identity', [g.external(norm)]), 'f32', [64]);
    const { readFileSync } = await import('node:fs');
    const file = readFileSync(embedding.file);
    const floatsAt = (offset: number) =>
      Array.from({ length: 64 }, (_, i) => file.readFloatLE(offset + 4 * i));
    const outputs = await run(g, { token: ids([7], [1]) });
    expect([...f32Output(outputs, 'row')]).toEqual(floatsAt(embedding.byteOffset + 7 * 64 * 4));
    expect([...f32Output(outputs, 'norm')]).toEqual(floatsAt(norm.byteOffset));
    expect(encodeGraph(g).model.byteLength).toBeLessThan(2000);
  });

  it('writes the same bytes for the same graph', () => {
    const build = () => {
      const g = new Graph();
      const x = g.input('x', 'f32', ['n', 3]);
      g.output('y', g.op('LeakyRelu', [g.add(x, g.f32([1, 2, 3]))], { alpha: float(0.5) }), 'f32', [
        'n',
        3,
      ]);
      return encodeGraph(g).model;
    };
    expect(build()).toEqual(build());
  });

  it('writes attributes of every kind, and subgraphs that use outer values', async () => {
    const g = new Graph();
    const x = g.input('x', 'f32', [2, 2]);
    const count = g.input('count', 'i64', []);
    const body = g.subgraph();
    body.input('i', 'i64', []);
    const going = body.input('going', 'bool', []);
    const state = body.input('state', 'f32', [2, 2]);
    body.output('going_out', going, 'bool', []);
    body.output('state_out', body.add(state, x), 'f32', [2, 2]);
    const [sum = x] = g.ops('Loop', [count, g.bool(true), x], 1, {
      body: { type: 'graph', value: body },
    });
    const turned = g.transpose(sum, [1, 0]);
    const product = g.op('Einsum', [turned, x], { equation: text('ij,jk->ik') });
    g.output('y', g.op('LeakyRelu', [product], { alpha: float(0.5) }), 'f32', [2, 2]);
    g.output('best', g.op('ArgMax', [product], { axis: int(-1), keepdims: int(0) }), 'i64', [2]);
    const outputs = await run(g, { x: floats([1, 2, 3, -4], [2, 2]), count: ids([2], []) });
    // (3x)ᵀ x by hand: [[3, 9], [6, -12]] · [[1, 2], [3, -4]].
    expect([...f32Output(outputs, 'y')]).toEqual([30, -15, -15, 60]);
    expect([...i64Output(outputs, 'best')]).toEqual([0, 1]);
  });

  it('numbers element types as ONNX does', () => {
    expect(ELEMENT_TYPE_IDS).toMatchObject({ f32: 1, i64: 7, bool: 9, f16: 10, bf16: 16 });
  });

  it('refuses a relative file', () => {
    const g = new Graph();
    g.external({ ...embedding, file: 'model.safetensors' });
    expect(() => encodeGraph(g)).toThrow(/not absolute/);
  });
});
