import { expect, test } from 'vitest';
import { buildTokenizer } from '../../../src/model/tokenizer.ts';

const vocab = { '[PAD]': 0, '[CLS]': 1, '[SEP]': 2, '[UNK]': 3, a: 4, b: 5 };
const special = (id: number, content: string) => ({
  id,
  content,
  special: true,
  normalized: false,
});

function tokenizer(changes: Record<string, unknown>, rows = 6) {
  const parsed = {
    version: '1.0',
    added_tokens: [special(0, '[PAD]'), special(1, '[CLS]'), special(2, '[SEP]')],
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: null,
    decoder: null,
    model: { type: 'WordLevel', vocab, unk_token: '[UNK]' },
    ...changes,
  };
  return buildTokenizer(
    { file: 'tokenizer.json', tokenizer: parsed, config: {}, generation: {}, modelConfig: {} },
    rows,
  );
}

const around = {
  type: 'TemplateProcessing',
  single: [
    { SpecialToken: { id: '[CLS]', type_id: 0 } },
    { Sequence: { id: 'A', type_id: 0 } },
    { SpecialToken: { id: '[SEP]', type_id: 0 } },
  ],
  pair: [],
  special_tokens: {
    '[CLS]': { id: '[CLS]', ids: [1], tokens: ['[CLS]'] },
    '[SEP]': { id: '[SEP]', ids: [2], tokens: ['[SEP]'] },
  },
};

test('the frame is what the tokenizer puts around a text', () => {
  expect(tokenizer({ post_processor: around }).frame).toEqual({ before: [1], after: [2] });
  expect(tokenizer({}).frame).toEqual({ before: [], after: [] });
});

test('an added token with a wild id is left out', () => {
  const wild = [-1, 1.5, 1e15, 4294967294, '__proto__'].map((id) => ({
    id,
    content: 'x',
    special: true,
  }));
  const { special: ids } = tokenizer({ added_tokens: [special(1, '[CLS]'), ...wild] });
  expect([...ids]).toEqual([1]);
});
