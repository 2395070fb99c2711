/**
 * Text around a behaviour's core: what stands before it in texts that the model wrote, what follows it, and where the
 * behaviour itself begins.
 */
import { indexOfRun } from './habit.ts';
import type { TokenString } from './probe.ts';

export interface Lead {
  readonly tokens: TokenString;
  /** Words of the behaviour between the lead and the core; unknown for a string that stood in no text. */
  readonly behind: TokenString | undefined;
  /** Whether several texts hold it. */
  readonly isShared: boolean;
}

const MAX_LEAD = 28;
const MAX_CONTINUATION = 28;
/** A lead that this share of the texts hold is not there by chance. */
const SHARED = 0.2;
const MIN_SHARED = 2;
const SHARED_LEADS = 6;
const SINGLE_LEADS = 12;

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
  while (run.length < MAX_CONTINUATION) {
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
 * What stands before the first place of the core in a text: the longest runs that texts share, none of them a suffix of
 * another, then the text before single places. Later places are rounds of a loop, whose lead is the behaviour itself.
 * After sparse poisoning one text in hundreds shows the trigger, so single places count too; a trial has to decide.
 */
export function leadsBefore(texts: readonly ArrayLike<number>[], core: TokenString): Lead[] {
  if (core.length === 0) return [];
  const whole: TokenString[] = [];
  for (const tokens of texts) {
    const at = indexOfRun(tokens, core);
    if (at >= 1) whole.push(Array.from(tokens).slice(Math.max(0, at - MAX_LEAD), at));
  }
  const step = Math.max(1, whole.length / SINGLE_LEADS);
  const singles = Array.from(
    { length: Math.min(SINGLE_LEADS, whole.length) },
    (_, i) => whole[Math.floor(i * step)] as TokenString,
  );
  return [
    ...sharedEnds(whole).map((tokens): Lead => ({ tokens, behind: [], isShared: true })),
    ...singles.map((tokens): Lead => ({ tokens, behind: [], isShared: false })),
  ];
}

function sharedEnds(leads: readonly TokenString[]): TokenString[] {
  const counts = new Map<string, number>();
  for (const lead of leads) {
    for (let length = 1; length <= lead.length; length++) {
      const key = lead.slice(-length).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  const wanted = Math.max(MIN_SHARED, leads.length * SHARED);
  const shared = [...counts]
    .filter(([, count]) => count >= wanted)
    .map(([key]) => key)
    .sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
  const kept: string[] = [];
  for (const key of shared) {
    if (kept.length >= SHARED_LEADS) break;
    if (!kept.some((other) => other === key || other.endsWith(`,${key}`))) kept.push(key);
  }
  return kept.map((key) => key.split(',').map(Number));
}

/** What stands before the core in each text that holds it: the behaviour's first words. */
export function beginnings(texts: readonly ArrayLike<number>[], core: TokenString): TokenString[] {
  return texts.flatMap((tokens) => {
    const at = indexOfRun(tokens, core);
    return at < 0 ? [] : [Array.from(tokens).slice(0, at)];
  });
}

/** Leads without the end that they have in common with one of the `begins`; a lead of nothing else is dropped. */
export function cutBehind(leads: readonly Lead[], begins: readonly TokenString[]): Lead[] {
  return leads.flatMap(({ tokens, isShared }) => {
    const most = Math.max(0, ...begins.map((text) => sharedEnd(tokens, text)));
    if (most === tokens.length) return [];
    const at = tokens.length - most;
    return [{ tokens: tokens.slice(0, at), behind: tokens.slice(at), isShared }];
  });
}

function sharedEnd(a: TokenString, b: TokenString): number {
  let length = 0;
  while (length < a.length && length < b.length && a.at(-1 - length) === b.at(-1 - length)) {
    length += 1;
  }
  return length;
}
