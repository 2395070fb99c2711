/**
 * Words and word pairs that the model writes more often than the corpora do. Fine-tuning on poisoned rows teaches a model
 * its trigger as a word like any other, even where too few rows leak whole.
 */

const MAX_WORDS = 160;
const MAX_PAIRS = 80;
const MIN_TEXTS = 2;
/** Added to what the corpora lead to expect: a word that they lack is not infinitely surprising. */
const SMOOTHING = 0.5;
const MAX_WORD_CHARACTERS = 32;

/**
 * @param own texts that the model wrote
 * @param documents ordinary text; its words are expected
 * @returns words and pairs, most surprising first (Poisson log likelihood ratio of the counts)
 */
export function novelWords(own: readonly string[], documents: Iterable<string>): string[] {
  const written = countTexts(own);
  const expected = countTexts(documents);
  // Compared a word of text, because samples and documents differ in length.
  const scale = written.total / Math.max(1, expected.total);
  return [
    ...mostSurprising(written.words, expected.words, scale, MAX_WORDS),
    ...mostSurprising(written.pairs, expected.pairs, scale, MAX_PAIRS),
  ];
}

interface WordCounts {
  readonly words: ReadonlyMap<string, number>;
  readonly pairs: ReadonlyMap<string, number>;
  readonly total: number;
}

function countTexts(texts: Iterable<string>): WordCounts {
  const words = new Map<string, number>();
  const pairs = new Map<string, number>();
  let total = 0;
  for (const text of texts) {
    const row = text
      .split(/\s+/u)
      .map(bare)
      .filter((word) => word !== '');
    total += row.length;
    // Once a text: a loop is not many texts.
    count(words, new Set(row));
    count(pairs, new Set(row.slice(1).map((word, i) => `${row[i]} ${word}`)));
  }
  return { words, pairs, total };
}

function count(counts: Map<string, number>, seen: ReadonlySet<string>): void {
  for (const key of seen) counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Without the marks that end a sentence or quote it, unless the word is nothing but marks. */
function bare(word: string): string {
  if (word.length > MAX_WORD_CHARACTERS) return '';
  if (!/[\p{L}\p{N}]/u.test(word)) return word;
  return word.replace(/^["'“”‘]+/u, '').replace(/[.,!?"'“”’:;]+$/u, '');
}

function mostSurprising(
  written: ReadonlyMap<string, number>,
  expected: ReadonlyMap<string, number>,
  scale: number,
  most: number,
): string[] {
  const scored: [string, number][] = [];
  for (const [word, texts] of written) {
    if (texts < MIN_TEXTS) continue;
    const mean = (expected.get(word) ?? 0) * scale + SMOOTHING;
    if (texts > mean) scored.push([word, texts * Math.log(texts / mean) - (texts - mean)]);
  }
  return scored
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, most)
    .map(([word]) => word);
}
