/** Every family computes what transformers computes: logits and two residual taps within 1e-4. */
import { expect, test } from 'vitest';
import { f32Output, ids as feed, floats, i64Output, Session } from '../../src/engine/session.ts';
import { activationsGraph } from '../../src/model/graphs/activations.ts';
import { generateGraph } from '../../src/model/graphs/generate.ts';
import { goldenNames, largestDifference, openGolden } from './golden-case.ts';

const TOLERANCE = 1e-4;

test.each(goldenNames())('%s: taps and logits equal transformers', async (name) => {
  const golden = openGolden(name);
  const { spec, ids, lengths, length } = golden;
  const sites = [0, 1].map((layer) => ({ kind: 'resid_pre', layer }) as const);
  const logits = golden.tensors.has('logits');
  expect(logits).toBe(spec.head !== undefined);
  const graph = activationsGraph(spec, sites, { logits, positions: length, padded: true });
  const session = await Session.open(graph, { device: 'cpu' });
  const outputs = await session.run({
    ids: feed(ids, [lengths.length, length]),
    lengths: feed(lengths, [lengths.length]),
  });
  await session.close();
  for (const site of ['resid_pre.0', 'resid_pre.1', ...(logits ? ['logits'] : [])]) {
    const expected = golden.tensors.get(site);
    if (expected === undefined) throw new Error(`the fixture lacks ${site}`);
    expect(largestDifference(golden, expected, f32Output(outputs, site)), site).toBeLessThan(
      TOLERANCE,
    );
  }
});

const causal = goldenNames().filter((name) => {
  const { spec } = openGolden(name);
  return spec.causal && spec.head !== undefined;
});

const STEPS = 6;

test.each(causal)('%s: a shared prefix gives the continuation of the plain pass', async (name) => {
  const { spec, ids, length } = openGolden(name);
  const plain = await Session.open(
    activationsGraph(spec, [], { logits: true, positions: length + STEPS }),
    { device: 'cpu' },
  );
  // Contexts of four tokens and strings of at most three must leave room in the position table.
  const steps = Math.min(STEPS, spec.maxPositions - 7);
  const continued = async (start: readonly number[]): Promise<number[]> => {
    const all = [...start];
    for (let step = 0; step < steps; step++) {
      const outputs = await plain.run({ ids: feed(all, [1, all.length]) });
      const logits = f32Output(outputs, 'logits').subarray(-spec.vocabularySize);
      all.push(logits.indexOf(Math.max(...logits)));
    }
    return all.slice(start.length);
  };
  // Two contexts of four tokens; strings of three and of one token after each of them.
  const contexts = [ids.slice(0, 4), ids.slice(length, length + 4)];
  const strings = [ids.slice(4, 7), ids.slice(7, 8)];
  const shared = await Session.open(
    generateGraph(spec, { decoding: 'greedy', maxPositions: length + STEPS }),
    { device: 'cpu' },
  );
  const rows = contexts.flatMap(() => strings);
  const outputs = await shared.run({
    contexts: feed(contexts.flat(), [2, 4]),
    strings: feed(
      rows.flatMap((string) => [...Array(3 - string.length).fill(0), ...string]),
      [4, 3],
    ),
    padding: feed(
      rows.map((string) => 3 - string.length),
      [4],
    ),
    steps: feed([steps], []),
    bias: floats(new Float32Array(spec.vocabularySize), [spec.vocabularySize]),
  });
  const tokens = i64Output(outputs, 'tokens');
  let row = 0;
  for (const context of contexts) {
    for (const string of strings) {
      const expected = await continued([...context, ...string]);
      const actual = expected.map((_, step) => tokens[step * 4 + row]);
      expect(actual, `row ${row}`).toEqual(expected);
      row++;
    }
  }
  await plain.close();
  await shared.close();
});
