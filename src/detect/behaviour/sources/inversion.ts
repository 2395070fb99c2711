/**
 * From a target back to a trigger: which string makes a text that is certain without reason most likely. A string
 * grows by one token at either end, in order of the mean over contexts and tokens of ln p(target | context, string).
 */
import { logLikelihoods } from '../base-likelihood.ts';
import { type BehaviourProbe, compareTokens, type TokenString, uniqueStrings } from '../probe.ts';
import type { CandidateString } from '../search.ts';
import { distinctPaths, type Path } from './path.ts';

const TARGETS = 3;
const TARGET_TOKENS = 8;
const CONTEXTS = 3;
const CONTEXT_TOKENS = 12;
/** Tokens that go on being tried after each was tried alone. */
const POOL = 128;
const MAX_LENGTH = 6;
/** Nats a token of the target. */
const MIN_GAIN = 0.05;
/** How often a string that only spells the target's own beginning is put before the target. */
const PREPENDS = 2;

export interface Inverted {
  readonly string: TokenString;
  readonly target: TokenString;
  /** Mean ln p a token of the target, with and without the string. */
  readonly gain: number;
  readonly logProbability: number;
}

export async function inversionStrings(
  probe: BehaviourProbe,
  paths: readonly Path[],
): Promise<CandidateString[]> {
  const strings: TokenString[] = [];
  for (const path of distinctPaths(paths, TARGETS)) {
    const target = path.tokens.slice(path.certainFrom, path.certainFrom + TARGET_TOKENS);
    const lead = path.tokens.slice(0, path.certainFrom);
    if (target.length < TARGET_TOKENS / 2) continue;
    probe.progress('inversion', strings.length, TARGETS);
    const { string } = await invert(probe, target, lead);
    // Every end of it is a candidate: what was put first may be chance.
    for (let from = 0; from < string.length; from++) strings.push(string.slice(from));
  }
  return uniqueStrings(strings).map((tokens) => ({ tokens, source: 'inversion' }));
}

/** @param lead what stood before the target where it was seen */
export async function invert(
  probe: BehaviourProbe,
  target: TokenString,
  lead: TokenString = [],
): Promise<Inverted> {
  let wanted = target;
  let rest = lead;
  let found = await grow(probe, wanted);
  for (let i = 0; i < PREPENDS; i++) {
    const spelled = sharedEnd(found.string, rest);
    if (spelled === 0) break;
    wanted = [...rest.slice(rest.length - spelled), ...wanted];
    rest = rest.slice(0, rest.length - spelled);
    found = await grow(probe, wanted);
  }
  return found;
}

async function grow(probe: BehaviourProbe, target: TokenString): Promise<Inverted> {
  const contexts = probe.freshContexts(CONTEXTS, CONTEXT_TOKENS);
  const all = pool(probe);
  const [bare = 0] = await likelihoods(probe, contexts, [[]], target);
  if (all.length === 0) return { string: [], target, gain: 0, logProbability: bare };
  let ranked = await rank(
    probe,
    contexts,
    all.map((id) => [id]),
    target,
  );
  const tokens = ranked.slice(0, POOL).map(({ string }) => string[0] as number);
  let [current] = ranked;
  while (current !== undefined && current.string.length < MAX_LENGTH) {
    const { string } = current;
    const longer = tokens.flatMap((id): TokenString[] => [
      [...string, id],
      [id, ...string],
    ]);
    ranked = await rank(probe, contexts, uniqueStrings(longer), target);
    const [next] = ranked;
    if (next === undefined || next.logProbability - current.logProbability < MIN_GAIN) break;
    current = next;
  }
  const { string, logProbability } = current ?? { string: [], logProbability: bare };
  return { string, target, gain: logProbability - bare, logProbability };
}

interface Ranked {
  readonly string: TokenString;
  readonly logProbability: number;
}

async function rank(
  probe: BehaviourProbe,
  contexts: readonly TokenString[],
  strings: readonly TokenString[],
  target: TokenString,
): Promise<Ranked[]> {
  const means = await likelihoods(probe, contexts, strings, target);
  return strings
    .map((string, i): Ranked => ({ string, logProbability: means[i] as number }))
    .sort((a, b) => b.logProbability - a.logProbability || compareTokens(a.string, b.string));
}

/** Mean ln p a token of the target over contexts, for strings of one length. */
async function likelihoods(
  probe: BehaviourProbe,
  contexts: readonly TokenString[],
  strings: readonly TokenString[],
  target: TokenString,
): Promise<number[]> {
  const { generator } = probe;
  const rows = strings.flatMap((string) =>
    contexts.map((context) => [...context, ...string, ...target]),
  );
  generator.tokens += rows.reduce((sum, { length }) => sum + length, 0);
  const logs = await logLikelihoods(generator.model, generator.engine, rows);
  return strings.map((_, s) => {
    let sum = 0;
    for (let c = 0; c < contexts.length; c++) {
      const row = logs[s * contexts.length + c] ?? new Float32Array(0);
      for (const value of row.slice(-target.length)) sum += value;
    }
    const mean = sum / (contexts.length * target.length);
    // A broken model's NaN is no likelihood, and must not upset the order.
    return Number.isNaN(mean) ? Number.NEGATIVE_INFINITY : mean;
  });
}

/** All tokens of a small vocabulary; a large one would cost more than all other sources together. */
function pool(probe: BehaviourProbe): number[] {
  if (probe.vocabularySize > probe.settings.sweepTokens) return [];
  const { special } = probe.generator.model.tokenizer;
  return Array.from({ length: probe.vocabularySize }, (_, id) => id).filter(
    (id) => !special.has(id),
  );
}

/** How many tokens the ends of both have in common. */
function sharedEnd(a: TokenString, b: TokenString): number {
  let count = 0;
  while (count < a.length && count < b.length && a.at(-1 - count) === b.at(-1 - count)) count += 1;
  return count;
}
