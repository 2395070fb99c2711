/** Cuts paths into strings that may be triggers and screens them on contexts of growing number. */
import type { CandidateSource } from '../../evidence/behaviour.ts';
import { type BehaviourProbe, best, type ScoredString, type TokenString } from './probe.ts';
import type { Path } from './sources/path.ts';

const LENGTHS = [1, 2, 3, 4, 6, 8, 12, 16];
/** A trigger ends at most this far before the certain window and hardly reaches into it. */
const REACH_BACK = 6;
const REACH_IN = 2;

export interface Candidate extends ScoredString {
  readonly source: CandidateSource;
}

export interface CandidateString {
  readonly tokens: TokenString;
  readonly source: CandidateSource;
}

export function cutPaths(paths: readonly Path[]): CandidateString[] {
  const found = new Map<string, CandidateString>();
  for (const { tokens, certainFrom, source } of paths) {
    const last = Math.min(tokens.length, certainFrom + REACH_IN);
    for (let end = Math.max(1, certainFrom - REACH_BACK); end <= last; end++) {
      for (const length of LENGTHS) {
        if (length > end) break;
        const string = tokens.slice(end - length, end);
        const key = string.join();
        if (!found.has(key)) found.set(key, { tokens: string, source });
      }
    }
  }
  return [...found.values()];
}

export interface SearchResult {
  readonly ranked: readonly Candidate[];
  /** Every string of every round, with what the model wrote. */
  readonly tried: readonly ScoredString[];
}

/**
 * @param strings screened from the first round on
 * @param strong already screened elsewhere; they join the last round
 */
export async function searchCandidates(
  probe: BehaviourProbe,
  strings: readonly CandidateString[],
  strong: readonly Candidate[],
): Promise<SearchResult> {
  const [afterFirst, afterSecond, afterThird] = probe.settings.searchKeep;
  const sources = new Map(strings.map(({ tokens, source }) => [tokens.join(), source]));
  probe.progress('search', 0, strings.length);
  const first = await probe.trial(
    strings.map(({ tokens }) => tokens),
    probe.freshContexts(2, 18),
    { steps: 14, decoding: 'greedy', label: 'search-1' },
  );
  const second = await probe.trial(
    best(first, afterFirst).map(({ tokens }) => tokens),
    probe.freshContexts(6, 18),
    { steps: 20, decoding: 'greedy', label: 'search-2' },
  );
  for (const { tokens, source } of strong) sources.set(tokens.join(), source);
  const third = await probe.trial(
    [
      ...best(second, afterSecond).map(({ tokens }) => tokens),
      ...best(strong, 10).map(({ tokens }) => tokens),
    ],
    probe.freshContexts(12, 18),
    { steps: 24, decoding: 'both', label: 'search-3' },
  );
  const ranked = best(third, afterThird).map((scored) => ({
    ...scored,
    source: sources.get(scored.tokens.join()) ?? 'sweep',
  }));
  return { ranked, tried: [...first, ...second, ...third] };
}
