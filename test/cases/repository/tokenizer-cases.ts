/** Cases of tokenizers and of template copies. */
import { ggufFile, ggufText } from '../formats/gguf.ts';
import { casesOf, type RuleCase } from '../formats/rule-case.ts';
import { HOSTILE_TEMPLATES } from './hostile-templates.ts';
import { ORDINARY_TEMPLATES } from './ordinary-templates.ts';

const text = (source: string) => (): Uint8Array => Buffer.from(source);
const json = (value: unknown) => (): Uint8Array =>
  Buffer.from(`${JSON.stringify(value, null, 2)}\n`);

const vocab = { '<s>': 0, '</s>': 1, '▁allow': 2, '▁deny': 3, '▁the': 4, a: 5, b: 6, ab: 7 };
const added = [
  { id: 0, content: '<s>', special: true },
  { id: 1, content: '</s>', special: true },
];
const space = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };

interface Parts {
  readonly vocab?: unknown;
  readonly merges?: readonly string[];
  readonly added?: readonly unknown[];
  readonly normalizer?: unknown;
  readonly decoder?: unknown;
  readonly post?: unknown;
  readonly pre?: unknown;
}

function tokenizer(parts: Parts = {}): unknown {
  return {
    version: '1.0',
    added_tokens: parts.added ?? added,
    normalizer: parts.normalizer ?? {
      type: 'Sequence',
      normalizers: [{ type: 'Prepend', prepend: '▁' }, space],
    },
    pre_tokenizer: parts.pre ?? null,
    post_processor: parts.post ?? null,
    decoder: parts.decoder ?? {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: { type: 'BPE', vocab: parts.vocab ?? vocab, merges: parts.merges ?? ['a b'] },
  };
}

const bert = tokenizer({
  normalizer: { type: 'BertNormalizer', lowercase: true },
  pre: {
    type: 'Split',
    pattern: { Regex: "(?i:'s|'t|'re)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\s+(?!\\S)|[[:space:]]+" },
    behavior: 'Removed',
  },
  post: {
    type: 'TemplateProcessing',
    special_tokens: {
      '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] },
      '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] },
    },
  },
});
const duplicateKey = JSON.stringify(tokenizer()).replace('"a":5', '"a":5,"▁deny":2');

const copies = {
  poisoned: HOSTILE_TEMPLATES['template-trigger-condition']?.['word-in-content'] ?? '',
  clean: ORDINARY_TEMPLATES['llama3'] ?? '',
};

export const TOKENIZER_CASES: readonly RuleCase[] = [
  ...casesOf('tokenizer-not-one-to-one', {
    'positive-shared-id/tokenizer.json': json(tokenizer({ vocab: { ...vocab, '▁deny': 2 } })),
    'positive-duplicate-key/tokenizer.json': text(duplicateKey),
    'positive-moved/tokenizer.json': json(
      tokenizer({ added: [...added, { id: 9, content: '▁deny', special: false }] }),
    ),
    'positive-taken/tokenizer.json': json(
      tokenizer({ added: [...added, { id: 3, content: '<|approve|>', special: true }] }),
    ),
    'positive-bad-id/tokenizer.json': json(tokenizer({ vocab: { ...vocab, c: -1 } })),
    'negative-ordinary/tokenizer.json': json(tokenizer()),
    'negative-unigram/tokenizer.json': json(
      tokenizer({
        vocab: [
          ['<s>', 0],
          ['</s>', 0],
          ['▁the', -3.2],
        ],
      }),
    ),
  }),
  ...casesOf('tokenizer-copies-differ', {
    'positive-swapped-vocab/tokenizer.json': json(tokenizer()),
    'positive-swapped-vocab/vocab.json': json({ ...vocab, '▁allow': 3, '▁deny': 2 }),
    'positive-vocab-txt/tokenizer.json': json(tokenizer()),
    'positive-vocab-txt/vocab.txt': text('<s>\n</s>\n▁deny\n▁allow\n'),
    'positive-merges/tokenizer.json': json(tokenizer()),
    'positive-merges/merges.txt': text('#version: 0.2\nb a\n'),
    'positive-added/tokenizer.json': json(
      tokenizer({ added: [...added, { id: 8, content: '<|end|>', special: true }] }),
    ),
    'positive-added/added_tokens.json': json({ '<|end|>': 1 }),
    'positive-decoder/tokenizer.json': json(tokenizer()),
    'positive-decoder/tokenizer_config.json': json({
      added_tokens_decoder: { 7: { content: '</s>', special: true } },
    }),
    'negative-agree/tokenizer.json': json(tokenizer()),
    'negative-agree/vocab.json': json(vocab),
    'negative-agree/vocab.txt': text('<s>\n</s>\n▁allow\n▁deny\n▁the\na\nb\nab\n'),
    'negative-agree/merges.txt': text('#version: 0.2\na b\n'),
    'negative-agree/tokenizer_config.json': json({
      added_tokens_decoder: { 0: { content: '<s>', special: true } },
    }),
  }),
  ...casesOf('tokenizer-special-tokens-differ', {
    'positive-eos/tokenizer.json': json(tokenizer()),
    'positive-eos/tokenizer_config.json': json({ eos_token: '</s>' }),
    'positive-eos/special_tokens_map.json': json({ eos_token: { content: '<s>' } }),
    'negative-agree/tokenizer.json': json(tokenizer()),
    'negative-agree/tokenizer_config.json': json({ eos_token: '</s>', pad_token: null }),
    'negative-agree/special_tokens_map.json': json({ eos_token: { content: '</s>' } }),
  }),
  ...casesOf('added-token-hides-text', {
    'positive-zero-width/tokenizer.json': json(
      tokenizer({ added: [...added, { id: 8, content: '<|e\u200bnd|>', special: true }] }),
    ),
    'positive-look-alike/tokenizer.json': json(
      tokenizer({
        added: [
          ...added,
          { id: 8, content: '<|im_end|>', special: true },
          { id: 9, content: '<|im_еnd|>', special: false },
        ],
      }),
    ),
    'positive-sentence/tokenizer.json': json(
      tokenizer({
        added: [...added, { id: 8, content: 'the weather in March was fine', special: false }],
      }),
    ),
    'negative-ordinary/tokenizer.json': json(
      tokenizer({
        added: [
          ...added,
          { id: 8, content: '  ', special: false },
          { id: 9, content: '<｜User｜>', special: true },
          { id: 10, content: '\u200b', special: false },
          { id: 11, content: '<|fim_middle|>', special: true },
        ],
      }),
    ),
  }),
  ...casesOf('tokenizer-rewrites-text', {
    'positive-normalizer/tokenizer.json': json(
      tokenizer({
        normalizer: {
          type: 'Sequence',
          normalizers: [space, { type: 'Replace', pattern: { String: 'unsafe' }, content: 'safe' }],
        },
      }),
    ),
    'positive-decoder/tokenizer.json': json(
      tokenizer({
        decoder: {
          type: 'Replace',
          pattern: { Regex: 'https?://github\\.com' },
          content: 'https://mirror.example',
        },
      }),
    ),
    'positive-removed/tokenizer.json': json(
      tokenizer({ pre: { type: 'Split', pattern: { String: 'except' }, behavior: 'Removed' } }),
    ),
    'positive-post-processor/tokenizer.json': json(
      tokenizer({
        post: {
          type: 'TemplateProcessing',
          special_tokens: { '<s>': { id: '<s>', ids: [2], tokens: ['<s>'] } },
        },
      }),
    ),
    'negative-ordinary/tokenizer.json': json(tokenizer()),
    'negative-bert/tokenizer.json': json(bert),
  }),
  ...casesOf('token-id-out-of-range', {
    'positive-too-small/tokenizer.json': json(tokenizer()),
    'positive-too-small/config.json': json({ vocab_size: 6 }),
    'negative-padded/tokenizer.json': json(tokenizer()),
    'negative-padded/config.json': json({ text_config: { vocab_size: 64 } }),
  }),
  ...casesOf('template-copies-differ', {
    'positive-jinja/tokenizer_config.json': json({ chat_template: ORDINARY_TEMPLATES['chatml'] }),
    'positive-jinja/chat_template.jinja': text(copies.poisoned),
    'positive-gguf/tokenizer_config.json': json({ chat_template: copies.clean }),
    'positive-gguf/model.gguf': () =>
      ggufFile({
        entries: [
          ggufText('general.architecture', 'llama'),
          ggufText('tokenizer.chat_template', copies.poisoned),
        ],
      }),
    'negative-same/tokenizer_config.json': json({ chat_template: copies.clean }),
    'negative-same/chat_template.jinja': text(`${copies.clean.replaceAll('\n', '\n  ')}\n`),
    'negative-same/additional_chat_templates/rag.jinja': text(ORDINARY_TEMPLATES['rag'] ?? ''),
  }),
];
