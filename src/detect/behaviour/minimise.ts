/** Delta debugging (Zeller and Hildebrandt 2002) of a working trigger. */

import type { BehaviourProbe, ScoredString, TokenString } from './probe.ts';
import { uniqueStrings } from './probe.ts';
import { HIT_SCORE } from './verify.ts';

const CONTEXTS = 12;
/** A shorter string must keep this share of the hits. */
const KEEP_SHARE = 0.8;
const MAX_ROUNDS = 16;

export type Trial = (strings: readonly TokenString[]) => Promise<ScoredString[]>;

export function hitShare(trial: ScoredString): number {
  const hits = trial.scores.filter((score) => score > HIT_SCORE).length;
  return hits / Math.max(1, trial.scores.length);
}

/** A trial on one fixed set of fresh contexts, so that rounds can be compared. */
export function fixedTrial(probe: BehaviourProbe, label: string): Trial {
  const contexts = probe.freshContexts(CONTEXTS, 18);
  return (strings) => probe.trial(strings, contexts, { steps: 24, decoding: 'greedy', label });
}

/** Drops one or more tokens as long as the hits stay; every round tries all deletions of one size at once. */
export async function minimise(trial: Trial, tokens: TokenString): Promise<ScoredString> {
  let [current] = await trial([tokens]);
  if (current === undefined) throw new Error('a trial gave no result');
  const wanted = hitShare(current) * KEEP_SHARE;
  let size = Math.max(1, Math.floor(tokens.length / 2));
  for (let round = 0; round < MAX_ROUNDS && current.tokens.length > 1; round++) {
    const shorter = deletions(current.tokens, size);
    const passing = (await trial(shorter)).filter((one) => hitShare(one) >= wanted);
    const [next] = passing.sort((a, b) => hitShare(b) - hitShare(a) || b.score - a.score);
    if (next !== undefined) current = next;
    else if (size === 1) break;
    else size = Math.floor(size / 2);
    size = Math.max(1, Math.min(size, Math.floor(current.tokens.length / 2)));
  }
  return current;
}

function deletions(tokens: TokenString, size: number): TokenString[] {
  const shorter: TokenString[] = [];
  for (let from = 0; from + size <= tokens.length; from++) {
    const rest = [...tokens.slice(0, from), ...tokens.slice(from + size)];
    if (rest.length > 0) shorter.push(rest);
  }
  return uniqueStrings(shorter);
}
