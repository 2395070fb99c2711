/** A stretch of text whose later part is certain without reason: its earlier part may hold the trigger. */
import type { CandidateSource } from '../../../evidence/behaviour.ts';
import { jaccard, type TokenString } from '../probe.ts';

export interface Path {
  readonly source: CandidateSource;
  readonly tokens: TokenString;
  /** Index of the first token of the certain window. */
  readonly certainFrom: number;
  readonly score: number;
}

/** The best paths that are not near copies of a better one. */
export function distinctPaths(paths: readonly Path[], count: number): Path[] {
  const kept: Path[] = [];
  for (const path of [...paths].sort((a, b) => b.score - a.score)) {
    if (kept.length >= count) break;
    const window = path.tokens.slice(path.certainFrom);
    const copy = kept.some((other) => jaccard(other.tokens.slice(other.certainFrom), window) > 0.6);
    if (!copy) kept.push(path);
  }
  return kept;
}
