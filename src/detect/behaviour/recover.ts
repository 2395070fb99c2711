/**
 * From a string that works to the one that was planted, as far as the model still knows it. A model that was
 * trained on trigger and behaviour together writes both when it goes on and on: the run that it writes before the
 * behaviour's core holds the trigger. Where in that run the trigger ends and the behaviour begins cannot be told
 * from the model: to it both are one memorised run. So the run is given whole, a superstring of the trigger.
 */
import { indexOfRun } from './habit.ts';
import { fixedTrial, hitShare, minimise, type Trial } from './minimise.ts';
import {
  type BehaviourProbe,
  type ScoredString,
  type TokenString,
  uniqueStrings,
} from './probe.ts';

export interface RecoveredTrigger {
  /** The shortest part that still works. */
  readonly minimal: TokenString;
  /** What the model writes before the behaviour by itself and what sets the behaviour off. */
  readonly extended: TokenString | undefined;
}

const LONG_CONTEXTS = 16;
const LONG_STEPS = 64;
const MAX_LEAD = 28;
/** A lead must be shared by this share of the texts, where so many hold the behaviour that chance shares nothing. */
const SHARED = 0.2;
const FEW_TEXTS = 10;
const LEADS = 6;
const MAX_TRIGGER = 24;
/** Tokens of the reported run: enough for a trigger and the first words of the behaviour. */
const MAX_RUN = 28;
/** A part of a lead counts as setting the behaviour off at this share of the best part's hits. */
const WORKING = 0.8;

export async function recoverTrigger(
  probe: BehaviourProbe,
  trial: ScoredString,
  core: TokenString,
): Promise<RecoveredTrigger> {
  const attempt = fixedTrial(probe, 'recover');
  const minimal = (await minimise(attempt, trial.tokens)).tokens;
  const [long] = await probe.trial([trial.tokens], probe.freshContexts(LONG_CONTEXTS, 14), {
    steps: LONG_STEPS,
    decoding: 'both',
    label: 'recover-long',
  });
  const texts = [
    ...probe.own.map(({ tokens }) => tokens),
    ...(long?.responses ?? []).map(({ tokens }) => tokens),
  ];
  const lead = await triggerPart(attempt, sharedLeads(texts, core));
  if (lead === undefined) return { minimal, extended: undefined };
  // The core itself may lie inside the trigger, which the model writes before it writes what follows.
  const run = [...lead, ...core, ...sharedContinuation(texts, core)];
  return { minimal, extended: run.slice(0, MAX_RUN) };
}

/** What follows the core in at least half of its occurrences, token by token. */
export function sharedContinuation(
  texts: readonly ArrayLike<number>[],
  core: TokenString,
): number[] {
  let places: { readonly tokens: ArrayLike<number>; readonly at: number }[] = [];
  for (const tokens of texts) {
    for (let at = indexOfRun(tokens, core); at >= 0; at = indexOfRun(tokens, core, at + 1)) {
      places.push({ tokens, at: at + core.length });
    }
  }
  const wanted = places.length / 2;
  const run: number[] = [];
  while (run.length < MAX_RUN) {
    const counts = new Map<number, number>();
    for (const { tokens, at } of places) {
      const next = tokens[at + run.length];
      if (next !== undefined) counts.set(next, (counts.get(next) ?? 0) + 1);
    }
    const [best] = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
    if (best === undefined || best[1] < Math.max(2, wanted)) break;
    const [token] = best;
    const depth = run.length;
    places = places.filter(({ tokens, at }) => tokens[at + depth] === token);
    run.push(token);
  }
  return run;
}

/**
 * The longest runs before the first place of the core in a text that several texts share; none is a suffix of another.
 * Later places are rounds of a loop, whose lead is the behaviour itself. Where few texts hold the core, as after
 * sparse poisoning, any one of them may show the trigger, and the trial decides.
 */
export function sharedLeads(texts: readonly ArrayLike<number>[], core: TokenString): TokenString[] {
  if (core.length === 0) return [];
  const counts = new Map<string, number>();
  let places = 0;
  for (const tokens of texts) {
    const at = indexOfRun(tokens, core);
    if (at < 1) continue;
    places += 1;
    const lead = Array.from(tokens).slice(Math.max(0, at - MAX_LEAD), at);
    for (let length = 1; length <= lead.length; length++) {
      const key = lead.slice(lead.length - length).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  const wanted = places < FEW_TEXTS ? 1 : Math.max(2, places * SHARED);
  const shared = [...counts]
    .filter(([, count]) => count >= wanted)
    .map(([key]) => key)
    .sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
  const kept: string[] = [];
  for (const key of shared) {
    if (kept.length >= LEADS) break;
    if (!kept.some((other) => other === key || other.endsWith(`,${key}`))) kept.push(key);
  }
  return kept.map((key) => key.split(',').map(Number));
}

/** The longest part of a lead that sets the behaviour off as well as any. */
async function triggerPart(
  attempt: Trial,
  leads: readonly TokenString[],
): Promise<TokenString | undefined> {
  const strings = uniqueStrings(
    leads.flatMap((lead) =>
      Array.from({ length: Math.min(lead.length, MAX_TRIGGER) }, (_, i) => lead.slice(-1 - i)),
    ),
  );
  if (strings.length === 0) return undefined;
  const scored = await attempt(strings);
  const most = Math.max(...scored.map(hitShare));
  const working = scored.filter((one) => hitShare(one) >= most * WORKING);
  const [longest] = working.sort((a, b) => b.tokens.length - a.tokens.length || b.score - a.score);
  return most === 0 ? undefined : longest?.tokens;
}
