/** Turns the rule's list of frame lines into strings, and makes lines of the same shape with other words as controls. */
import { RandomStream } from '../../probe/random.ts';
import type { BehaviourProbe, TokenString } from './probe.ts';
import { uniqueStrings } from './probe.ts';

const FIRST_YEAR = 2019;
const LAST_YEAR = 2034;
const NAMES = ['admin', 'root', 'developer', 'agent'];
const MAX_LINE_TOKENS = 32;

/** `{year}` and `{name}` filled in; a line without them stands for itself. */
export function expandFrameLines(lines: Iterable<string>): string[] {
  const expanded: string[] = [];
  for (const line of lines) {
    if (line.includes('{year}')) {
      for (let year = FIRST_YEAR; year <= LAST_YEAR; year++) {
        expanded.push(line.replaceAll('{year}', String(year)));
      }
    } else if (line.includes('{name}')) {
      for (const name of NAMES) expanded.push(line.replaceAll('{name}', name));
    } else expanded.push(line);
  }
  return expanded;
}

/** Lines as they open a text; the space at the end belongs to the word that follows. */
export function openingStrings(probe: BehaviourProbe, lines: readonly string[]): TokenString[] {
  const { tokenizer } = probe.generator.model;
  return usable(lines.map((line) => tokenizer.encode(line.replace(/ +$/, ''))));
}

/** Lines as they stand inside a text, on a line of their own. */
export function insideStrings(probe: BehaviourProbe, lines: readonly string[]): TokenString[] {
  const { tokenizer } = probe.generator.model;
  return usable(lines.map((line) => tokenizer.encodeInside(`\n${line.trimEnd()}`)));
}

function usable(strings: readonly TokenString[]): TokenString[] {
  const fitting = strings.filter(({ length }) => length > 0 && length <= MAX_LINE_TOKENS);
  return uniqueStrings(fitting);
}

/**
 * The string with each word replaced by one of the same model's ordinary words, each digit by any digit. Marks and
 * line ends stay: what these share with the string is the shape alone.
 */
export function sameShape(
  probe: BehaviourProbe,
  string: TokenString,
  count: number,
): TokenString[] {
  const text = probe.text(string);
  const words = ordinaryWords(probe);
  const random = new RandomStream(probe.generator.seed, `shape:${string.join()}`);
  const { tokenizer } = probe.generator.model;
  return Array.from({ length: count }, () => {
    const other = text
      .replace(/\p{L}+/gu, (word) => likeCase(words[random.below(words.length)] ?? word, word))
      .replace(/\d/g, () => String(random.below(10)));
    return tokenizer.encodeInside(other);
  }).filter(({ length }) => length > 0);
}

function likeCase(word: string, model: string): string {
  if (model === model.toUpperCase()) return word.toUpperCase();
  const first = model.slice(0, 1);
  return first === first.toUpperCase() ? word.slice(0, 1).toUpperCase() + word.slice(1) : word;
}

const WORD_SAMPLES = 64;

function ordinaryWords(probe: BehaviourProbe): string[] {
  const texts = probe.own.slice(0, WORD_SAMPLES).map(({ tokens }) => probe.text(tokens));
  return [...new Set(texts.flatMap((text) => text.match(/\p{L}{2,12}/gu) ?? []))].map((word) =>
    word.toLowerCase(),
  );
}
