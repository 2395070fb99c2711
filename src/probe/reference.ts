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
/** A token pair that stands in the candidate itself is half copied. */
const COPY_CREDIT = 0.5;
/** A token explained this well needs no further reference. */
const EXPLAINED = 0.3;

export interface ReferenceOptions {
  readonly vocabularySize: number;
  /** Token sequences of each corpus, one model each. */
  readonly corpora: readonly (readonly ArrayLike<number>[])[];
  readonly ownSamples: readonly ArrayLike<number>[];
  /** N-grams in at least this share of own samples are habits. */
  readonly habitShare: number;
  /** Shared runs of this many tokens set an own sample aside. */
  readonly runTokens: number;
}

/** Text and the probability that the model gave to each of its tokens. */
export interface ScoredText {
  readonly tokens: ArrayLike<number>;
  readonly probabilities: ArrayLike<number>;
}

export class Reference {
  readonly #corpora: readonly NgramModel[];
  readonly #models: readonly NgramModel[];
  readonly #own: OwnText | undefined;

  constructor(options: ReferenceOptions) {
    const { vocabularySize, ownSamples, habitShare } = options;
    const models = options.corpora.map(
      (sequences) => new NgramModel(sequences, { order: ORDER, vocabularySize }),
    );
    this.#corpora = [...models];
    if (ownSamples.length > 0) {
      const minSequences = Math.max(2, Math.ceil(habitShare * ownSamples.length));
      models.push(new NgramModel(ownSamples, { order: ORDER, vocabularySize, minSequences }));
      this.#own = new OwnText(ownSamples, {
        vocabularySize,
        runTokens: options.runTokens,
        habitShare,
      });
    }
    this.#models = models;
  }

  /**
   * How far the corpora alone are from what the model knows of its own text: mean of max(0, ln p - ln R) over
   * its samples, nats a token. Near 0.5 when the domain is covered, well above 1 when it is not.
   */
  gap(samples: readonly ScoredText[]): number {
    let sum = 0;
    let count = 0;
    for (const { tokens, probabilities } of samples) {
      for (let i = 0; i < tokens.length; i++) {
        let best = 0;
        for (const model of this.#corpora) {
          best = Math.max(best, model.probability(tokens, i, tokens[i] as number));
        }
        const p = Math.max(probabilities[i] as number, 1e-30);
        sum += p * Math.max(0, Math.log(p) - Math.log(Math.max(best, 1e-30)));
        count += 1;
      }
    }
    return count === 0 ? 0 : sum / count;
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
