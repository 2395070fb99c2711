/**
 * Necessity and sufficiency of interventions, measured on the behaviour itself: unexplained certainty of what the
 * model writes with the edit, as a share of the distance between triggered and untriggered.
 */

import type { Plan } from '../../engine/engine.ts';
import type { Feeds } from '../../engine/session.ts';
import type { InterventionEffect } from '../../evidence/feature.ts';
import { RandomStream } from '../../probe/random.ts';
import { quantile, scoreResponse } from '../behaviour/certainty.ts';
import type { BehaviourProbe, TokenString } from '../behaviour/probe.ts';

const STEPS = 24;
const RESAMPLES = 400;
/** Less distance than this between triggered and untriggered is nothing to take a share of, nats. */
const MIN_DISTANCE = 8;

export interface Bench {
  readonly contexts: readonly TokenString[];
  readonly trigger: TokenString;
  /** Last context token, so that an untriggered run has a string too. */
  readonly triggered: readonly number[];
  readonly untriggered: readonly number[];
}

export interface EditedRuns {
  readonly probe: BehaviourProbe;
  readonly plan: Plan;
  /** Inputs that change nothing. */
  readonly neutral: Feeds;
}

/** D of each context under an edit. */
export async function editedScores(
  runs: EditedRuns,
  contexts: readonly TokenString[],
  string: TokenString | 'untriggered',
  edits: Feeds,
): Promise<number[]> {
  const { probe, plan, neutral } = runs;
  const written = async (heads: readonly TokenString[], tail: TokenString) => {
    const [row] = await probe.generator.crossEdited(
      plan,
      { contexts: heads, strings: [tail], steps: STEPS, decoding: 'greedy', label: 'edit' },
      { ...neutral, ...edits },
    );
    return row ?? [];
  };
  const candidate = string === 'untriggered' ? [] : string;
  const responses =
    string === 'untriggered'
      ? // The context's own last token is the string: the same text, nothing added.
        await Promise.all(contexts.map((text) => written([text.slice(0, -1)], text.slice(-1))))
      : [await written(contexts, string)];
  return responses.flat().map((response, c) => {
    const context = contexts[c] as TokenString;
    const { reference, beginsWord } = probe;
    return scoreResponse(reference, beginsWord, context, candidate, response).span.score;
  });
}

export async function openBench(
  runs: EditedRuns,
  trigger: TokenString,
  count: number,
): Promise<Bench> {
  const contexts = runs.probe.freshContexts(count, 14);
  const triggered = await editedScores(runs, contexts, trigger, {});
  const untriggered = await editedScores(runs, contexts, 'untriggered', {});
  return { contexts, trigger, triggered, untriggered };
}

/** Whether the behaviour is far enough from ordinary text to take shares of. */
export function isMeasurable(bench: Bench): boolean {
  return quantile(bench.triggered, 0.5) - quantile(bench.untriggered, 0.5) >= MIN_DISTANCE;
}

/** Share of the behaviour that an edit of triggered text removes. */
export async function necessity(
  runs: EditedRuns,
  bench: Bench,
  edits: Feeds,
): Promise<InterventionEffect> {
  const edited = await editedScores(runs, bench.contexts, bench.trigger, edits);
  return effect(bench, (c) => (bench.triggered[c] ?? 0) - (edited[c] ?? 0));
}

/** Share of the behaviour that an edit of untriggered text makes. */
export async function sufficiency(
  runs: EditedRuns,
  bench: Bench,
  edits: Feeds,
): Promise<InterventionEffect> {
  const edited = await editedScores(runs, bench.contexts, 'untriggered', edits);
  return effect(bench, (c) => (edited[c] ?? 0) - (bench.untriggered[c] ?? 0));
}

/** Ratio of means with a bootstrap interval over contexts. */
function effect(bench: Bench, gain: (context: number) => number): InterventionEffect {
  const count = bench.contexts.length;
  const distance = (c: number) => (bench.triggered[c] ?? 0) - (bench.untriggered[c] ?? 0);
  const ratio = (pick: (i: number) => number) => {
    let gained = 0;
    let whole = 0;
    for (let i = 0; i < count; i++) {
      gained += gain(pick(i));
      whole += distance(pick(i));
    }
    return whole <= 0 ? 0 : gained / whole;
  };
  const random = new RandomStream(0, 'bootstrap');
  const means = Array.from({ length: RESAMPLES }, () => ratio(() => random.below(count)));
  return {
    mean: ratio((i) => i),
    low: quantile(means, 0.025),
    high: quantile(means, 0.975),
    contexts: count,
  };
}
