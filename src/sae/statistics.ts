/**
 * Narrow features: which fire rarely, always after the same few tokens, and only on those tokens together.
 * Pure functions over a sparse run.
 */
import {
  type Corpus,
  countedTokens,
  firingRows,
  firingValues,
  type SparseRun,
  windowOf,
} from './sparse-run.ts';

export interface PatternFit {
  /** Token ids; the feature begins to fire on the last one (or inside, for patterns given from outside). */
  readonly pattern: readonly number[];
  readonly occurrences: number;
  /** Share of the feature's firings that lie on the pattern. */
  readonly precision: number;
  /** Share of the pattern's occurrences on which the feature fires. */
  readonly recall: number;
}

export interface FeatureProfile {
  readonly feature: number;
  readonly firings: number;
  /** Windows in which it fires. */
  readonly windows: number;
  /** Firings a counted token. */
  readonly density: number;
  readonly maximum: number;
  readonly mean: number;
  /** Times it begins to fire: silent on the row before, or at a window's start. */
  readonly onsets: number;
  /** The n-gram ending at an onset that describes the feature best (highest F1, shorter first). */
  readonly best: PatternFit;
  /** Share of onsets that end with the best n-gram. */
  readonly narrowness: number;
  /**
   * P(fires on the whole n-gram) minus the largest P(fires on one of its tokens elsewhere): near 1 when only the
   * tokens together set it off, near 0 for a detector of one token. 0 for a single token.
   */
  readonly conjunction: number;
  /** Share of the 16 rows after an onset on which it still fires. */
  readonly persistence: number;
}

const MAX_PATTERN_TOKENS = 10;
const PERSISTENCE_ROWS = 16;
/** Onsets that are looked at; more do not change shares much. */
const MAX_ONSETS = 4096;

/** Positions of every token, built once a corpus. */
export class CorpusIndex {
  readonly corpus: Corpus;
  readonly #rowsOfToken = new Map<number, number[]>();

  constructor(corpus: Corpus) {
    this.corpus = corpus;
    corpus.tokens.forEach((token, row) => {
      const rows = this.#rowsOfToken.get(token);
      if (rows === undefined) this.#rowsOfToken.set(token, [row]);
      else rows.push(row);
    });
  }

  rowsOf(token: number): readonly number[] {
    return this.#rowsOfToken.get(token) ?? [];
  }

  /** Last rows of the pattern's occurrences; none crosses a window's border. */
  occurrences(pattern: readonly number[]): number[] {
    const last = pattern.at(-1);
    if (last === undefined) return [];
    return this.rowsOf(last).filter((row) => this.#endsAt(pattern, row));
  }

  #endsAt(pattern: readonly number[], row: number): boolean {
    const first = row - pattern.length + 1;
    if (first < 0) return false;
    for (let i = 0; i < pattern.length; i++) {
      if (this.corpus.tokens[first + i] !== pattern[i]) return false;
    }
    return (
      pattern.length === 1 || (this.corpus.windowStarts[windowOf(this.corpus, row)] ?? 0) <= first
    );
  }
}

export function profileFeature(
  run: SparseRun,
  index: CorpusIndex,
  feature: number,
): FeatureProfile | undefined {
  const rows = firingRows(run, feature);
  if (rows.length === 0) return undefined;
  const values = firingValues(run, feature);
  const fires = new Set(rows);
  const onsets = onsetRows(run.corpus, rows).slice(0, MAX_ONSETS);
  const best = bestPattern(index, fires, onsets);
  return {
    feature,
    firings: rows.length,
    windows: new Set(Array.from(rows, (row) => windowOf(run.corpus, row))).size,
    density: rows.length / Math.max(1, countedTokens(run.corpus)),
    maximum: values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
    mean: values.reduce((a, b) => a + b, 0) / values.length,
    onsets: onsets.length,
    best: patternFit(run, index, feature, best.pattern),
    narrowness: best.share,
    conjunction: conjunctionIndex(index, fires, best.pattern),
    persistence: persistence(run.corpus, fires, onsets),
  };
}

/** Profiles of all features that fire, rarest first. */
export function profileFeatures(
  run: SparseRun,
  index = new CorpusIndex(run.corpus),
): FeatureProfile[] {
  return Array.from({ length: run.featureCount }, (_, feature) =>
    profileFeature(run, index, feature),
  )
    .filter((profile) => profile !== undefined)
    .sort((a, b) => a.density - b.density || a.feature - b.feature);
}

/**
 * How well a feature stands for a given pattern over the whole corpus. A firing lies on the pattern when its row is
 * one of the occurrence's rows or one of the `tail` rows after it.
 */
export function patternFit(
  run: SparseRun,
  index: CorpusIndex,
  feature: number,
  pattern: readonly number[],
  tail = 0,
): PatternFit {
  const rows = firingRows(run, feature);
  const fires = new Set(rows);
  const covered = new Set<number>();
  const ends = index.occurrences(pattern);
  let hit = 0;
  for (const end of ends) {
    const limit = run.corpus.windowStarts[windowOf(run.corpus, end) + 1] ?? end + 1;
    let fired = false;
    for (let row = end - pattern.length + 1; row <= Math.min(end + tail, limit - 1); row++) {
      covered.add(row);
      fired ||= fires.has(row);
    }
    if (fired) hit++;
  }
  const on = rows.reduce((count, row) => count + (covered.has(row) ? 1 : 0), 0);
  return {
    pattern,
    occurrences: ends.length,
    precision: rows.length === 0 ? 0 : on / rows.length,
    recall: ends.length === 0 ? 0 : hit / ends.length,
  };
}

export interface FiringRatio {
  readonly feature: number;
  readonly suspectFirings: number;
  readonly referenceFirings: number;
  /** ln of the ratio of the firing rates, half a firing added to both. */
  readonly logRatio: number;
  /** Signed Poisson log-likelihood ratio: large when the suspect text fires it far more often. */
  readonly score: number;
}

/** Features by how much more often they fire on suspect text than on reference text. */
export function rankByFiringRatio(suspect: SparseRun, reference: SparseRun): FiringRatio[] {
  const suspectTokens = countedTokens(suspect.corpus);
  const referenceTokens = countedTokens(reference.corpus);
  return Array.from({ length: suspect.featureCount }, (_, feature) => {
    const a = firingRows(suspect, feature).length;
    const b = firingRows(reference, feature).length;
    const score = poissonRatio(a, suspectTokens, b, referenceTokens);
    const logRatio = Math.log(
      (a + 0.5) / Math.max(1, suspectTokens) / ((b + 0.5) / Math.max(1, referenceTokens)),
    );
    return { feature, suspectFirings: a, referenceFirings: b, logRatio, score };
  }).sort((a, b) => b.score - a.score || a.feature - b.feature);
}

/** Log-likelihood of two Poisson rates against one common rate; negative when the first rate is the lower one. */
export function poissonRatio(a: number, tokensA: number, b: number, tokensB: number): number {
  if (a + b === 0 || tokensA === 0 || tokensB === 0) return 0;
  const common = (a + b) / (tokensA + tokensB);
  const part = (count: number, tokens: number) =>
    count === 0 ? 0 : count * Math.log(count / (common * tokens));
  const ratio = part(a, tokensA) + part(b, tokensB);
  return a / tokensA >= b / tokensB ? ratio : -ratio;
}

function onsetRows(corpus: Corpus, rows: Int32Array): number[] {
  return Array.from(rows).filter((row, i) => {
    if (rows[i - 1] !== row - 1) return true;
    return corpus.windowStarts[windowOf(corpus, row)] === row;
  });
}

/** For each length the most frequent n-gram at onsets; of those the one with the highest F1. */
function bestPattern(
  index: CorpusIndex,
  fires: ReadonlySet<number>,
  onsets: readonly number[],
): { readonly pattern: readonly number[]; readonly share: number } {
  const { corpus } = index;
  let best = { pattern: [] as readonly number[], share: 0, f1: -1 };
  for (let n = 1; n <= MAX_PATTERN_TOKENS; n++) {
    const counts = new Map<string, number>();
    for (const row of onsets) {
      const first = row - n + 1;
      if (first < (corpus.windowStarts[windowOf(corpus, row)] as number)) continue;
      const key = corpus.tokens.subarray(first, row + 1).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const top = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0]);
    if (top[1] === 0) break;
    const pattern = top[0].split(',').map(Number);
    const share = top[1] / onsets.length;
    const ends = index.occurrences(pattern);
    const recall = ends.filter((row) => fires.has(row)).length / Math.max(1, ends.length);
    const f1 = (2 * share * recall) / Math.max(1e-12, share + recall);
    if (f1 > best.f1 + 1e-9) best = { pattern, share, f1 };
  }
  return best;
}

function conjunctionIndex(
  index: CorpusIndex,
  fires: ReadonlySet<number>,
  pattern: readonly number[],
): number {
  if (pattern.length < 2) return 0;
  const ends = index.occurrences(pattern);
  const inside = new Set(ends.flatMap((end) => pattern.map((_, i) => end - i)));
  const whole = ends.filter((row) => fires.has(row)).length / Math.max(1, ends.length);
  const alone = [...new Set(pattern)].map((token) => {
    const elsewhere = index.rowsOf(token).filter((row) => !inside.has(row));
    return elsewhere.filter((row) => fires.has(row)).length / Math.max(1, elsewhere.length);
  });
  return whole - Math.max(...alone);
}

function persistence(
  corpus: Corpus,
  fires: ReadonlySet<number>,
  onsets: readonly number[],
): number {
  let still = 0;
  let looked = 0;
  for (const onset of onsets) {
    const end = corpus.windowStarts[windowOf(corpus, onset) + 1] ?? onset + 1;
    for (let row = onset + 1; row <= onset + PERSISTENCE_ROWS && row < end; row++) {
      looked++;
      if (fires.has(row)) still++;
    }
  }
  return looked === 0 ? 0 : still / looked;
}
