/** How likely another model of the same vocabulary finds given rows of tokens. */
import type { Engine } from '../../engine/engine.ts';
import { onEngine } from '../../engine/open-graph.ts';
import { type Feeds, f32Output, ids } from '../../engine/session.ts';
import { runTextPass, type TextPass } from '../../engine/text-pass.ts';
import { likelihoodGraph } from '../../model/graphs/likelihood.ts';
import { planLayers } from '../../model/layer-groups.ts';
import type { Model } from '../../model/open-model.ts';

const BATCH_ROWS = 16;

/**
 * @param rows token ids with the start token, all of one length of at least 2 and no longer than the model can read
 * @returns ln p of each token but the first, row by row
 */
export async function logLikelihoods(
  model: Model,
  engine: Engine,
  rows: readonly (readonly number[])[],
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<Float32Array[]> {
  const length = (rows[0]?.length ?? 0) - 1;
  if (length < 1) return rows.map(() => new Float32Array(0));
  const { spec } = model;
  const open = onEngine(engine);
  const plan = planLayers(
    spec,
    {
      blocks: spec.blocks.length,
      batchTokens: BATCH_ROWS * length,
      length,
      totalTokens: rows.length * length,
      head: true,
      // Logits, and the working copies of what is done to them.
      extraFloats: 2 * spec.vocabularySize,
      keptFloats: 1,
    },
    open,
  );
  const batchRows = Math.floor(plan.batchTokens / length);
  const pass: TextPass = {
    plan,
    width: spec.width,
    graph: (span) => likelihoodGraph(spec, length, span),
  };
  const batches = Array.from({ length: Math.ceil(rows.length / batchRows) }, (_, i) =>
    rows.slice(i * batchRows, (i + 1) * batchRows),
  );
  const result: Float32Array[] = [];
  await runTextPass(pass, open, feedsOf(batches, length), (outputs, index) => {
    if (outputs['log_probability'] === undefined) return;
    const logs = f32Output(outputs, 'log_probability');
    batches[index]?.forEach((_, row) => {
      result.push(logs.slice(row * length, (row + 1) * length));
    });
    onProgress(index + 1, batches.length);
  });
  return result;
}

/** Each position is asked for the token after it. */
function* feedsOf(
  batches: readonly (readonly (readonly number[])[])[],
  length: number,
): Iterable<Feeds> {
  for (const batch of batches) {
    const read = batch.flatMap((row) => row.slice(0, -1));
    const next = batch.flatMap((row) => row.slice(1));
    yield { ids: ids(read, [batch.length, length]), next: ids(next, [next.length]) };
  }
}
