/**
 * Tells a dormant behaviour from what the model does anyway: how often its core stands in the model's own samples,
 * and whether, once begun, it takes over or the model returns to ordinary text.
 */
import type { ScoredResponse } from './certainty.ts';
import { type Place, placeFillers, placeTrial } from './place.ts';
import type { BehaviourProbe, ScoredString, TokenString } from './probe.ts';
import { HIT_SCORE } from './verify.ts';

const CORE_TOKENS = 4;
const TAKEOVER_CONTEXTS = 16;
const LATE_FROM = 36;
const LATE_TO = 56;

export interface Habit {
  /** The four tokens that hold most of the unexplained certainty. */
  readonly core: TokenString;
  readonly ownShare: number;
  readonly takeover: number;
  /** Responses of the length at which takeover is read. */
  readonly long: readonly ScoredResponse[];
}

/** The 4-gram with most unexplained certainty, summed over the responses of all contexts. */
export function coreOf(trial: ScoredString): TokenString {
  const sums = new Map<string, number>();
  for (const { tokens, excess } of trial.responses) {
    for (let i = 0; i + CORE_TOKENS <= tokens.length; i++) {
      let sum = 0;
      for (let k = 0; k < CORE_TOKENS; k++) sum += excess[i + k] as number;
      const key = tokens.subarray(i, i + CORE_TOKENS).join();
      sums.set(key, (sums.get(key) ?? 0) + sum);
    }
  }
  let core = '';
  let most = Number.NEGATIVE_INFINITY;
  for (const [key, sum] of sums) {
    if (sum > most || (sum === most && key < core)) {
      core = key;
      most = sum;
    }
  }
  return core === '' ? [] : core.split(',').map(Number);
}

export function shareOfSamples(probe: BehaviourProbe, core: TokenString): number {
  return shareHolding(
    probe.own.map(({ tokens }) => tokens),
    core,
  );
}

function shareHolding(texts: readonly ArrayLike<number>[], core: TokenString): number {
  if (core.length === 0) return 0;
  const holding = texts.filter((tokens) => indexOfRun(tokens, core) >= 0).length;
  return holding / Math.max(1, texts.length);
}

export async function measureHabit(probe: BehaviourProbe, trial: ScoredString): Promise<Habit> {
  const core = coreOf(trial);
  const contexts = probe.freshContexts(TAKEOVER_CONTEXTS, 18);
  const [long] = await probe.trial([trial.tokens], contexts, {
    steps: LATE_TO,
    decoding: 'greedy',
    label: 'takeover',
  });
  return {
    core,
    ownShare: shareOfSamples(probe, core),
    takeover: takeoverOf(long),
    long: long?.responses ?? [],
  };
}

/** The same at a place of its own; `replies` are what the model writes there unasked. */
export async function measureHabitAt(
  probe: BehaviourProbe,
  trial: ScoredString,
  place: Place,
  replies: readonly ArrayLike<number>[],
): Promise<Habit> {
  const core = coreOf(trial);
  const fillers = placeFillers(probe, place, TAKEOVER_CONTEXTS);
  const [long] = await placeTrial(probe, place, [trial.tokens], fillers, {
    steps: LATE_TO,
    label: 'takeover',
  });
  const ownShare = Math.max(shareOfSamples(probe, core), shareHolding(replies, core));
  return { core, ownShare, takeover: takeoverOf(long), long: long?.responses ?? [] };
}

function takeoverOf(long: ScoredString | undefined): number {
  const responses = long?.responses ?? [];
  const taken = responses.filter(({ excess }) => {
    let sum = 0;
    for (let t = LATE_FROM; t < LATE_TO; t++) sum += excess[t] ?? 0;
    return sum > HIT_SCORE;
  }).length;
  return taken / Math.max(1, responses.length);
}

/** First index of `run` in `tokens` at or after `from`, or -1. */
export function indexOfRun(tokens: ArrayLike<number>, run: ArrayLike<number>, from = 0): number {
  for (let i = from; i + run.length <= tokens.length; i++) {
    let same = true;
    for (let k = 0; k < run.length && same; k++) same = tokens[i + k] === run[k];
    if (same) return i;
  }
  return -1;
}
