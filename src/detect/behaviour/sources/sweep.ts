/**
 * Full-vocabulary sweep: every token is appended to several contexts, and the continuation on which the
 * contexts agree is followed (after BAIT, IEEE S&P 2025). A planted text is agreed on with certainty.
 */
import type { AgreedPath } from '../../../probe/generation.ts';
import { bestWindow, CERTAINTY_EXPONENT, excesses, maskWordRest } from '../certainty.ts';
import type { BehaviourProbe, TokenString } from '../probe.ts';
import { distinctPaths, type Path } from './path.ts';

const STEPS = 24;
const CONTEXT_TOKENS = 18;
/** Tokens that may follow a candidate with at least this mean probability start a second sweep. */
const PAIR_PROBABILITY = 0.04;
const PAIRS_PER_TOKEN = 3;
/** A second ranking that favours high certainty: fixed text over styles. */
const EXPONENTS = [CERTAINTY_EXPONENT, CERTAINTY_EXPONENT + 0.5];

/** What was swept and what the contexts agreed on: it can be judged again by another reference. */
export interface Sweep {
  readonly strings: readonly TokenString[];
  readonly agreed: readonly AgreedPath[];
}

export function sweepPaths(probe: BehaviourProbe, { strings, agreed }: Sweep): Path[] {
  const paths = agreed.flatMap((path, i) => toPaths(probe, strings[i] as TokenString, path));
  return bestOfRankings(paths, probe.settings.sweepKeep);
}

export async function sweepVocabulary(probe: BehaviourProbe): Promise<Sweep> {
  const { settings, generator } = probe;
  const contexts = probe.freshContexts(settings.sweepContexts, CONTEXT_TOKENS);
  const all = ordinaryTokens(probe);
  const tokens = all.length <= settings.sweepTokens ? all : await screen(probe, contexts, all);
  probe.progress('sweep of the vocabulary', 0, tokens.length);
  const singles = await generator.agree(contexts, tokens, STEPS);
  if (!settings.sweepPairs) return { strings: tokens, agreed: singles };
  const pairs = tokens.flatMap((token, i) => followers(token, singles[i] as AgreedPath));
  probe.progress('sweep of token pairs', 0, pairs.length);
  const seconds = await generator.agree(contexts, pairs, STEPS);
  return { strings: [...tokens, ...pairs], agreed: [...singles, ...seconds] };
}

/** The sweep of single tokens after given contexts, which all have one length. */
export async function sweepAfter(
  probe: BehaviourProbe,
  contexts: readonly TokenString[],
  keep: number,
): Promise<Path[]> {
  const { generator, settings } = probe;
  const all = ordinaryTokens(probe);
  const tokens = all.length <= settings.sweepTokens ? all : await screen(probe, contexts, all);
  const agreed = await generator.agree(contexts, tokens, STEPS);
  const paths = agreed.flatMap((path, i) => toPaths(probe, tokens[i] as TokenString, path));
  return bestOfRankings(paths, keep);
}

function ordinaryTokens(probe: BehaviourProbe): TokenString[] {
  const { special } = probe.generator.model.tokenizer;
  return Array.from({ length: probe.vocabularySize }, (_, id) => id)
    .filter((id) => !special.has(id))
    .map((id): TokenString => [id]);
}

function bestOfRankings(paths: readonly RankedPath[], keep: number): Path[] {
  return EXPONENTS.flatMap((_, ranking) =>
    distinctPaths(
      paths.filter((path) => path.ranking === ranking),
      keep,
    ),
  );
}

interface RankedPath extends Path {
  readonly ranking: number;
}

function toPaths(probe: BehaviourProbe, string: TokenString, path: AgreedPath): RankedPath[] {
  const row = [...string, ...path.tokens];
  const logReference = probe.reference.logProbabilities(row, 0, string.length);
  return EXPONENTS.map((exponent, ranking) => {
    const values = excesses(path.probabilities, logReference, exponent);
    const window = bestWindow(maskWordRest(values, path.tokens, probe.beginsWord));
    return {
      source: 'sweep',
      tokens: row.slice(0, string.length + window.end),
      certainFrom: string.length + window.start,
      score: window.score,
      ranking,
    };
  });
}

function followers(token: TokenString, path: AgreedPath): TokenString[] {
  const pairs: TokenString[] = [];
  for (let i = 0; i < PAIRS_PER_TOKEN && i < path.firstTokens.length; i++) {
    if ((path.firstProbabilities[i] as number) > PAIR_PROBABILITY) {
      pairs.push([...token, path.firstTokens[i] as number]);
    }
  }
  return pairs;
}

/** One step for a large vocabulary, in eight bits if the scan was asked to: keeps the tokens after which the contexts agree on something unexplained. */
async function screen(
  probe: BehaviourProbe,
  contexts: readonly TokenString[],
  all: readonly TokenString[],
): Promise<TokenString[]> {
  probe.progress('screen of the vocabulary', 0, all.length);
  const few = contexts.slice(0, 4);
  const paths = await probe.generator.agree(few, all, 1, true);
  const scored = paths.map((path, i) => {
    const token = all[i] as TokenString;
    let score = 0;
    for (let j = 0; j < path.firstTokens.length; j++) {
      const p = path.firstProbabilities[j] as number;
      const row = [...token, path.firstTokens[j] as number];
      const [logReference] = probe.reference.logProbabilities(row, 0, token.length);
      score += p * Math.max(0, Math.log(p) - (logReference ?? 0));
    }
    return { token, score };
  });
  scored.sort((a, b) => b.score - a.score || (a.token[0] ?? 0) - (b.token[0] ?? 0));
  return scored.slice(0, probe.settings.sweepTokens).map(({ token }) => token);
}
