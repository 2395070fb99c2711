/**
 * What ordinary text explains: for each token of a response, the largest probability that any of several
 * references gives it. Corpora that the user or the package brings, the model's own text, and plain copying.
 */
import { NgramModel } from './ngram-model.ts';
import { OwnText } from './own-text.ts';

const ORDER = 4;
/** A token that continues a loop of at most this period is no surprise. */
const MAX_LOOP_PERIOD = 5;
const LOOP_CREDIT = 0.9;
/** A token pair that stands in the candidate itself, or shortly before, is half copied. */
const COPY_CREDIT = 0.5;
/**
 * A token pair seen shortly before is half copied as long as the copy is short: names and things come back. Long
 * copies are loops of whole sentences, which ordinary text does not hold, and get nothing.
 */
const MAX_COPIED_TOKENS = 6;
const COPY_REACH = 120;
/** A token explained this well needs no further reference. */
const EXPLAINED = 0.3;

export interface ReferenceOptions {
  readonly vocabularySize: number;
  /** Token sequences of each corpus, one model each. */
  readonly corpora: readonly (readonly ArrayLike<number>[])[];
  readonly ownSamples: readonly ScoredText[];
}

/** A reference that explains a few texts more, such as a behaviour that is already known. */
export interface ExplainedTexts {
  readonly reference: Reference;
  readonly vocabularySize: number;
  readonly texts: readonly ArrayLike<number>[];
  /** Only n-grams in at least this many of the texts; 1 by default. */
  readonly minSequences?: number;
}

/**
 * Nats a token of the model's own text that the corpora leave unexplained. Up to here they cover the model's domain, and
 * its own text adds only habits; beyond, its own text has to stand in for the corpus that is missing.
 */
export const COVERED_GAP = 1.2;
/** N-grams in at least this share of own samples are habits, with and without a corpus of the domain. */
const HABIT_SHARE_COVERED = 0.3;
const HABIT_SHARE_ALONE = 0.05;
/** Shared runs of this many tokens set an own sample aside. */
const RUN_TOKENS = 6;
const GAP_SAMPLES = 200;

/** Text and the probability that the model gave to each of its tokens. */
export interface ScoredText {
  readonly tokens: ArrayLike<number>;
  readonly probabilities: ArrayLike<number>;
}

export class Reference {
  readonly #models: readonly NgramModel[];
  readonly #own: OwnText | undefined;

  /** How far the corpora are from the model's own text; see `COVERED_GAP`. */
  readonly gap: number;

  /** @param options what to build from, or a reference and texts that it is to explain as well */
  constructor(options: ReferenceOptions | ExplainedTexts) {
    if ('reference' in options) {
      const { reference, vocabularySize, texts, minSequences = 0 } = options;
      this.gap = reference.gap;
      this.#own = reference.#own;
      this.#models = [
        ...reference.#models,
        new NgramModel(texts, { order: ORDER, vocabularySize, minSequences }),
      ];
      return;
    }
    const { vocabularySize, ownSamples } = options;
    const models = options.corpora.map(
      (sequences) => new NgramModel(sequences, { order: ORDER, vocabularySize }),
    );
    this.gap = unexplained(models, ownSamples.slice(0, GAP_SAMPLES));
    const covered = this.gap <= COVERED_GAP;
    const own = ownSamples.map(({ tokens }) => tokens);
    if (own.length > 0) {
      const habitShare = covered ? HABIT_SHARE_COVERED : HABIT_SHARE_ALONE;
      const minSequences = Math.max(2, Math.ceil(habitShare * own.length));
      models.push(new NgramModel(own, { order: ORDER, vocabularySize, minSequences }));
      if (!covered) {
        this.#own = new OwnText(own, { vocabularySize, runTokens: RUN_TOKENS, habitShare });
      }
    }
    this.#models = models;
  }

  /**
   * @param tokens context, candidate and response in one row
   * @param responseStart index of the response's first token
   * @param candidateStart index of the candidate's first token; equal to `responseStart` when there is none
   * @returns ln R of each response token
   */
  logProbabilities(
    tokens: ArrayLike<number>,
    candidateStart: number,
    responseStart: number,
  ): Float32Array {
    const pairs = new Set<number>();
    for (let i = candidateStart + 1; i < responseStart; i++) {
      pairs.add((tokens[i - 1] as number) * 2 ** 24 + (tokens[i] as number));
    }
    const result = new Float32Array(tokens.length - responseStart);
    let aside: ReadonlySet<number> | undefined;
    for (let i = responseStart; i < tokens.length; i++) {
      const token = tokens[i] as number;
      let best = 0;
      for (const model of this.#models) {
        best = Math.max(best, model.probability(tokens, i, token));
      }
      if (i > 0 && pairs.has((tokens[i - 1] as number) * 2 ** 24 + token)) {
        best = Math.max(best, COPY_CREDIT);
      }
      if (best < COPY_CREDIT && continuesName(tokens, i)) best = COPY_CREDIT;
      if (continuesLoop(tokens, i, candidateStart)) best = Math.max(best, LOOP_CREDIT);
      if (best < EXPLAINED && this.#own !== undefined) {
        aside ??= this.#own.setAside(tokens, responseStart);
        best = Math.max(best, this.#own.probability(tokens, i, token, aside));
      }
      result[i - responseStart] = Math.log(best);
    }
    return result;
  }
}

/** Mean of p · max(0, ln p - ln R) over the texts, nats a token. */
function unexplained(models: readonly NgramModel[], texts: readonly ScoredText[]): number {
  let sum = 0;
  let count = 0;
  for (const { tokens, probabilities } of texts) {
    for (let i = 0; i < tokens.length; i++) {
      let best = 1e-30;
      for (const model of models) {
        best = Math.max(best, model.probability(tokens, i, tokens[i] as number));
      }
      // A broken model may give NaN, which is no certainty.
      const p = Math.max(probabilities[i] || 0, 1e-30);
      sum += p * Math.max(0, Math.log(p / best));
      count += 1;
    }
  }
  return count === 0 ? 0 : sum / count;
}

/** Whether token `i` and the period before it repeat the period before that. */
function continuesLoop(tokens: ArrayLike<number>, i: number, start: number): boolean {
  for (let period = 1; period <= MAX_LOOP_PERIOD; period++) {
    if (i - 2 * period + 1 < start) return false;
    let same = true;
    for (let k = 0; k < period && same; k++) same = tokens[i - k] === tokens[i - k - period];
    if (same) return true;
  }
  return false;
}

/** Whether the pair that ends in token `i` stood in the tokens before it, as the end of a short copy only. */
function continuesName(tokens: ArrayLike<number>, i: number): boolean {
  let seen = false;
  for (let j = i - 1; j >= Math.max(1, i - COPY_REACH); j--) {
    if (tokens[j] !== tokens[i] || tokens[j - 1] !== tokens[i - 1]) continue;
    let run = 2;
    while (run <= MAX_COPIED_TOKENS && j >= run && tokens[j - run] === tokens[i - run]) run += 1;
    if (run > MAX_COPIED_TOKENS) return false;
    seen = true;
  }
  return seen;
}
