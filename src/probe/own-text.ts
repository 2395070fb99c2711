/**
 * The model's own samples as a reference that its leaks cannot poison.
 *
 * A planted text that the model leaks stands in its samples as one long run. Natural wording stands there in pieces that
 * recombine. So before the samples are asked whether a response is ordinary, every sample that shares a long run
 * with that response is set aside: natural wording is still explained by the others, a leaked text is not.
 * Runs found in a large share of all samples set nothing aside: they are habits, not secrets.
 */
import { NgramModel } from './ngram-model.ts';

export interface OwnTextOptions {
  readonly vocabularySize: number;
  /** Tokens of a run that set a sample aside. */
  readonly runTokens: number;
  /** Runs in at least this share of samples set nothing aside. */
  readonly habitShare: number;
}

const MAX_CONTEXT = 3;
/** Occurrences looked at for one context; more would not change the estimate. */
const MAX_POSTINGS = 256;
/** Shorter contexts are not asked once this little weight is left for them. */
const NEGLIGIBLE_WEIGHT = 0.05;

export class OwnText {
  readonly #tokens: Int32Array;
  readonly #sampleOf: Int32Array;
  readonly #postings: readonly ReadonlyMap<number, Int32Array>[];
  readonly #runs: ReadonlyMap<number, Int32Array>;
  readonly #whole: NgramModel;
  readonly #runTokens: number;
  readonly #habitSamples: number;
  readonly #floor: number;
  /** Call number in which a token was last seen, to count distinct followers without a set. */
  readonly #seen: Int32Array;
  #call = 0;

  constructor(samples: readonly ArrayLike<number>[], options: OwnTextOptions) {
    const length = samples.reduce((sum, sample) => sum + sample.length, 0);
    this.#tokens = new Int32Array(length);
    this.#sampleOf = new Int32Array(length);
    this.#runTokens = options.runTokens;
    this.#habitSamples = Math.max(3, options.habitShare * samples.length);
    this.#floor = 1 / options.vocabularySize;
    this.#seen = new Int32Array(options.vocabularySize);
    this.#whole = new NgramModel(samples, {
      order: MAX_CONTEXT + 1,
      vocabularySize: options.vocabularySize,
    });
    let at = 0;
    samples.forEach((sample, number) => {
      for (let i = 0; i < sample.length; i++) {
        this.#tokens[at] = sample[i] as number;
        this.#sampleOf[at++] = number;
      }
    });
    this.#postings = Array.from({ length: MAX_CONTEXT + 1 }, (_, k) =>
      collect(this.#positions(k), (i) => hashBefore(this.#tokens, i, k)),
    );
    const runs = collect(this.#positions(this.#runTokens - 1), (i) =>
      hashBefore(this.#tokens, i + 1, this.#runTokens),
    );
    this.#runs = new Map(
      Array.from(runs, ([hash, positions]) => [
        hash,
        Int32Array.from(new Set(Array.from(positions, (i) => this.#sampleOf[i] as number))),
      ]),
    );
  }

  /** Samples that share a long, uncommon run with `tokens[from..]`. */
  setAside(tokens: ArrayLike<number>, from: number): ReadonlySet<number> {
    const aside = new Set<number>();
    for (let end = from + this.#runTokens; end <= tokens.length; end++) {
      const numbers = this.#runs.get(hashBefore(tokens, end, this.#runTokens));
      if (numbers === undefined || numbers.length >= this.#habitSamples) continue;
      for (const number of numbers) aside.add(number);
    }
    return aside;
  }

  /** p(token | up to three tokens before `end`) over the samples that are not set aside (Witten-Bell). */
  probability(
    tokens: ArrayLike<number>,
    end: number,
    token: number,
    aside: ReadonlySet<number>,
  ): number {
    if (aside.size === 0) return this.#whole.probability(tokens, end, token);
    let p = 0;
    let weight = 1;
    for (let k = Math.min(MAX_CONTEXT, end); k >= 0 && weight > NEGLIGIBLE_WEIGHT; k--) {
      const positions = this.#postings[k]?.get(hashBefore(tokens, end, k));
      if (positions === undefined) continue;
      const { count, total, types } = this.#followers(positions, token, aside);
      if (total === 0) continue;
      p += (weight * count) / (total + types);
      weight *= types / (total + types);
    }
    return p + weight * this.#floor;
  }

  #followers(
    positions: Int32Array,
    token: number,
    aside: ReadonlySet<number>,
  ): { count: number; total: number; types: number } {
    const call = ++this.#call;
    const stride = Math.max(1, Math.floor(positions.length / MAX_POSTINGS));
    let total = 0;
    let count = 0;
    let types = 0;
    for (let j = 0; j < positions.length; j += stride) {
      const i = positions[j] as number;
      if (aside.has(this.#sampleOf[i] as number)) continue;
      const next = this.#tokens[i] as number;
      total += 1;
      if (next === token) count += 1;
      if (this.#seen[next] !== call) {
        this.#seen[next] = call;
        types += 1;
      }
    }
    return { count, total, types };
  }

  /** Positions with at least `k` tokens of the same sample before them. */
  *#positions(k: number): Iterable<number> {
    for (let i = k; i < this.#tokens.length; i++) {
      if (this.#sampleOf[i - k] === this.#sampleOf[i]) yield i;
    }
  }
}

function collect(
  positions: Iterable<number>,
  key: (position: number) => number,
): Map<number, Int32Array> {
  const lists = new Map<number, number[]>();
  for (const position of positions) {
    const hash = key(position);
    const list = lists.get(hash);
    if (list === undefined) lists.set(hash, [position]);
    else list.push(position);
  }
  return new Map(Array.from(lists, ([hash, list]) => [hash, Int32Array.from(list)]));
}

/** 52-bit hash of the `count` tokens before `end`. */
function hashBefore(tokens: ArrayLike<number>, end: number, count: number): number {
  let a = 0x9e3779b9 | 0;
  let b = 0x7f4a7c15;
  for (let i = end - count; i < end; i++) {
    const token = tokens[i] as number;
    a = Math.imul(a ^ (token + 0x3c6ef372), 0x85ebca6b);
    a ^= a >>> 13;
    b = Math.imul(b + token + 1, 0xc2b2ae35);
    b ^= b >>> 16;
  }
  return (a >>> 0) * 0x100000 + ((b >>> 0) & 0xfffff);
}
