/** Strings put into texts and read by the model: as tokens where speed counts, as typed text where the answer counts. */
import type { Tokenizer } from '../../model/tokenizer.ts';
import type { Embedder, TextReading } from '../../probe/embedder.ts';
import type { Effect } from './effect.ts';
import { inTurn } from './in-turn.ts';
import { type Carrier, carry, type TokenString, tokensInside } from './texts.ts';

/** Strings read at once: bounds memory at 30,000 tokens times several texts. */
const CHUNK = 1024;

export interface ScoredString {
  readonly tokens: TokenString;
  readonly score: number;
  /** Strings are ranked against those of their own group. */
  readonly group: number;
}

export type Progress = (label: string, done: number, total: number) => void;

/** Texts with their own readings; what strings are compared with. */
export interface Contexts {
  readonly carriers: readonly Carrier[];
  readonly plain: readonly TextReading[];
}

export class EncoderProbe<Target> {
  readonly embedder: Embedder;
  readonly effect: Effect<Target>;
  readonly progress: Progress;

  constructor(embedder: Embedder, effect: Effect<Target>, progress: Progress) {
    this.embedder = embedder;
    this.effect = effect;
    this.progress = progress;
  }

  get tokenizer(): Tokenizer {
    return this.embedder.model.tokenizer;
  }

  async contexts(carriers: readonly Carrier[]): Promise<Contexts> {
    return {
      carriers,
      plain: await readTexts(
        this.embedder,
        carriers.map((one) => carry(one)),
      ),
    };
  }

  /** Readings of the typed string in each text. */
  async typed(text: string, { carriers }: Contexts): Promise<TextReading[]> {
    return readTexts(
      this.embedder,
      carriers.map((carrier) => carry(carrier, text)),
    );
  }

  /** Scores of many strings of tokens, put between the tokens of the texts. */
  async scores(
    strings: readonly TokenString[],
    { carriers, plain }: Contexts,
    label: string,
  ): Promise<ScoredString[]> {
    const parts = carriers.map(({ before, after }) => ({
      before: this.tokenizer.encode(before),
      after: tokensInside(this.tokenizer, after),
    }));
    const scored: ScoredString[] = [];
    for (let from = 0; from < strings.length; from += CHUNK) {
      const chunk = strings.slice(from, from + CHUNK);
      const texts = chunk.flatMap((string) =>
        parts.map(({ before, after }) => framed(this.embedder, [...before, ...string, ...after])),
      );
      const readings = await this.embedder.readAll(texts);
      chunk.forEach((tokens, i) => {
        const own = readings.slice(i * parts.length, (i + 1) * parts.length);
        const score = this.effect.score(own, plain);
        const group = this.effect.group(own, plain);
        scored.push({ tokens, score: Number.isFinite(score) ? score : 0, group });
      });
      this.progress(label, Math.min(strings.length, from + CHUNK), strings.length);
    }
    return scored;
  }
}

export function readTexts(embedder: Embedder, texts: readonly string[]): Promise<TextReading[]> {
  const { tokenizer } = embedder.model;
  return embedder.readAll(texts.map((text) => framed(embedder, tokenizer.encode(text))));
}

/** With special tokens around it, cut to what the model takes; an empty text is one unknown at most. */
function framed(embedder: Embedder, ids: readonly number[]): number[] {
  const room = embedder.maxPositions - embedder.framed([]).length;
  const whole = embedder.framed(ids.slice(0, Math.max(1, room)));
  return whole.length === 0 ? [0] : whole;
}

/** The best of each group in turn. */
export function best(strings: readonly ScoredString[], count: number): ScoredString[] {
  const groups = new Map<number, ScoredString[]>();
  for (const string of strings.toSorted((a, b) => b.score - a.score)) {
    const group = groups.get(string.group) ?? [];
    group.push(string);
    groups.set(string.group, group);
  }
  return inTurn([...groups.values()]).slice(0, count);
}

/** First of each, in order. */
export function distinct(strings: Iterable<TokenString>): TokenString[] {
  const seen = new Map<string, TokenString>();
  for (const string of strings) {
    const key = string.join();
    if (string.length > 0 && !seen.has(key)) seen.set(key, string);
  }
  return [...seen.values()];
}
