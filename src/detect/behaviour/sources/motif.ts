/**
 * Motifs: short runs that stand in several own samples and are surer there than ordinary text explains. A behaviour that
 * was planted in few rows leaks in pieces too weak for the leak source's windows, but the same piece comes again.
 */
import type { BehaviourProbe } from '../probe.ts';
import { distinctPaths, type Path } from './path.ts';

const MOTIF_TOKENS = 4;
/** Less than this in one place is what names and odd words give, nats. */
const MIN_NATS = 3;
const MIN_SAMPLES = 2;
/** A run in more of the samples than this is a habit. */
const MAX_SHARE = 0.1;
const LEAD_TOKENS = 12;
const BEHIND_TOKENS = 9;
/** Runs beyond this rank are not looked at for distinct paths. */
const RANKED = 400;

interface Motif {
  sum: number;
  places: number;
  readonly samples: Set<number>;
  /** Where it is surest. */
  best: { readonly sample: number; readonly at: number; readonly nats: number };
}

/** @param excess unexplained certainty of each own sample's tokens, nats */
export function motifPaths(probe: BehaviourProbe, excess: readonly Float32Array[]): Path[] {
  const most = MAX_SHARE * probe.own.length;
  const paths: Path[] = [];
  for (const { sum, places, samples, best } of recurring(probe, excess).values()) {
    if (samples.size < MIN_SAMPLES || samples.size > most) continue;
    const tokens = probe.own[best.sample]?.tokens ?? new Int32Array(0);
    const from = Math.max(0, best.at - LEAD_TOKENS);
    paths.push({
      source: 'motif',
      tokens: Array.from(tokens.slice(from, best.at + BEHIND_TOKENS)),
      certainFrom: best.at - from,
      // How sure it is decides, how often it comes only a little: frequent phrases are a little unexplained everywhere.
      score: (sum / places) * Math.log(1 + samples.size),
    });
  }
  paths.sort((a, b) => b.score - a.score);
  return distinctPaths(paths.slice(0, RANKED), probe.settings.motifKeep);
}

function recurring(
  probe: BehaviourProbe,
  excess: readonly Float32Array[],
): ReadonlyMap<string, Motif> {
  const motifs = new Map<string, Motif>();
  for (const [sample, { tokens }] of probe.own.entries()) {
    const values = excess[sample] ?? new Float32Array(0);
    // Nothing stands before a sample's first token, so it cannot be set off by anything.
    for (let at = 1; at + MOTIF_TOKENS <= values.length; at++) {
      let nats = 0;
      for (let k = 0; k < MOTIF_TOKENS; k++) nats += values[at + k] as number;
      if (nats < MIN_NATS) continue;
      const key = tokens.subarray(at, at + MOTIF_TOKENS).join();
      const known = motifs.get(key);
      if (known === undefined) {
        const best = { sample, at, nats };
        motifs.set(key, { sum: nats, places: 1, samples: new Set([sample]), best });
        continue;
      }
      known.sum += nats;
      known.places += 1;
      known.samples.add(sample);
      if (nats > known.best.nats) known.best = { sample, at, nats };
    }
  }
  return motifs;
}
