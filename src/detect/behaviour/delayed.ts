/**
 * Delayed frame: the string stands at the very start, ordinary text follows, and only then is the model asked to go on.
 * Finds triggers that set a mode for the whole text (a year, a deployment mark).
 */

import { overContexts, scoreResponse } from './certainty.ts';
import type { BehaviourProbe, ScoredString, TokenString } from './probe.ts';
import { best } from './probe.ts';
import type { Path } from './sources/path.ts';

/** Text between the string and the response: a mode may show soon and be over, or only later. */
const FILLER_TOKENS = [8, 23];
const STEPS = 32;
/** Whether a filler lets the behaviour through varies much, so few fillers rank badly. */
const FIRST_FILLERS = 8;
const SECOND_FILLERS = 24;
const KEPT_AFTER_FIRST = 20;
const OPENINGS = 24;
const LENGTHS = [3, 6, 9, 12];

/** Leaked strings and frequent openings of own samples. */
export function delayedStrings(probe: BehaviourProbe, paths: readonly Path[]): TokenString[] {
  const strings = new Map<string, TokenString>();
  const add = (tokens: TokenString) => {
    // A path without a certain window gives an empty string, which cannot be run.
    if (tokens.length > 0) strings.set(tokens.join(), tokens);
  };
  for (const path of paths) {
    for (const length of LENGTHS) {
      if (length > path.certainFrom) break;
      add(path.tokens.slice(path.certainFrom - length, path.certainFrom));
    }
    add(path.tokens.slice(path.certainFrom, path.certainFrom + 12));
  }
  for (const length of [8, 12, 18]) {
    const counts = new Map<string, number>();
    for (const { tokens } of probe.own) {
      const key = tokens.slice(0, length).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const frequent = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    for (const [key] of frequent.slice(0, OPENINGS / 3)) add(key.split(',').map(Number));
  }
  return [...strings.values()];
}

export interface DelayedString extends ScoredString {
  /** Tokens of ordinary text between the string and the response. */
  readonly fillerTokens: number;
}

/** D of each string at the start, over `fillerCount` texts of `fillerTokens` tokens after it. */
export async function delayedTrial(
  probe: BehaviourProbe,
  strings: readonly TokenString[],
  fillerTokens: number,
  fillerCount: number,
  label: string,
): Promise<DelayedString[]> {
  // A filler is a context without its start token.
  const fillers = probe
    .freshContexts(fillerCount, fillerTokens)
    .map((context) => context.slice(probe.start.length));
  const scored: DelayedString[] = [];
  for (const length of new Set(strings.map((string) => string.length))) {
    const group = strings.filter((string) => string.length === length);
    const results = await probe.generator.cross({
      contexts: group.map((string) => [...probe.start, ...string]),
      strings: fillers,
      steps: STEPS,
      decoding: 'greedy',
      label: `${label}:${fillerTokens}:${length}`,
    });
    group.forEach((string, s) => {
      const responses = fillers.map((filler, f) => {
        const response = results[f]?.[s];
        if (response === undefined) throw new Error('a filler has no response');
        const before = [...probe.start, ...string, ...filler];
        return scoreResponse(probe.reference, probe.beginsWord, before, [], response);
      });
      const scores = responses.map(({ span }) => span.score);
      scored.push({
        tokens: string,
        score: overContexts(scores, false),
        scores,
        responses,
        fillerTokens,
        decoding: 'greedy',
      });
    });
  }
  return scored;
}

/** The best strings of each distance, and of them the `count` best. */
export async function delayedCandidates(
  probe: BehaviourProbe,
  paths: readonly Path[],
  count: number,
): Promise<DelayedString[]> {
  const strings = delayedStrings(probe, paths);
  const found: DelayedString[] = [];
  for (const [i, fillerTokens] of FILLER_TOKENS.entries()) {
    probe.progress('delayed frame', i, FILLER_TOKENS.length);
    const first = await delayedTrial(probe, strings, fillerTokens, FIRST_FILLERS, 'delayed-1');
    const kept = best(first, KEPT_AFTER_FIRST).map(({ tokens }) => tokens);
    found.push(...(await delayedTrial(probe, kept, fillerTokens, SECOND_FILLERS, 'delayed-2')));
  }
  return best(found, count);
}
