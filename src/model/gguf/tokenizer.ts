/**
 * tokenizer.json and tokenizer_config.json out of GGUF metadata. Merges of a SentencePiece vocabulary are not
 * stored; they follow from its scores, as Hugging Face's own converter derives them.
 */
import { ScanError } from '../../errors.ts';
import type { TokenizerFiles } from '../tokenizer.ts';
import type { GgufMetadata } from './metadata.ts';

/** llama.h, `llama_token_type`. */
const TOKEN_TYPE = { unknown: 2, control: 3, userDefined: 4 } as const;
/** Longer pieces are runs of spaces or of one letter; they merge from their halves. */
const MAX_PIECE_CHARACTERS = 64;

const WORDS_OF_GPT4 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+`;
const REST_OF_GPT4 = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
/** Splitting patterns of `tokenizer.ggml.pre`; the others split as GPT-2 does. */
const PATTERNS: Readonly<Record<string, string>> = {
  'llama-bpe': `${WORDS_OF_GPT4}|${String.raw`\p{N}{1,3}`}|${REST_OF_GPT4}`,
  dbrx: `${WORDS_OF_GPT4}|${String.raw`\p{N}{1,3}`}|${REST_OF_GPT4}`,
  smaug: `${WORDS_OF_GPT4}|${String.raw`\p{N}{1,3}`}|${REST_OF_GPT4}`,
  qwen2: `${WORDS_OF_GPT4}|${String.raw`\p{N}`}|${REST_OF_GPT4}`,
  stablelm2: `${WORDS_OF_GPT4}|${String.raw`\p{N}`}|${REST_OF_GPT4}`,
};

/** @throws ScanError `E_TOKENIZER` */
export function ggufTokenizer(metadata: GgufMetadata): TokenizerFiles {
  const kind = metadata.text('tokenizer.ggml.model');
  const tokens = metadata.strings('tokenizer.ggml.tokens');
  const fail = (problem: string) => new ScanError('E_TOKENIZER', problem, { file: metadata.path });
  if (tokens === undefined || tokens.length === 0) throw fail('the metadata holds no vocabulary');
  const types = metadata.numbers('tokenizer.ggml.token_type') ?? [];
  const vocab = vocabularyOf(tokens);
  const parts = {
    gpt2: () => byteLevel(metadata, vocab),
    llama: () => sentencePiece(metadata, tokens, vocab),
  };
  if (kind !== 'gpt2' && kind !== 'llama') {
    throw fail(`tokenizers of type ${JSON.stringify(kind ?? null)} are not read`);
  }
  const added = tokens.flatMap((content, id) => addedToken(content, id, types[id]));
  const bos = metadata.number('tokenizer.ggml.bos_token_id');
  const eos = metadata.number('tokenizer.ggml.eos_token_id');
  const at = (id: number | undefined) => (id === undefined ? undefined : tokens[id]);
  return {
    file: metadata.path,
    tokenizer: { version: '1.0', added_tokens: added, post_processor: null, ...parts[kind]() },
    config: {
      ...(at(bos) !== undefined && { bos_token: at(bos) }),
      ...(at(eos) !== undefined && { eos_token: at(eos) }),
      tokenizer_class: 'PreTrainedTokenizerFast',
    },
    generation: {},
    modelConfig: {},
  };
}

/** A vocabulary may hold a text twice; the first id is the one that encoding gives. */
function vocabularyOf(tokens: readonly string[]): ReadonlyMap<string, number> {
  const vocab = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    let text = token;
    while (vocab.has(text)) text += '\u{10ffff}';
    vocab.set(text, id);
  }
  return vocab;
}

function addedToken(content: string, id: number, type: number | undefined) {
  const special = type === TOKEN_TYPE.control || type === TOKEN_TYPE.unknown;
  if (!special && type !== TOKEN_TYPE.userDefined) return [];
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return [{ id, content, special, ...flags }];
}

function byteLevel(metadata: GgufMetadata, vocab: ReadonlyMap<string, number>) {
  const merges = metadata.strings('tokenizer.ggml.merges') ?? [];
  const pattern = PATTERNS[metadata.text('tokenizer.ggml.pre') ?? ''];
  const bytes = (useRegex: boolean) => ({
    type: 'ByteLevel',
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: useRegex,
  });
  const split = { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
  return {
    normalizer: null,
    pre_tokenizer:
      pattern === undefined
        ? bytes(true)
        : { type: 'Sequence', pretokenizers: [split, bytes(false)] },
    decoder: bytes(true),
    model: bpe(vocab, merges.map(pairOf), { byte_fallback: false, unk_token: null }),
  };
}

/** Two pieces with one space between them; byte-level pieces hold no space. */
function pairOf(merge: string): readonly [string, string] {
  const at = merge.indexOf(' ', 1);
  return [merge.slice(0, at), merge.slice(at + 1)];
}

function sentencePiece(
  metadata: GgufMetadata,
  tokens: readonly string[],
  vocab: ReadonlyMap<string, number>,
) {
  const scores = metadata.numbers('tokenizer.ggml.scores') ?? [];
  const prefix = metadata.flag('tokenizer.ggml.add_space_prefix') ?? true;
  const unknown = tokens[metadata.number('tokenizer.ggml.unknown_token_id') ?? 0];
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const decoders: object[] = [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
  ];
  if (prefix) decoders.push({ type: 'Strip', content: ' ', start: 1, stop: 0 });
  const prepend = prefix ? [{ type: 'Prepend', prepend: '▁' }] : [];
  return {
    normalizer: { type: 'Sequence', normalizers: [...prepend, spaces] },
    pre_tokenizer: null,
    decoder: { type: 'Sequence', decoders },
    model: bpe(vocab, mergesFromScores(tokens, scores, vocab), {
      byte_fallback: true,
      unk_token: unknown ?? null,
      fuse_unk: true,
    }),
  };
}

/** Every way to build a piece from two others; better pieces first, then by the ids of the halves. */
export function mergesFromScores(
  tokens: readonly string[],
  scores: readonly number[],
  vocab: ReadonlyMap<string, number>,
): readonly (readonly [string, string])[] {
  const merges: { score: number; left: number; right: number; pair: [string, string] }[] = [];
  for (const [id, token] of tokens.entries()) {
    const characters = [...token];
    if (characters.length > MAX_PIECE_CHARACTERS) continue;
    for (let cut = 1; cut < characters.length; cut++) {
      const pair: [string, string] = [
        characters.slice(0, cut).join(''),
        characters.slice(cut).join(''),
      ];
      const left = vocab.get(pair[0]);
      const right = vocab.get(pair[1]);
      if (left === undefined || right === undefined) continue;
      merges.push({ score: scores[id] ?? 0, left, right, pair });
    }
  }
  merges.sort((a, b) => b.score - a.score || a.left - b.left || a.right - b.right);
  return merges.map(({ pair }) => pair);
}

function bpe(
  vocab: ReadonlyMap<string, number>,
  merges: readonly (readonly [string, string])[],
  more: object,
) {
  // Without a prototype, a token called "__proto__" is a token.
  const table: Record<string, number> = Object.create(null);
  for (const [token, id] of vocab) table[token] = id;
  return {
    type: 'BPE',
    dropout: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    ignore_merges: false,
    vocab: table,
    merges,
    ...more,
  };
}
