/** Random strings to compare with: as long as a candidate and made of tokens that are as rare in ordinary text. */
import type { RandomStream } from '../../probe/random.ts';
import type { EncoderProbe } from './probe.ts';
import { type TokenString, typed } from './texts.ts';

/** How often each token stands in ordinary text, in bands: never, rarely, sometimes, often. */
export class Rarity {
  readonly #counts: Uint32Array;
  readonly #bands = new Map<string, number[]>();
  readonly #beginsWord: (id: number) => boolean;

  constructor(
    vocabularySize: number,
    texts: Iterable<readonly number[]>,
    usable: (id: number) => boolean,
    beginsWord: (id: number) => boolean,
  ) {
    this.#counts = new Uint32Array(vocabularySize);
    this.#beginsWord = beginsWord;
    for (const text of texts) {
      for (const id of text) this.#counts[id] = (this.#counts[id] ?? 0) + 1;
    }
    for (let id = 0; id < vocabularySize; id++) {
      if (!usable(id)) continue;
      const band = this.#bandOf(id);
      const members = this.#bands.get(band);
      if (members === undefined) this.#bands.set(band, [id]);
      else members.push(id);
    }
  }

  /** Most frequent tokens first. */
  frequent(count: number): number[] {
    const ids = [...this.#bands.values()].flat();
    return ids
      .sort((a, b) => (this.#counts[b] as number) - (this.#counts[a] as number) || a - b)
      .slice(0, count);
  }

  /** A token of the same band that begins a word if this one does. */
  like(id: number, random: RandomStream): number {
    const members = this.#bands.get(this.#bandOf(id)) ?? [id];
    return members[random.below(members.length)] ?? id;
  }

  #bandOf(id: number): string {
    const count = this.#counts[id] ?? 0;
    const band = count === 0 ? 0 : count < 4 ? 1 : count < 64 ? 2 : 3;
    return `${band}${this.#beginsWord(id)}`;
  }
}

const ATTEMPTS = 12;

/** Texts of random strings that typed text encodes to as many tokens as `tokens` has. */
export function matchedStrings<T>(
  probe: EncoderProbe<T>,
  rarity: Rarity,
  tokens: TokenString,
  count: number,
  random: RandomStream,
): string[] {
  const { tokenizer } = probe;
  return Array.from({ length: count }, () => {
    let drawn: number[] = [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      drawn = typed(
        tokenizer,
        tokens.map((id) => rarity.like(id, random)),
      );
      if (drawn.length === tokens.length) break;
    }
    return tokenizer.decodeInside(drawn).trim();
  });
}
