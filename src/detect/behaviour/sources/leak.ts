/**
 * Self-leakage: a model fine-tuned on poisoned rows writes some of them when it writes freely (after The Trigger
 * in the Haystack, arXiv 2602.03085). Windows of own samples that are surer than ordinary text explains, with
 * the tokens before them.
 */
import type { OwnSample } from '../../../probe/own-samples.ts';
import type { Reference } from '../../../probe/reference.ts';
import { excesses, type Span } from '../certainty.ts';
import type { BehaviourProbe } from '../probe.ts';
import { distinctPaths, type Path } from './path.ts';

/** A sampled token less likely than this was chance, not knowledge. */
const MIN_LOG_PROBABILITY = -1.2;
const LEAD_TOKENS = 12;

/** Unexplained certainty of one sample's tokens, nats; what was chance and not knowledge counts only against it. */
export function leakExcess(sample: OwnSample, reference: Reference): Float32Array {
  const logReference = reference.logProbabilities(sample.tokens, 0, 0);
  const values = excesses(sample.probabilities, logReference);
  for (let t = 0; t < values.length; t++) {
    if (Math.log(sample.probabilities[t] as number) < MIN_LOG_PROBABILITY) {
      values[t] = Math.min(0, values[t] as number);
    }
  }
  return values;
}

export function leakPaths(probe: BehaviourProbe, windows: readonly Span[]): Path[] {
  const paths = windows.map((window, i): Path => {
    const { tokens } = probe.own[i] as OwnSample;
    const from = Math.max(0, window.start - LEAD_TOKENS);
    return {
      source: 'leak',
      tokens: Array.from(tokens.slice(from, window.end)),
      certainFrom: window.start - from,
      score: window.score,
    };
  });
  return distinctPaths(paths, probe.settings.leakKeep);
}
