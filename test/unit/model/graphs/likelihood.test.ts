import { expect, it } from 'vitest';
import { f32Output, ids, Session } from '../../../../src/engine/session.ts';
import { describeModel } from '../../../../src/model/families/registry.ts';
import { activationsGraph, wholeSpan } from '../../../../src/model/graphs/activations.ts';
import { likelihoodGraph } from '../../../../src/model/graphs/likelihood.ts';
import { readModelConfig } from '../../../../src/model/model-files.ts';
import { openWeights } from '../../../../src/model/weights.ts';

it.each(['llama', 'gpt2'])('%s: log probabilities are those of the logits', async (name) => {
  const folder = `test/fixtures/models/${name}`;
  const spec = describeModel(readModelConfig(folder), openWeights(folder));
  const read = [3, 9, 4, 7, 11, 5];
  const next = [9, 4, 20, 11, 5, 2];
  const shape = [2, 3];
  const plain = await Session.open(activationsGraph(spec, [], { logits: true, positions: 3 }), {
    device: 'cpu',
  });
  const logits = f32Output(await plain.run({ ids: ids(read, shape) }), 'logits');
  const asked = await Session.open(likelihoodGraph(spec, 3, wholeSpan(spec.blocks.length)), {
    device: 'cpu',
  });
  const outputs = await asked.run({ ids: ids(read, shape), next: ids(next, [6]) });
  const found = f32Output(outputs, 'log_probability');
  for (const [row, token] of next.entries()) {
    const line = logits.subarray(row * spec.vocabularySize, (row + 1) * spec.vocabularySize);
    const total = Math.log(line.reduce((sum, value) => sum + Math.exp(value), 0));
    expect(found[row]).toBeCloseTo((line[token] ?? 0) - total, 4);
  }
  await plain.close();
  await asked.close();
});
