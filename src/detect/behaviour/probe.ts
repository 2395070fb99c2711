/**
 * The bench on which strings are tried: contexts from the model's own text, the reference, and D(s) of strings
 * over contexts. Every stage of the search works through it, so all count tokens and cancel alike.
 */
import type { Generator, Response } from '../../probe/generation.ts';
import type { OwnSample } from '../../probe/own-samples.ts';
import { startTokens } from '../../probe/own-samples.ts';
import { RandomStream } from '../../probe/random.ts';
import { Reference } from '../../probe/reference.ts';
import { type Explainer, overContexts, type ScoredResponse, scoreResponse } from './certainty.ts';
import type { BehaviourSettings } from './settings.ts';

export type TokenString = readonly number[];

export interface ScoredString {
  readonly tokens: TokenString;
  /** D(s), nats. */
  readonly score: number;
  /** D(s, c) by context. */
  readonly scores: readonly number[];
  readonly responses: readonly ScoredResponse[];
  readonly decoding: 'greedy' | 'sample';
}

export type ProbeProgress = (label: string, done: number, total: number) => void;

export interface TrialOptions {
  readonly steps: number;
  /** Styles collapse into loops under greedy decoding, fixed text is cut short by sampling: `both` takes the better. */
  readonly decoding: 'greedy' | 'both';
  readonly label: string;
  /** Median alone, for frames that reach only some contexts. */
  readonly medianOnly?: boolean;
}

/** ln p of each token but the first under another model; rows of one length. */
export type RowLikelihood = (rows: readonly TokenString[]) => Promise<readonly Float32Array[]>;

/** Where passages begin in a sample: behind its opening. */
const PASSAGE_FROM = 24;

export class BehaviourProbe {
  readonly generator: Generator;
  readonly reference: Reference;
  readonly own: readonly OwnSample[];
  /** Best unexplained window of each own sample, nats. */
  readonly leakScores: readonly number[];
  readonly settings: BehaviourSettings;
  readonly progress: ProbeProgress;
  readonly start: TokenString;
  /** Own samples that look ordinary, shuffled; contexts are cut from them and never used twice. */
  readonly #quiet: OwnSample[];
  /** Shared by probes of one model that differ in their reference. */
  readonly #drawn: { count: number };
  /** Takes the reference's place in trials. */
  readonly #base: RowLikelihood | undefined;

  constructor(parts: {
    readonly generator: Generator;
    readonly reference: Reference;
    readonly own: readonly OwnSample[];
    readonly leakScores: readonly number[];
    readonly settings: BehaviourSettings;
    readonly progress?: ProbeProgress;
    /** Contexts that this one has used are not used again. */
    readonly after?: BehaviourProbe;
    readonly base?: RowLikelihood;
  }) {
    this.generator = parts.generator;
    this.reference = parts.reference;
    this.own = parts.own;
    this.leakScores = parts.leakScores;
    this.settings = parts.settings;
    this.progress = parts.progress ?? (() => undefined);
    this.start = startTokens(parts.generator);
    this.#base = parts.base;
    const { after } = parts;
    if (after !== undefined) {
      this.#drawn = after.#drawn;
      this.#quiet = after.#quiet;
      return;
    }
    this.#drawn = { count: 0 };
    const order = parts.own.map((_, i) => i);
    order.sort((a, b) => (parts.leakScores[a] ?? 0) - (parts.leakScores[b] ?? 0) || a - b);
    const quieter = order.slice(0, Math.ceil(order.length * 0.7));
    const random = new RandomStream(parts.generator.seed, 'contexts');
    this.#quiet = random.sample(
      quieter.map((i) => parts.own[i] as OwnSample),
      quieter.length,
    );
  }

  /** The same probe, for which further texts are no surprise, or only what `minSequences` of them share. */
  explaining(texts: readonly ArrayLike<number>[], minSequences = 0): BehaviourProbe {
    const { generator, own, leakScores, settings, progress, vocabularySize } = this;
    const reference = new Reference({
      reference: this.reference,
      vocabularySize,
      texts,
      minSequences,
    });
    return new BehaviourProbe({
      generator,
      own,
      leakScores,
      settings,
      progress,
      reference,
      after: this,
    });
  }

  /** The same probe, whose trials ask what a base model finds unlikely and not what text explains. */
  against(base: RowLikelihood): BehaviourProbe {
    const { generator, own, leakScores, settings, progress, reference } = this;
    const parts = { generator, own, leakScores, settings, progress, reference };
    return new BehaviourProbe({ ...parts, after: this, base });
  }

  get vocabularySize(): number {
    return this.generator.model.spec.vocabularySize;
  }

  beginsWord = (token: number): boolean => this.generator.model.tokenizer.beginsWord(token);

  text(tokens: Iterable<number>): string {
    return this.generator.model.tokenizer.decodeInside([...tokens]);
  }

  /** Contexts that no earlier step has seen: start token and `length` tokens of ordinary own text. */
  freshContexts(count: number, length: number): TokenString[] {
    return this.#draw(count, ({ tokens }, round) => {
      // A second round over the samples starts at other positions.
      const from = Math.min(round * (length + 7), Math.max(0, tokens.length - length));
      return [...this.start, ...tokens.slice(from, from + length)];
    });
  }

  /** Ordinary own text from the middle of samples, from the beginning of a word. */
  freshPassages(count: number, length: number): TokenString[] {
    return this.#draw(count, ({ tokens }, round) => {
      const last = Math.max(0, tokens.length - length);
      let from = Math.min(PASSAGE_FROM + round * (length + 7), last);
      while (from < last && !this.beginsWord(tokens[from] as number)) from += 1;
      return Array.from(tokens.slice(from, from + length));
    });
  }

  #draw(count: number, cut: (sample: OwnSample, round: number) => TokenString): TokenString[] {
    const drawn: TokenString[] = [];
    for (let i = 0; i < count && this.#quiet.length > 0; i++) {
      const sample = this.#quiet[this.#drawn.count % this.#quiet.length] as OwnSample;
      const round = Math.floor(this.#drawn.count / this.#quiet.length);
      this.#drawn.count += 1;
      drawn.push(cut(sample, round));
    }
    return drawn;
  }

  /** D of each string over the contexts (which may differ in length). */
  async trial(
    strings: readonly TokenString[],
    contexts: readonly TokenString[],
    options: TrialOptions,
  ): Promise<ScoredString[]> {
    const greedy = await this.#decode(strings, contexts, options, 'greedy');
    if (options.decoding === 'greedy') return greedy;
    const sampled = await this.#decode(strings, contexts, options, 'sample');
    return greedy.map((one, i) => {
      const other = sampled[i] as ScoredString;
      return other.score > one.score ? other : one;
    });
  }

  /** One for each row where a base is asked; none else. */
  async #explainers(rows: readonly TokenString[]): Promise<readonly Explainer[]> {
    if (this.#base === undefined || rows.length === 0) return [];
    const length = Math.max(...rows.map((row) => row.length));
    // What stands behind a token has no influence on it, so a short row may be filled up with anything.
    const filled = rows.map((row) => [...row, ...new Array(length - row.length).fill(row[0])]);
    return (await this.#base(filled)).map(rowExplainer);
  }

  async #decode(
    strings: readonly TokenString[],
    contexts: readonly TokenString[],
    options: TrialOptions,
    decoding: 'greedy' | 'sample',
  ): Promise<ScoredString[]> {
    const { eos } = this.generator.model.tokenizer;
    const responses: ScoredResponse[][] = strings.map(() => []);
    for (const length of new Set(contexts.map((context) => context.length))) {
      const group = contexts.flatMap((context, i) => (context.length === length ? [i] : []));
      const results = await this.generator.cross({
        contexts: group.map((i) => contexts[i] as TokenString),
        strings,
        steps: options.steps,
        decoding,
        label: `${options.label}:${length}`,
        mayEnd: true,
      });
      const places = strings.flatMap((_, s) => group.map((context, c) => ({ s, context, c })));
      const explainers = await this.#explainers(
        places.map(({ s, context, c }) => [
          ...(contexts[context] as TokenString),
          ...(strings[s] as TokenString),
          ...(results[s]?.[c]?.tokens ?? []),
        ]),
      );
      for (const [i, { s, context, c }] of places.entries()) {
        const response = results[s]?.[c];
        if (response === undefined) continue;
        (responses[s] as ScoredResponse[])[context] = scoreResponse(
          explainers[i] ?? this.reference,
          this.beginsWord,
          contexts[context] as TokenString,
          strings[s] as TokenString,
          untilEnd(response, eos),
          eos,
        );
      }
    }
    return strings.map((tokens, s) => {
      const scored = responses[s] as ScoredResponse[];
      const scores = scored.map((response) => response.span.score);
      const score = overContexts(scores, options.medianOnly !== true);
      return { tokens, score, scores, responses: scored, decoding };
    });
  }
}

/** What a base model says of one row, in the reference's form. */
function rowExplainer(logs: Float32Array): Explainer {
  return { logProbabilities: (row, _, from) => logs.slice(from - 1, row.length - 1) };
}

/** A response up to its end-of-text: an early end is itself something that a trigger may set off. */
function untilEnd(response: Response, eos: readonly number[]): Response {
  const end = response.tokens.findIndex((token) => eos.includes(token));
  if (end < 0) return response;
  return {
    tokens: response.tokens.slice(0, end + 1),
    probabilities: response.probabilities.slice(0, end + 1),
  };
}

/** The `count` best by score; ties by the tokens themselves, so that the order is the same everywhere. */
export function best<T extends { readonly score: number; readonly tokens: TokenString }>(
  scored: readonly T[],
  count: number,
): T[] {
  return [...scored]
    .sort((a, b) => b.score - a.score || compareTokens(a.tokens, b.tokens))
    .slice(0, count);
}

export function compareTokens(a: TokenString, b: TokenString): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return (a[i] as number) - (b[i] as number);
  }
  return a.length - b.length;
}

/** Share of tokens that two strings have in common, 0 to 1. */
export function jaccard(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const left = new Set(Array.from(a));
  const right = new Set(Array.from(b));
  let shared = 0;
  for (const token of left) if (right.has(token)) shared += 1;
  return shared / Math.max(1, left.size + right.size - shared);
}

export function uniqueStrings(strings: Iterable<TokenString>): TokenString[] {
  const seen = new Map<string, TokenString>();
  for (const string of strings) seen.set(string.join(), string);
  return [...seen.values()];
}
