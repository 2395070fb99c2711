/**
 * Tokenizer of a model folder: ids, texts and the few facts that probing needs (which tokens begin a word, which
 * are special). Wraps `@huggingface/tokenizers`, which gives ids but no offsets.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { ScanError, toScanError } from '../errors.ts';

const MAX_TOKENIZER_BYTES = 256 * 1024 * 1024;
/** Far above any vocabulary. */
const MAX_TOKEN_ID = 10_000_000;

export interface TextFrame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export class Tokenizer {
  readonly vocabularySize: number;
  /** First token of ordinary input, if the model has one. */
  readonly bos: number | undefined;
  /** Tokens that end a text. */
  readonly eos: readonly number[];
  readonly special: ReadonlySet<number>;
  readonly #inner: HuggingFaceTokenizer;
  readonly #texts: readonly string[];
  #frame: TextFrame | undefined;

  constructor(
    inner: HuggingFaceTokenizer,
    facts: {
      readonly vocabularySize: number;
      readonly bos: number | undefined;
      readonly eos: readonly number[];
      readonly special: ReadonlySet<number>;
      readonly texts: readonly string[];
    },
  ) {
    this.#inner = inner;
    this.vocabularySize = facts.vocabularySize;
    this.bos = facts.bos;
    this.eos = facts.eos;
    this.special = facts.special;
    this.#texts = facts.texts;
  }

  /** Ids without special tokens around them. Ids that the model has no row for are dropped. */
  encode(text: string): number[] {
    if (text === '') return [];
    const { ids } = this.#inner.encode(text, { add_special_tokens: false });
    return (ids as number[]).filter((id) => id < this.vocabularySize);
  }

  /** Ids of text that stands inside a longer one: no space or mark of a text's beginning is put before it. */
  encodeInside(text: string): number[] {
    if (text === '') return [];
    for (const before of ['.', '\n', 'a']) {
      const head = this.encode(before);
      const whole = this.encode(before + text);
      // A merge across the border would hide where the text begins.
      if (head.length > 0 && head.every((id, i) => whole[i] === id))
        return whole.slice(head.length);
    }
    return this.encode(text);
  }

  /** Special tokens that the tokenizer puts around one text: `[CLS]` and `[SEP]` for BERT, often one first token. */
  get frame(): TextFrame {
    this.#frame ??= this.#measureFrame();
    return this.#frame;
  }

  #measureFrame(): TextFrame {
    const bare = this.#anchor;
    const { ids } = this.#inner.encode('a', { add_special_tokens: true });
    const whole = ids as number[];
    const start = whole.findIndex((_, at) => bare.every((id, i) => whole[at + i] === id));
    if (bare.length === 0 || start < 0) return { before: [], after: [] };
    const known = (part: readonly number[]) => part.filter((id) => id < this.vocabularySize);
    return { before: known(whole.slice(0, start)), after: known(whole.slice(start + bare.length)) };
  }

  decode(ids: readonly number[]): string {
    if (ids.length === 0) return '';
    return this.#inner.decode([...ids], {
      skip_special_tokens: false,
      clean_up_tokenization_spaces: false,
    });
  }

  /**
   * Text of ids in the middle of a text: a leading space that a decoder strips at the start is kept.
   */
  decodeInside(ids: readonly number[]): string {
    const anchor = this.#anchor;
    const whole = this.decode([...anchor, ...ids]);
    const head = this.decode(anchor);
    return whole.startsWith(head) ? whole.slice(head.length) : this.decode(ids);
  }

  /** The token as the vocabulary writes it, with its word mark turned into a space. */
  tokenText(id: number): string {
    return this.#texts[id] ?? '';
  }

  /** Whether the token starts a new word: it begins with a space or line break, or is no letter or digit at all. */
  beginsWord(id: number): boolean {
    return !/^[\p{L}\p{N}']/u.test(this.tokenText(id));
  }

  get #anchor(): number[] {
    const anchor = this.encode('a');
    return anchor.length === 0 ? [] : anchor;
  }
}

/** Parsed contents of the files that a tokenizer is made of; those that are absent are empty. */
export interface TokenizerFiles {
  /** For errors. */
  readonly file: string;
  readonly tokenizer: Readonly<Record<string, unknown>>;
  readonly config: Readonly<Record<string, unknown>>;
  readonly generation: Readonly<Record<string, unknown>>;
  readonly modelConfig: Readonly<Record<string, unknown>>;
}

/**
 * @param folder model folder
 * @param modelVocabularySize rows of the embedding; tokens beyond have no row
 * @throws ScanError `E_TOKENIZER`
 */
export function openTokenizer(folder: string, modelVocabularySize: number): Tokenizer {
  const file = join(folder, 'tokenizer.json');
  const files = {
    file,
    tokenizer: readJson(file, true) ?? {},
    config: readJson(join(folder, 'tokenizer_config.json'), false) ?? {},
    generation: readJson(join(folder, 'generation_config.json'), false) ?? {},
    modelConfig: readJson(join(folder, 'config.json'), false) ?? {},
  };
  return buildTokenizer(files, modelVocabularySize);
}

/** @throws ScanError `E_TOKENIZER` */
export function buildTokenizer(files: TokenizerFiles, modelVocabularySize: number): Tokenizer {
  const { file, tokenizer: parsed, config, generation, modelConfig } = files;
  let inner: HuggingFaceTokenizer;
  try {
    inner = new HuggingFaceTokenizer(parsed, config);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ScanError('E_TOKENIZER', `tokenizer.json cannot be used: ${message}`, {
      file,
      cause,
    });
  }
  const texts = vocabularyTexts(parsed, file);
  const special = specialIds(parsed);
  const idOf = (content: unknown): number | undefined => {
    const text =
      typeof content === 'object' && content !== null && 'content' in content
        ? content.content
        : content;
    if (typeof text !== 'string') return undefined;
    const id = texts.indexOf(text);
    return id >= 0 && id < modelVocabularySize ? id : undefined;
  };
  const known = (value: unknown): number[] =>
    (Array.isArray(value) ? value : [value]).filter(
      (id): id is number => Number.isInteger(id) && id >= 0 && id < modelVocabularySize,
    );
  const bos = idOf(config['bos_token']) ?? known(modelConfig['bos_token_id'])[0];
  const eos = [
    ...new Set([
      ...known(generation['eos_token_id']),
      ...known(modelConfig['eos_token_id']),
      ...known(idOf(config['eos_token'])),
    ]),
  ];
  for (const id of [...(bos === undefined ? [] : [bos]), ...eos]) special.add(id);
  return new Tokenizer(inner, { vocabularySize: modelVocabularySize, bos, eos, special, texts });
}

function readJson(file: string, required: boolean): Record<string, unknown> | undefined {
  if (!existsSync(file)) {
    if (!required) return undefined;
    throw new ScanError('E_TOKENIZER', 'the folder holds no tokenizer.json', { file });
  }
  try {
    if (statSync(file).size > MAX_TOKENIZER_BYTES) {
      throw new ScanError('E_LIMIT', `larger than ${MAX_TOKENIZER_BYTES} bytes`, { file });
    }
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
      return parsed as Record<string, unknown>;
    }
    throw new SyntaxError('not an object');
  } catch (thrown) {
    if (!required) return undefined;
    if (thrown instanceof SyntaxError) {
      throw new ScanError('E_TOKENIZER', `not JSON: ${thrown.message}`, { file, cause: thrown });
    }
    throw toScanError(thrown, file);
  }
}

/** Texts by id, word marks of SentencePiece, byte-level BPE and WordPiece turned into what a reader sees. */
function vocabularyTexts(parsed: Readonly<Record<string, unknown>>, file: string): string[] {
  const model = parsed['model'] as Record<string, unknown> | undefined;
  const vocab = model?.['vocab'];
  const texts: string[] = [];
  const set = (token: unknown, id: unknown): void => {
    if (typeof token === 'string' && isTokenId(id)) texts[id] = token;
  };
  if (Array.isArray(vocab)) {
    for (const [id, entry] of vocab.entries()) set(Array.isArray(entry) ? entry[0] : entry, id);
  } else if (typeof vocab === 'object' && vocab !== null) {
    for (const [token, id] of Object.entries(vocab)) set(token, id);
  } else throw new ScanError('E_TOKENIZER', 'tokenizer.json has no vocabulary', { file });
  const readable = texts.map(readableToken(model?.['type'] === 'WordPiece'));
  const added = parsed['added_tokens'];
  for (const token of Array.isArray(added) ? added : []) {
    const { id, content } = (token ?? {}) as Record<string, unknown>;
    if (isTokenId(id) && typeof content === 'string') readable[id] = content;
  }
  return readable;
}

function readableToken(wordPiece: boolean): (token: string) => string {
  return (token) => {
    if (wordPiece) return token.startsWith('##') ? token.slice(2) : ` ${token}`;
    const byte = /^<0x([0-9A-F]{2})>$/.exec(token);
    if (byte?.[1] !== undefined) return String.fromCharCode(Number.parseInt(byte[1], 16));
    return token.replaceAll('▁', ' ').replaceAll('Ġ', ' ').replaceAll('Ċ', '\n');
  };
}

function specialIds(parsed: Readonly<Record<string, unknown>>): Set<number> {
  const added = parsed['added_tokens'];
  if (!Array.isArray(added)) return new Set();
  return new Set(added.filter((t) => t?.special === true && isTokenId(t.id)).map((t) => t.id));
}

/** Whether a value from the file may index an array. */
function isTokenId(id: unknown): id is number {
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < MAX_TOKEN_ID;
}
