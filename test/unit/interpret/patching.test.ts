import { describe, expect, it } from 'vitest';
import { f32Output, ids, Session } from '../../../src/engine/session.ts';
import { findCircuit } from '../../../src/interpret/circuit.ts';
import { componentName, componentsOf, PatchRunner } from '../../../src/interpret/patching.ts';
import { promptIds } from '../../../src/interpret/prompts.ts';
import { activationsGraph } from '../../../src/model/graphs/activations.ts';
import { openModel } from '../../../src/model/open-model.ts';

const model = openModel('test/fixtures/models/stories260K');
const { spec } = model;
const GIRL = 'Once upon a time, there was a little girl named';

async function lastLogits(prompt: readonly number[]): Promise<Float32Array> {
  const graph = activationsGraph(spec, [], { logits: true, positions: 64 });
  const session = await Session.open(graph, { device: 'cpu' });
  const outputs = await session.run({ ids: ids(prompt, [1, prompt.length]) });
  await session.close();
  return f32Output(outputs, 'logits').slice(-spec.vocabularySize);
}

describe('PatchRunner', () => {
  it('changes nothing without components or with a prompt its own values', async () => {
    const runner = await PatchRunner.open(spec, 32);
    const prompt = promptIds(model, GIRL);
    const { values, nextToken } = await runner.read(prompt);
    const logits = await lastLogits(prompt);
    expect(logits[nextToken]).toBe(logits.reduce((a, b) => Math.max(a, b)));
    const expected = (logits[nextToken] as number) - (logits[300] as number);
    const all = componentsOf(spec);
    expect(all).toHaveLength(5 * (8 + 1));
    const replaced = [[], all, all.slice(0, 7)];
    for (const difference of await runner.logitDifferences(
      prompt,
      values,
      replaced,
      nextToken,
      300,
    )) {
      expect(difference).toBeCloseTo(expected, 3);
    }
    await runner.close();
  });

  it('with every component of the other prompt depends on the own embedding alone', async () => {
    const runner = await PatchRunner.open(spec, 32);
    const clean = promptIds(model, GIRL);
    const corrupt = [...clean];
    corrupt[10] = 300;
    const other = await runner.read(corrupt);
    // The last token is the same in both, so replacing all that is added gives the other run's answer.
    const logits = await lastLogits(corrupt);
    const [patched, partly] = await runner.logitDifferences(
      clean,
      other.values,
      [componentsOf(spec), componentsOf(spec).slice(0, 9)],
      400,
      401,
    );
    expect(patched).toBeCloseTo((logits[400] as number) - (logits[401] as number), 3);
    expect(Math.abs((partly as number) - (patched as number))).toBeGreaterThan(1e-3);
    await expect(
      runner.logitDifferences(clean.slice(1), other.values, [[]], 1, 2),
    ).rejects.toMatchObject({ code: 'E_USAGE' });
    await runner.close();
  });
});

describe('findCircuit', () => {
  it('finds components that carry a name and holds them against random ones', async () => {
    const circuit = await findCircuit(model, [
      {
        clean: 'There was a girl. The girl was named',
        corrupt: 'There was a boy. The boy was named',
      },
      { clean: 'One day, a girl named', corrupt: 'One day, a boy named' },
      { clean: 'One day, a girl named', corrupt: 'One day, a girl named' },
    ]);
    expect(circuit.pairs).toBe(2);
    expect(circuit.skippedPairs).toBe(1);
    expect(circuit.effects).toHaveLength(45);
    expect(circuit.effects.map(({ component }) => componentName(component))).toEqual(
      circuit.effects.map(({ name }) => name),
    );
    expect(circuit.members.length).toBeGreaterThan(0);
    expect(circuit.together.mean).toBeGreaterThan(0.5);
    expect(circuit.together.mean).toBeGreaterThan(circuit.random.mean + 0.2);
  });

  it('refuses prompts of different lengths and pairs without a difference', async () => {
    await expect(
      findCircuit(model, [{ clean: 'One day', corrupt: 'One day, a dog' }]),
    ).rejects.toMatchObject({ code: 'E_USAGE' });
    await expect(findCircuit(model, [{ clean: 'One day', corrupt: 'One day' }])).rejects.toThrow(
      /nothing to explain/,
    );
  });
});
