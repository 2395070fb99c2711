/** The parts of tokenizer.json that are checked, narrowed from hostile JSON. */
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
} from '../../../artifact/json.ts';

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

export interface TokenizerFile {
  readonly root: JsonObject;
  /** Token to id in file order; for Unigram the index is the id. */
  readonly vocabulary: readonly (readonly [token: string, id: JsonValue])[];
  readonly merges: readonly string[];
  readonly addedTokens: readonly AddedToken[];
}

export function readTokenizer(root: JsonObject): TokenizerFile {
  const model = isJsonObject(root['model']) ? root['model'] : {};
  return {
    root,
    vocabulary: vocabularyOf(model['vocab']),
    merges: mergesOf(model['merges']),
    addedTokens: addedTokensOf(root['added_tokens']),
  };
}

function vocabularyOf(vocab: JsonValue | undefined): TokenizerFile['vocabulary'] {
  if (isJsonObject(vocab)) return Object.entries(vocab);
  if (!isJsonArray(vocab)) return [];
  return vocab.flatMap((item, index) => {
    const [piece] = isJsonArray(item) ? item : [];
    return typeof piece === 'string' ? [[piece, index] as const] : [];
  });
}

function mergesOf(merges: JsonValue | undefined): string[] {
  if (!isJsonArray(merges)) return [];
  return merges.flatMap((merge) => {
    if (typeof merge === 'string') return [merge];
    // Since tokenizers 0.20 a merge is a pair.
    if (!isJsonArray(merge)) return [];
    const [a, b] = merge;
    return typeof a === 'string' && typeof b === 'string' ? [`${a} ${b}`] : [];
  });
}

function addedTokensOf(list: JsonValue | undefined): AddedToken[] {
  if (!isJsonArray(list)) return [];
  return list.flatMap((item) => {
    if (!isJsonObject(item)) return [];
    const { id, content, special } = item;
    return typeof id === 'number' && typeof content === 'string'
      ? [{ id, content, special: special === true }]
      : [];
  });
}

/** `added_tokens_decoder` of tokenizer_config.json. */
export function addedTokensDecoder(root: JsonObject): AddedToken[] {
  const decoder = root['added_tokens_decoder'];
  if (!isJsonObject(decoder)) return [];
  return Object.entries(decoder).flatMap(([key, item]) => {
    const content = isJsonObject(item) ? item['content'] : undefined;
    const special = isJsonObject(item) && item['special'] === true;
    return typeof content === 'string' && /^\d{1,9}$/.test(key)
      ? [{ id: Number(key), content, special }]
      : [];
  });
}

const SPECIAL_NAMES: readonly string[] = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
];

/** Named special tokens of tokenizer_config.json or special_tokens_map.json. */
export function specialTokens(root: JsonObject): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const name of SPECIAL_NAMES) {
    const value = root[name];
    const content = isJsonObject(value) ? value['content'] : value;
    if (typeof content === 'string') found.set(name, content);
  }
  return found;
}
