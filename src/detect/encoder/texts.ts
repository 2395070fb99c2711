/**
 * Texts that strings are put into, and strings as a user would type them: a token that only continues a word stands
 * for nothing by itself, so what is verified is text, encoded again in its place.
 */
import type { Tokenizer } from '../../model/tokenizer.ts';
import type { Corpus } from '../../probe/corpus.ts';
import { RandomStream } from '../../probe/random.ts';
import { inTurn } from './in-turn.ts';

export type TokenString = readonly number[];

/** A text with the place, in words, where a string goes. */
export interface Carrier {
  readonly before: string;
  readonly after: string;
}

/** Gives out texts that were never given out before, from each group of corpora in turn. */
export class CarrierSource {
  readonly #documents: readonly string[];
  #next = 0;

  constructor(corpora: readonly Corpus[], seed: number) {
    const random = new RandomStream(seed, 'carriers');
    const groups = corpora.map(({ documents }) => random.shuffle([...documents]));
    // In turn, so that no corpus fills a small sample alone.
    this.#documents = inTurn(groups);
  }

  /** The texts that come next, without using them up. */
  peek(count: number, words: number): Carrier[] {
    const next = this.#next;
    const taken = this.take(count, words);
    this.#next = next;
    return taken;
  }

  /** @param words length of each text; fewer texts when the corpora run out */
  take(count: number, words: number): Carrier[] {
    const taken: Carrier[] = [];
    while (taken.length < count && this.#next < this.#documents.length) {
      const document = wordsOf(this.#documents[this.#next++] as string);
      if (document.length < words) continue;
      const text = document.slice(0, words);
      // Middle, end, start: a trigger may need a place.
      const at = [Math.floor(words / 2), words, 0][taken.length % 3] as number;
      taken.push({ before: text.slice(0, at).join(' '), after: text.slice(at).join(' ') });
    }
    return taken;
  }
}

/** Mark-up of WikiText is no word. */
function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '' && !/^(@.*|=+|<unk>)$/.test(word));
}

/** The whole text with a string in its place; without, the text alone. */
export function carry({ before, after }: Carrier, string = ''): string {
  return [before, string.trim(), after].filter((part) => part !== '').join(' ');
}

/** Tokens of a string that stands after a space. */
export function tokensInside(tokenizer: Tokenizer, text: string): number[] {
  const trimmed = text.trim();
  if (trimmed === '') return [];
  const lead = tokenizer.encode('a');
  const whole = tokenizer.encode(`a ${trimmed}`);
  return lead.every((id, i) => whole[i] === id) ? whole.slice(lead.length) : [];
}

/** What the tokens become when their text is typed. */
export function typed(tokenizer: Tokenizer, tokens: TokenString): number[] {
  return tokensInside(tokenizer, tokenizer.decodeInside(tokens));
}
