/** Pooled embeddings and class scores equal transformers, with padding and without. */
import { expect, test } from 'vitest';
import { f32Output, ids as feed, Session } from '../../src/engine/session.ts';
import { embedGraph } from '../../src/model/graphs/embed.ts';
import type { ModelSpec } from '../../src/model/spec.ts';
import { goldenNames, openGolden } from './golden-case.ts';

const TOLERANCE = 1e-4;

function withMeanPooling(spec: ModelSpec): ModelSpec {
  return { ...spec, pooling: { kind: 'mean', normalise: true } };
}

function largest(expected: Float32Array | undefined, actual: Float32Array): number {
  if (expected?.length !== actual.length) return Number.POSITIVE_INFINITY;
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] ?? 0))), 0);
}

test.each(goldenNames())('%s: embedding and classes equal transformers', async (name) => {
  const { spec, ids, lengths, length, tensors } = openGolden(name);
  expect(spec.classifier !== undefined).toBe(tensors.has('classes'));
  const session = await Session.open(embedGraph(withMeanPooling(spec), { positions: length }), {
    device: 'cpu',
  });
  const outputs = await session.run({
    ids: feed(ids, [lengths.length, length]),
    lengths: feed(lengths, [lengths.length]),
  });
  await session.close();
  const wanted = ['embedding', ...(spec.classifier === undefined ? [] : ['classes'])];
  for (const output of wanted) {
    const difference = largest(tensors.get(output)?.data, f32Output(outputs, output));
    expect(difference, output).toBeLessThan(TOLERANCE);
  }
});

test.each(['bert', 'mpnet', 'llama-classifier'])(
  '%s: texts of one length need no mask',
  async (name) => {
    const { spec, ids, lengths, length, tensors } = openGolden(name);
    const graph = embedGraph(withMeanPooling(spec), { positions: length, padded: false });
    const session = await Session.open(graph, { device: 'cpu' });
    const outputs = await session.run({ ids: feed(ids.slice(0, length), [1, length]) });
    await session.close();
    expect(lengths[0]).toBe(length);
    for (const output of ['embedding', ...(spec.classifier === undefined ? [] : ['classes'])]) {
      const actual = f32Output(outputs, output);
      const expected = tensors.get(output)?.data.subarray(0, actual.length);
      expect(largest(expected, actual), output).toBeLessThan(TOLERANCE);
    }
  },
);
