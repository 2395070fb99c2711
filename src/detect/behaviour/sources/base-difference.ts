/**
 * What the model writes surely and its base does not: own samples scored by the base in place of the reference
 * (after Contrastive Decoding Diffing, arXiv 2605.25902, but over text that the model writes anyway). Both the best
 * windows and the motifs are candidates.
 */
import type { Engine } from '../../../engine/engine.ts';
import type { Model } from '../../../model/open-model.ts';
import { logLikelihoods } from '../base-likelihood.ts';
import { bestWindow, excesses } from '../certainty.ts';
import type { BehaviourProbe } from '../probe.ts';
import { motifPaths } from './motif.ts';
import { distinctPaths, type Path } from './path.ts';

const LEAD_TOKENS = 12;
/** A sampled token less likely than this was chance, not knowledge. */
const MIN_LOG_PROBABILITY = -1.2;

/** The base must have the model's vocabulary; samples longer than it can read are cut. */
export async function baseDifferencePaths(
  probe: BehaviourProbe,
  base: Model,
  engine: Engine,
): Promise<Path[]> {
  const excess = await baseExcess(probe, base, engine);
  const windows = excess.map((values, i): Path => {
    const window = bestWindow(values);
    const from = Math.max(0, window.start - LEAD_TOKENS);
    return {
      source: 'base-difference',
      tokens: Array.from(probe.own[i]?.tokens.slice(from, window.end) ?? []),
      certainFrom: window.start - from,
      score: window.score,
    };
  });
  const motifs = motifPaths(probe, excess);
  return [
    ...distinctPaths(windows, probe.settings.leakKeep),
    ...motifs.map((path): Path => ({ ...path, source: 'base-difference' })),
  ];
}

/** Certainty of each own sample's tokens that the base does not explain, nats. */
export async function baseExcess(
  probe: BehaviourProbe,
  base: Model,
  engine: Engine,
): Promise<Float32Array[]> {
  const length = Math.min(base.spec.maxPositions, ...probe.own.map(({ tokens }) => tokens.length));
  if (!Number.isFinite(length) || length < 2) return [];
  const start = probe.start.at(-1) ?? 0;
  const rows = probe.own.map(({ tokens }) => [start, ...tokens.subarray(0, length)]);
  const logBase = await logLikelihoods(base, engine, rows, (done, total) => {
    probe.progress('base difference', done, total);
  });
  probe.generator.tokens += rows.length * length;
  return logBase.map((logs, i) => {
    const probabilities = probe.own[i]?.probabilities.subarray(0, logs.length) ?? [];
    return excesses(probabilities, logs).map((value, t) =>
      Math.log(probabilities[t] as number) < MIN_LOG_PROBABILITY ? Math.min(0, value) : value,
    );
  });
}
