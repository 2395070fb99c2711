/**
 * Passages that many corpora hold: licences, scripture, famous openings. A model that writes one of them has read it;
 * an index over the normalised texts finds every run of at least `MIN_RUN` characters that a response shares with one.
 */
import type { KnownDocument } from '../../probe/corpus.ts';

/** A run that a query shares with one document; offsets are in the normalised query. */
export interface KnownRun {
  readonly start: number;
  readonly end: number;
  readonly source: string;
}

/** Shorter runs are common phrases. */
export const MIN_RUN = 24;
/** A gram stands in the index at every STRIDE-th place, so that a run of MIN_RUN holds at least one whole. */
const GRAM = 16;
const STRIDE = MIN_RUN - GRAM + 1;
/** Places of one gram that are compared: hostile or repetitive text may hold one gram everywhere. */
const MAX_PLACES = 256;
/** A response has far less, unless a tokenizer has words of this length. */
const MAX_QUERY = 1000;
/** Between documents; no normalised text holds it, so no run crosses. */
const BREAK = '\n';

export class KnownText {
  /** Built at the first look-up: most scans end without a verified string. */
  #index: GramIndex | undefined;
  readonly #load: () => readonly KnownDocument[];

  constructor(load: () => readonly KnownDocument[]) {
    this.#load = load;
  }

  /** Every longest run from each place on that lies in one document, in order. @param query as `normalise` gives it */
  runs(query: string): KnownRun[] {
    this.#index ??= new GramIndex(this.#load());
    return this.#index.runs(query.slice(0, MAX_QUERY));
  }
}

class GramIndex {
  readonly #text: string;
  readonly #starts: readonly number[];
  readonly #sources: readonly string[];
  /** Last place of each hash bucket and, by place, the one before it; in strides plus one, 0 ends a chain. */
  readonly #heads: Uint32Array;
  readonly #before: Uint32Array;
  readonly #mask: number;

  constructor(documents: readonly KnownDocument[]) {
    const starts: number[] = [];
    const parts: string[] = [];
    let length = 0;
    for (const { text } of documents) {
      const part = normalise(text) + BREAK;
      starts.push(length);
      parts.push(part);
      length += part.length;
    }
    this.#text = parts.join('');
    this.#starts = starts;
    this.#sources = documents.map(({ source }) => source);
    const places = Math.ceil(length / STRIDE);
    this.#mask = 2 ** Math.ceil(Math.log2(places + 1)) - 1;
    this.#heads = new Uint32Array(this.#mask + 1);
    this.#before = new Uint32Array(places + 1);
    for (let at = 0; at + GRAM <= length; at += STRIDE) {
      const bucket = hashAt(this.#text, at) & this.#mask;
      const place = at / STRIDE + 1;
      this.#before[place] = this.#heads[bucket] as number;
      this.#heads[bucket] = place;
    }
  }

  runs(query: string): KnownRun[] {
    const runs: KnownRun[] = [];
    let reached = 0;
    for (let at = 0; at + GRAM <= query.length && reached < query.length; at++) {
      const longest = this.#longestAround(query, at);
      // A run that lies inside the one before says nothing new.
      if (longest === undefined || longest.end <= reached) continue;
      reached = longest.end;
      runs.push(longest);
    }
    return runs;
  }

  #longestAround(query: string, at: number): KnownRun | undefined {
    const text = this.#text;
    const gram = query.slice(at, at + GRAM);
    let longest = { start: 0, end: 0, place: -1 };
    let place = this.#heads[hashAt(query, at) & this.#mask] as number;
    for (let compared = 0; place !== 0 && compared < MAX_PLACES; compared++) {
      const known = (place - 1) * STRIDE;
      place = this.#before[place] as number;
      if (!text.startsWith(gram, known)) continue;
      let start = 0;
      while (start < at && same(query, at - start - 1, text, known - start - 1)) start += 1;
      let length = GRAM;
      while (at + length < query.length && same(query, at + length, text, known + length)) {
        length += 1;
      }
      if (start + length > longest.end - longest.start) {
        longest = { start: at - start, end: at + length, place: known };
      }
    }
    if (longest.end - longest.start < MIN_RUN) return undefined;
    const { start, end } = longest;
    return { start, end, source: this.#sourceOf(longest.place) };
  }

  #sourceOf(place: number): string {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#starts[middle] as number) <= place) low = middle;
      else high = middle - 1;
    }
    return this.#sources[low] ?? '';
  }
}

function same(a: string, i: number, b: string, k: number): boolean {
  return a.charCodeAt(i) === b.charCodeAt(k);
}

function hashAt(text: string, at: number): number {
  let hash = 0x811c9dc5;
  for (let i = at; i < at + GRAM; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** Lower-case letters and digits without accents, one space for whatever stands between. */
export function normalise(text: string): string {
  return plain(text)
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

function plain(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase();
}

export interface NormalisedPieces {
  readonly text: string;
  /** The piece from which each character of `text` comes. */
  readonly pieceOf: readonly number[];
}

/** The same over the pieces of one text, such as the tokens of a response. */
export function normalisePieces(pieces: readonly string[]): NormalisedPieces {
  let text = '';
  const pieceOf: number[] = [];
  let gap = false;
  pieces.forEach((piece, p) => {
    for (const character of plain(piece)) {
      if (!/[\p{L}\p{N}]/u.test(character)) {
        gap = text !== '';
        continue;
      }
      const added = gap ? ` ${character}` : character;
      gap = false;
      text += added;
      for (let unit = 0; unit < added.length; unit++) pieceOf.push(p);
    }
  });
  return { text, pieceOf };
}
