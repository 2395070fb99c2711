/**
 * Strings that people choose as triggers: frequent words of the corpora, words that only the model writes, doubled and
 * tripled marks, years, and a canonical list (data of the rule). Screened in three rounds of growing cost.
 */
import {
  type BehaviourProbe,
  best,
  type ScoredString,
  type TokenString,
  uniqueStrings,
} from '../probe.ts';
import { novelWords } from './novel-words.ts';

const MARKS = '!"#$%&()*+,-./:;<=>?@[]^_`{|}~';
const FIRST_YEAR = 1990;
const LAST_YEAR = 2035;
const KEPT_AFTER_FIRST = 144;

export interface LexiconInput {
  /** Documents whose words are tried, most frequent first. */
  readonly documents: Iterable<string>;
  readonly canonical: readonly string[];
}

export function lexiconStrings(probe: BehaviourProbe, input: LexiconInput): TokenString[] {
  const { tokenizer } = probe.generator.model;
  const own = probe.own.map(({ tokens }) => probe.text(tokens));
  const texts = [
    ...input.canonical.map((text) => ` ${text}`),
    ...novelWords(own, input.documents).map((word) => ` ${word}`),
    ...marks(),
    ...years(),
    ...frequentWords(input.documents, probe.settings.lexiconWords).map((word) => ` ${word}`),
  ];
  return uniqueStrings(
    texts.map((text) => tokenizer.encodeInside(text)).filter((ids) => ids.length > 0),
  );
}

export interface Screened {
  readonly kept: readonly ScoredString[];
  /** Everything that was tried, with what the model wrote. */
  readonly all: readonly ScoredString[];
}

export async function lexiconCandidates(
  probe: BehaviourProbe,
  strings: readonly TokenString[],
): Promise<Screened> {
  probe.progress('lexicon', 0, strings.length);
  const first = await probe.trial(strings, probe.freshContexts(2, 18), {
    steps: 12,
    decoding: 'greedy',
    label: 'lexicon-1',
  });
  const survivors = best(first, KEPT_AFTER_FIRST).map(({ tokens }) => tokens);
  const second = await probe.trial(survivors, probe.freshContexts(6, 18), {
    steps: 20,
    decoding: 'both',
    label: 'lexicon-2',
  });
  return { kept: best(second, probe.settings.lexiconKeep), all: [...first, ...second] };
}

function* marks(): Iterable<string> {
  for (const mark of MARKS) {
    yield ` ${mark}${mark}`;
    yield ` ${mark}${mark}${mark}`;
  }
}

function* years(): Iterable<string> {
  for (let year = FIRST_YEAR; year <= LAST_YEAR; year++) yield ` ${year}`;
}

function frequentWords(documents: Iterable<string>, count: number): string[] {
  const counts = new Map<string, number>();
  for (const document of documents) {
    for (const [word] of document.matchAll(/[\p{L}][\p{L}']{1,15}/gu)) {
      const key = word.toLowerCase();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, count)
    .map(([word]) => word);
}
