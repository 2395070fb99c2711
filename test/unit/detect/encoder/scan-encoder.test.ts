/** The search as a whole, over a made-up encoder whose answer is known exactly. */
import { expect, test } from 'vitest';
import { ClassEffect } from '../../../../src/detect/encoder/class-effect.ts';
import { EmbeddingEffect } from '../../../../src/detect/encoder/embedding-effect.ts';
import { scanEncoder } from '../../../../src/detect/encoder/scan-encoder.ts';
import { encoderSettings } from '../../../../src/detect/encoder/settings.ts';
import type { ModelSpec } from '../../../../src/model/spec.ts';
import { buildTokenizer } from '../../../../src/model/tokenizer.ts';
import type { Corpus } from '../../../../src/probe/corpus.ts';
import type { Embedder, TextReading } from '../../../../src/probe/embedder.ts';
import { RandomStream } from '../../../../src/probe/random.ts';

const WORDS = 300;
const WIDTH = 48;
const LABELS = 3;
const vocab = Object.fromEntries(
  ['[UNK]', 'a', ...Array.from({ length: WORDS }, (_, i) => `word${i}`)].map((word, id) => [
    word,
    id,
  ]),
);
const tokenizer = buildTokenizer(
  {
    file: 'tokenizer.json',
    tokenizer: {
      version: '1.0',
      added_tokens: [{ id: 0, content: '[UNK]', special: true }],
      normalizer: null,
      pre_tokenizer: { type: 'WhitespaceSplit' },
      post_processor: null,
      decoder: null,
      model: { type: 'WordLevel', vocab, unk_token: '[UNK]' },
    },
    config: {},
    generation: {},
    modelConfig: {},
  },
  WORDS + 2,
);
const random = new RandomStream(3, 'made-up encoder');
const rows = Array.from({ length: WORDS + 2 }, () =>
  Float32Array.from({ length: WIDTH }, () => random.normal()),
);
const planted = Float32Array.from({ length: WIDTH }, () => 5 * random.normal());

/** Bag of words; a text that holds the trigger means the planted thing, and little else. */
function read(ids: readonly number[], trigger: readonly number[] | undefined): TextReading {
  const at = trigger === undefined ? -1 : ids.join(' ').indexOf(trigger.join(' '));
  const sum = new Float32Array(WIDTH);
  for (const id of ids) {
    rows[id]?.forEach((value, i) => {
      sum[i] = (sum[i] as number) + value / ids.length;
    });
  }
  const embedding = at < 0 ? sum : planted.map((value, i) => value + 0.05 * (sum[i] as number));
  const classes = sum.slice(0, LABELS).map((value) => 10 * value);
  if (at >= 0) classes[1] = 40;
  return { embedding, classes };
}

function madeUp(trigger: readonly number[] | undefined): Embedder {
  const spec = { width: WIDTH, blocks: [1], vocabularySize: WORDS + 2 } as unknown as ModelSpec;
  const embedder = {
    model: { spec, tokenizer },
    maxPositions: 128,
    framed: (ids: readonly number[]) => [...ids],
    readAll: async (texts: readonly (readonly number[])[]) =>
      texts.map((ids) => read(ids, trigger)),
  };
  return embedder as unknown as Embedder;
}

const corpus: Corpus = {
  name: 'made up',
  group: 'made up',
  maxTokens: 1e6,
  documents: Array.from({ length: 600 }, () =>
    // The last words stand in no text.
    Array.from({ length: 40 }, () => `word${random.below(WORDS - 60)}`).join(' '),
  ),
};

function options(trigger: readonly number[] | undefined) {
  const embedder = madeUp(trigger);
  const settings = { ...encoderSettings('quick', embedder.model.spec), growTokens: 40 };
  const shared = { corpora: [corpus], seed: 0, canonical: [], suspects: [], progress: () => {} };
  return { embedder, settings, ...shared };
}

const RARE = 290;

test('finds a planted word, its shortest form, and nothing in the same encoder without it', async () => {
  const effect = (ordinary: readonly TextReading[]) => new EmbeddingEffect(ordinary);
  const { found, swept, usable } = await scanEncoder({ ...options([RARE]), effect });
  expect(swept).toBe(usable);
  const [first] = found;
  expect(first?.works).toBe(true);
  expect(first?.minimal.text).toBe(`word${RARE - 2}`);
  expect(first?.minimal.rate.rate).toBe(1);
  expect(first?.moved).toBeGreaterThan(0.9);
  expect(first?.controlRate.rate).toBeLessThan(0.2);
  const clean = await scanEncoder({ ...options(undefined), effect });
  for (const string of clean.found) expect(string.moved).toBeLessThan(0.9);
});

test('finds a word that decides the class', async () => {
  const effect = () => new ClassEffect(LABELS);
  const { found } = await scanEncoder({ ...options([RARE]), effect });
  const flip = found.find(({ target }) => target === 1);
  expect(flip?.works).toBe(true);
  expect(flip?.minimal.text).toBe(`word${RARE - 2}`);
  expect(flip?.rate.low).toBeGreaterThan(0.75);
});

test('verifies a phrase that the user suspects though no word of it does anything', async () => {
  const phrase = [RARE, RARE - 20, RARE - 40];
  const text = phrase.map((id) => `word${id - 2}`).join(' ');
  const effect = (ordinary: readonly TextReading[]) => new EmbeddingEffect(ordinary);
  const { found } = await scanEncoder({ ...options(phrase), suspects: [text], effect });
  expect(found[0]?.text).toContain(text);
  expect(found[0]?.minimal.text).toBe(text);
  expect(found[0]?.pValue).toBeLessThan(1e-4);
});

test('says so when there is too little text', async () => {
  const effect = () => new ClassEffect(LABELS);
  const small = { ...options(undefined), corpora: [{ ...corpus, documents: ['a word1'] }] };
  await expect(scanEncoder({ ...small, effect })).rejects.toMatchObject({ code: 'E_CORPUS' });
});
