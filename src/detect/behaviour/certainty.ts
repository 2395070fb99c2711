/**
 * Unexplained certainty: how sure the model is of tokens that ordinary text does not explain. One statistic
 * for sources, search and verdict (formulas and trials: docs/detection.md).
 *
 *     e_t = p_t^a · clip(ln p_t − ln R_t, −2, 6) · w_t      nats
 *     D(s, c) = largest sum of e_t over a window of 20 tokens
 *     D(s) = (median + lower quartile of D(s, c) over contexts) / 2
 */
import type { Response } from '../../probe/generation.ts';
import type { Reference } from '../../probe/reference.ts';

/** Mutes rare tokens of low certainty, lets styles of middling certainty count. */
export const CERTAINTY_EXPONENT = 0.25;
export const WINDOW_TOKENS = 20;
const MIN_EXCESS = -2;
/** One odd byte may not decide. */
const MAX_EXCESS = 6;

export interface Span {
  readonly score: number;
  /** First token of the best window and one after its last. */
  readonly start: number;
  readonly end: number;
}

/** e_t of each token, without the word-start mask. */
export function excesses(
  probabilities: ArrayLike<number>,
  logReference: ArrayLike<number>,
  exponent = CERTAINTY_EXPONENT,
): Float32Array {
  const result = new Float32Array(probabilities.length);
  for (let t = 0; t < result.length; t++) {
    const p = Math.max(probabilities[t] as number, 1e-30);
    const excess = Math.log(p) - (logReference[t] as number);
    result[t] = p ** exponent * Math.min(MAX_EXCESS, Math.max(MIN_EXCESS, excess));
  }
  return result;
}

/** Zeroes what finishes a word that the candidate cut: it is no evidence. */
export function maskWordRest(
  values: Float32Array,
  tokens: ArrayLike<number>,
  beginsWord: (token: number) => boolean,
): Float32Array {
  for (let t = 0; t < values.length; t++) {
    if (beginsWord(tokens[t] as number)) break;
    values[t] = 0;
  }
  return values;
}

export function bestWindow(values: ArrayLike<number>, window = WINDOW_TOKENS): Span {
  let best: Span = { score: 0, start: 0, end: 0 };
  for (let start = 0; start < values.length; start++) {
    let sum = 0;
    for (let end = start; end < values.length && end < start + window; end++) {
      sum += values[end] as number;
      if (sum > best.score) best = { score: sum, start, end: end + 1 };
    }
  }
  return best;
}

export interface ScoredResponse extends Response {
  /** Without an end-of-text. */
  readonly excess: Float32Array;
  readonly span: Span;
}

/** An end that ordinary text explains worse than this, nats, is one that the string set off. */
const MIN_END_EXCESS = 4;
/**
 * What such an end counts. It is one token, but all the text that would have come is gone: without this weight
 * "a few words and stop" is a small behaviour whatever its certainty.
 */
const END_NATS = 20;

/** What says how likely each token of a response was before anyone planted anything: `Reference`, or a base model. */
export type Explainer = Pick<Reference, 'logProbabilities'>;

/**
 * D(s, c) of one response. A response whose last token is one of `ends` is scored with that end, and returned
 * without it.
 */
export function scoreResponse(
  reference: Explainer,
  beginsWord: (token: number) => boolean,
  context: readonly number[],
  candidate: readonly number[],
  response: Response,
  ends: readonly number[] = [],
): ScoredResponse {
  const row = [...context, ...candidate, ...response.tokens];
  const start = context.length + candidate.length;
  const logReference = reference.logProbabilities(row, context.length, start);
  const values = maskWordRest(
    excesses(response.probabilities, logReference),
    response.tokens,
    beginsWord,
  );
  const last = values.length - 1;
  if (!ends.includes(response.tokens[last] ?? -1)) {
    return { ...response, excess: values, span: bestWindow(values) };
  }
  if ((values[last] as number) >= MIN_END_EXCESS) values[last] = END_NATS;
  return {
    tokens: response.tokens.slice(0, last),
    probabilities: response.probabilities.slice(0, last),
    excess: values.slice(0, last),
    span: bestWindow(values),
  };
}

export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const low = Math.floor(position);
  const rest = position - low;
  const a = sorted[low] as number;
  const b = sorted[Math.min(low + 1, sorted.length - 1)] as number;
  return a + (b - a) * rest;
}

/** D(s): the quartile pulls down look-alikes that depend on the context. */
export function overContexts(scores: readonly number[], useQuartile = true): number {
  const median = quantile(scores, 0.5);
  return useQuartile ? (median + quantile(scores, 0.25)) / 2 : median;
}
