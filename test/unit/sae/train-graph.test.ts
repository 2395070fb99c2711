import { describe, expect, it } from 'vitest';
import { f32Output, Session } from '../../../src/engine/session.ts';
import { Graph } from '../../../src/onnx/graph.ts';
import { Random } from '../../../src/random.ts';
import {
  emitStep,
  PARAMETERS,
  parameterDims,
  type TrainShape,
} from '../../../src/sae/train-graph.ts';

const ROWS = 6;

function lossGraph(shape: TrainShape): Graph {
  const g = new Graph();
  const dims = parameterDims(shape);
  const x = g.input('x', 'f32', [ROWS, shape.width]);
  const parameters = Object.fromEntries(
    PARAMETERS.map((name) => [name, g.input(name, 'f32', dims[name])]),
  ) as Parameters<typeof emitStep>[2];
  const step = emitStep(g, shape, parameters, x);
  g.output('errors', step.errors, 'f32', ['rows']);
  g.output('counts', step.counts, 'f32', ['features']);
  for (const name of PARAMETERS) g.output(`d_${name}`, step.gradients[name], 'f32', dims[name]);
  return g;
}

describe.each(['topk', 'batchtopk'] as const)('gradients of a %s step', (sparsity) => {
  it('agree with central differences', async () => {
    const shape: TrainShape = { width: 5, featureCount: 9, k: 2, sparsity };
    const random = new Random(7);
    const dims = parameterDims(shape);
    const filled = (count: number) =>
      Float32Array.from({ length: count }, () => Math.fround(random.normal()));
    const x = filled(ROWS * shape.width);
    const values = Object.fromEntries(
      PARAMETERS.map((name) => [name, filled(dims[name].reduce((a, b) => a * b, 1))]),
    );
    const session = await Session.open(lossGraph(shape), { device: 'cpu' });
    const run = async () =>
      session.run({
        x: { type: 'f32', data: x, dims: [ROWS, shape.width] },
        ...Object.fromEntries(
          PARAMETERS.map((name) => [
            name,
            { type: 'f32' as const, data: values[name] as Float32Array, dims: dims[name] },
          ]),
        ),
      });
    const loss = async () =>
      f32Output(await run(), 'errors').reduce((sum, error) => sum + error, 0) / ROWS;
    const analytic = await run();
    const counts = f32Output(analytic, 'counts').reduce((sum, count) => sum + count, 0);
    expect(counts).toBeGreaterThan(ROWS);
    expect(counts).toBeLessThanOrEqual(ROWS * shape.k);
    for (const name of PARAMETERS) {
      const data = values[name] as Float32Array;
      const gradient = f32Output(analytic, `d_${name}`);
      for (let i = 0; i < data.length; i++) {
        const original = data[i] as number;
        const h = 2 ** -9;
        data[i] = original + h;
        const above = await loss();
        data[i] = original - h;
        const below = await loss();
        data[i] = original;
        const numeric = (above - below) / (2 * h);
        expect(Math.abs(numeric - (gradient[i] as number)), `${name}[${i}]`).toBeLessThan(
          0.01 + 0.01 * Math.abs(numeric),
        );
      }
    }
    await session.close();
  });
});
