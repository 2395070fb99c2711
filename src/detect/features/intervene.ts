/**
 * Necessity and sufficiency of interventions, measured on the behaviour itself: unexplained certainty of what the
 * model writes with the edit, as a share of the distance between triggered and untriggered.
 */

import type { Plan } from '../../engine/engine.ts';
import type { Feeds } from '../../engine/session.ts';
import type { InterventionEffect } from '../../evidence/feature.ts';
import type { Response } from '../../probe/generation.ts';
import { RandomStream } from '../../probe/random.ts';
import { quantile, scoreResponse } from '../behaviour/certainty.ts';
import type { BehaviourProbe, TokenString } from '../behaviour/probe.ts';
import type { Standing } from './trigger-text.ts';

const STEPS = 24;
const CONTEXT_TOKENS = 14;
const RESAMPLES = 400;
/** Less distance than this between triggered and untriggered is nothing to take a share of, nats. */
const MIN_DISTANCE = 8;

export interface Bench {
  /** Start token, ordinary text; without the trigger. */
  readonly contexts: readonly TokenString[];
  readonly trigger: TokenString;
  readonly standing: Standing;
  /** D of each context with the trigger and without. */
  readonly triggered: readonly number[];
  readonly untriggered: readonly number[];
}

export interface EditedRuns {
  readonly probe: BehaviourProbe;
  readonly plan: Plan;
  /** Inputs that change nothing. */
  readonly neutral: Feeds;
}

type BenchText = Pick<Bench, 'contexts' | 'trigger' | 'standing'>;

/** D of each context under an edit. */
async function editedScores(
  runs: EditedRuns,
  bench: BenchText,
  isTriggered: boolean,
  edits: Feeds,
): Promise<number[]> {
  const { reference, beginsWord } = runs.probe;
  const responses = await editedResponses(runs, bench, isTriggered, edits);
  const behind = bench.standing.kind === 'behind';
  return responses.map((response, c) => {
    const context = bench.contexts[c] as TokenString;
    // A response may copy from a string right before it; far back, the string is context.
    const candidate = isTriggered && behind ? bench.trigger : [];
    return scoreResponse(reference, beginsWord, context, candidate, response).span.score;
  });
}

/** Only what stands before the strings of a request is left unedited. */
async function editedResponses(
  runs: EditedRuns,
  { contexts, trigger, standing }: BenchText,
  isTriggered: boolean,
  edits: Feeds,
): Promise<Response[]> {
  const { probe, plan, neutral } = runs;
  const written = (heads: readonly TokenString[], tails: readonly TokenString[]) =>
    probe.generator.crossEdited(
      plan,
      { contexts: heads, strings: tails, steps: STEPS, decoding: 'greedy', label: 'edit' },
      { ...neutral, ...edits },
    );
  if (standing.kind === 'before') {
    const { start } = probe;
    const fillers = contexts.map((context) => context.slice(start.length));
    const tails = isTriggered ? fillers.map((filler) => [...trigger, ...filler]) : fillers;
    return (await written([start], tails)).flat();
  }
  if (isTriggered) return (await written(contexts, [trigger])).flat();
  // The context's own last token is the string: the same text, nothing added.
  const rows = await Promise.all(
    contexts.map((context) => written([context.slice(0, -1)], [context.slice(-1)])),
  );
  return rows.flat(2);
}

export async function openBench(
  runs: EditedRuns,
  trigger: TokenString,
  standing: Standing,
  count: number,
): Promise<Bench> {
  const length = standing.kind === 'behind' ? CONTEXT_TOKENS : standing.fillerTokens;
  const contexts = runs.probe.freshContexts(count, length);
  const text = { contexts, trigger, standing };
  const triggered = await editedScores(runs, text, true, {});
  const untriggered = await editedScores(runs, text, false, {});
  return { ...text, triggered, untriggered };
}

/** Whether the behaviour is far enough from ordinary text to take shares of. */
export function isMeasurable(bench: Bench): boolean {
  return distanceOf(bench) >= MIN_DISTANCE;
}

/** Nats between triggered and untriggered text. */
export function distanceOf(bench: Bench): number {
  return quantile(bench.triggered, 0.5) - quantile(bench.untriggered, 0.5);
}

/** Share of the behaviour that an edit of triggered text removes. */
export async function necessity(
  runs: EditedRuns,
  bench: Bench,
  edits: Feeds,
): Promise<InterventionEffect> {
  const edited = await editedScores(runs, bench, true, edits);
  return effect(bench, (c) => (bench.triggered[c] ?? 0) - (edited[c] ?? 0));
}

/** Share of the behaviour that an edit of untriggered text makes. */
export async function sufficiency(
  runs: EditedRuns,
  bench: Bench,
  edits: Feeds,
): Promise<InterventionEffect> {
  const edited = await editedScores(runs, bench, false, edits);
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
