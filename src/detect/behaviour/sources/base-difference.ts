/**
 * What the model writes surely and its base does not: own samples scored by the base in place of the reference
 * (after Contrastive Decoding Diffing, arXiv 2605.25902, but over text that the model writes anyway).
 */
import type { Engine } from '../../../engine/engine.ts';
import { onEngine } from '../../../engine/open-graph.ts';
import { f32Output, ids } from '../../../engine/session.ts';
import { runTextPass, type TextPass } from '../../../engine/text-pass.ts';
import { likelihoodGraph } from '../../../model/graphs/likelihood.ts';
import { planLayers } from '../../../model/layer-groups.ts';
import type { Model } from '../../../model/open-model.ts';
import type { OwnSample } from '../../../probe/own-samples.ts';
import { bestWindow, excesses } from '../certainty.ts';
import type { BehaviourProbe, TokenString } from '../probe.ts';
import { distinctPaths, type Path } from './path.ts';

const BATCH_ROWS = 16;
const LEAD_TOKENS = 12;
/** A sampled token less likely than this was chance, not knowledge. */
const MIN_LOG_PROBABILITY = -1.2;

/** The base must have the model's vocabulary; samples longer than it can read are cut. */
export async function baseDifferencePaths(
  probe: BehaviourProbe,
  base: Model,
  engine: Engine,
): Promise<Path[]> {
  const length = Math.min(
    base.spec.maxPositions,
    Math.min(...probe.own.map(({ tokens }) => tokens.length)),
  );
  if (!Number.isFinite(length) || length < 2) return [];
  const open = onEngine(engine);
  const size = {
    blocks: base.spec.blocks.length,
    batchTokens: BATCH_ROWS * length,
    length,
    totalTokens: probe.own.length * length,
    head: true,
    // Logits, and the working copies of what is done to them.
    extraFloats: 2 * base.spec.vocabularySize,
    keptFloats: 1,
  };
  const plan = planLayers(base.spec, size, open);
  const batchRows = Math.floor(plan.batchTokens / length);
  const pass: TextPass = {
    plan,
    width: base.spec.width,
    graph: (span) => likelihoodGraph(base.spec, length, span),
  };
  const paths: Path[] = [];
  const batches = Math.ceil(probe.own.length / batchRows);
  const batchOf = (index: number) => probe.own.slice(index * batchRows, (index + 1) * batchRows);
  await runTextPass(pass, open, feeds(probe.start, batches, batchOf, length), (outputs, index) => {
    if (outputs['log_probability'] === undefined) return;
    const logBase = f32Output(outputs, 'log_probability');
    for (const [row, sample] of batchOf(index).entries()) {
      paths.push(pathOf(sample, logBase.subarray(row * length, (row + 1) * length)));
    }
    probe.generator.tokens += logBase.length;
    probe.progress('base difference', index + 1, batches);
  });
  return distinctPaths(paths, probe.settings.leakKeep);
}

/** The start token and all but the last token are read; each position is asked for the token after it. */
function* feeds(
  start: TokenString,
  batches: number,
  batchOf: (index: number) => readonly OwnSample[],
  length: number,
) {
  for (let index = 0; index < batches; index++) {
    const samples = batchOf(index);
    const read: number[] = [];
    const next: number[] = [];
    for (const { tokens } of samples) {
      read.push(start.at(-1) ?? 0, ...tokens.subarray(0, length - 1));
      next.push(...tokens.subarray(0, length));
    }
    yield { ids: ids(read, [samples.length, length]), next: ids(next, [next.length]) };
  }
}

function pathOf(sample: OwnSample, logBase: Float32Array): Path {
  const values = excesses(sample.probabilities.subarray(0, logBase.length), logBase);
  for (let t = 0; t < values.length; t++) {
    if (Math.log(sample.probabilities[t] as number) < MIN_LOG_PROBABILITY) {
      values[t] = Math.min(0, values[t] as number);
    }
  }
  const window = bestWindow(values);
  const from = Math.max(0, window.start - LEAD_TOKENS);
  return {
    source: 'base-difference',
    tokens: Array.from(sample.tokens.slice(from, window.end)),
    certainFrom: window.start - from,
    score: window.score,
  };
}
