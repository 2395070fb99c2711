/** Stages of tokenizer.json that change text: replacements of words are no ordinary part of any of them. */
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
} from '../../../artifact/json.ts';
import type { TokenizerEvidence, TokenizerRewrite } from '../../../evidence/tokenizer.ts';
import { proseWords, urlCount } from '../template/wording.ts';
import type { TokenizerFile } from './read.ts';

type Emit = (fact: TokenizerEvidence) => void;
type Stage = TokenizerRewrite['stage'];

const STAGES: readonly (readonly [field: string, stage: Stage])[] = [
  ['normalizer', 'normalizer'],
  ['pre_tokenizer', 'pre-tokenizer'],
  ['decoder', 'decoder'],
];
const CHILDREN: readonly string[] = ['normalizers', 'pretokenizers', 'processors', 'decoders'];
const MAX_DEPTH = 16;
const MAX_FACTS = 20;

export function checkPipeline(file: TokenizerFile, path: string, emitAll: Emit): void {
  let facts = 0;
  const emit: Emit = (fact) => {
    facts += 1;
    if (facts <= MAX_FACTS) emitAll(fact);
  };
  for (const [field, stage] of STAGES) {
    for (const { node, pointer } of steps(file.root[field], `/${field}`, 0)) {
      const change = rewriteOf(node);
      if (change === undefined) continue;
      const { from, to } = change;
      const words = proseWords(withoutRegexSyntax(from)) + proseWords(to);
      const urls = urlCount(from) + urlCount(to);
      // White space, quotes, accents and word marks: what these stages are for.
      if (words === 0 && urls === 0) continue;
      emit({
        kind: 'tokenizer-rewrite',
        path,
        location: { key: pointer },
        stage,
        from,
        to,
        words,
        urls,
      });
    }
  }
  for (const { node, pointer } of steps(file.root['post_processor'], '/post_processor', 0)) {
    checkInsertedTokens(node, pointer, file, path, emit);
  }
}

interface Step {
  readonly node: JsonObject;
  readonly pointer: string;
}

function* steps(value: JsonValue | undefined, pointer: string, depth: number): Generator<Step> {
  if (!isJsonObject(value) || depth > MAX_DEPTH) return;
  yield { node: value, pointer };
  for (const field of CHILDREN) {
    const children = value[field];
    if (!isJsonArray(children)) continue;
    for (const [index, child] of children.entries()) {
      yield* steps(child, `${pointer}/${field}/${index}`, depth + 1);
    }
  }
}

function rewriteOf(node: JsonObject): { from: string; to: string } | undefined {
  const { type } = node;
  if (type === 'Replace') return { from: patternOf(node['pattern']), to: textOf(node['content']) };
  if (type === 'Prepend') return { from: '', to: textOf(node['prepend']) };
  if (type === 'Strip') return { from: textOf(node['content']), to: '' };
  // Inverted, the pattern names what stays, as in CLIP.
  if (type === 'Split' && node['behavior'] === 'Removed' && node['invert'] !== true) {
    return { from: patternOf(node['pattern']), to: '' };
  }
  return undefined;
}

function patternOf(pattern: JsonValue | undefined): string {
  if (typeof pattern === 'string') return pattern;
  if (!isJsonObject(pattern)) return '';
  return textOf(pattern['String']) || textOf(pattern['Regex']);
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value.slice(0, 2000) : '';
}

/** Class names, flags and English contractions of a pattern are not words. */
function withoutRegexSyntax(pattern: string): string {
  return pattern
    .replace(/\\[pP]\{[^}]*\}/g, ' ')
    .replace(/'(?:s|t|re|ve|m|ll|d)\b/gi, ' ')
    .replace(/\\[a-zA-Z]/g, ' ')
    .replace(/\(\?[a-z-]+[:)]/gi, ' ')
    .replace(/\[:\^?[a-z]+:\]/gi, ' ')
    .replace(/\[[^\]]*\]/g, ' ');
}

const MAX_ORDINARY_INSERTED = 16;

/** TemplateProcessing adds tokens to every text; they must be special tokens under their own ids. */
function checkInsertedTokens(
  node: JsonObject,
  pointer: string,
  file: TokenizerFile,
  path: string,
  emit: Emit,
): void {
  const special = node['special_tokens'];
  if (node['type'] !== 'TemplateProcessing' || !isJsonObject(special)) return;
  const ids = new Map<string, JsonValue>(file.vocabulary);
  for (const { content, id } of file.addedTokens) ids.set(content, id);
  for (const [name, value] of Object.entries(special)) {
    const inserted = isJsonObject(value) && isJsonArray(value['ids']) ? value['ids'] : [];
    const tokens = isJsonObject(value) && isJsonArray(value['tokens']) ? value['tokens'] : [];
    const wrong = tokens.findIndex(
      (token, index) =>
        typeof token === 'string' && ids.has(token) && ids.get(token) !== inserted[index],
    );
    const texts = tokens.filter((token) => typeof token === 'string');
    const words = proseWords(texts.join(' '));
    if (wrong < 0 && words === 0 && inserted.length <= MAX_ORDINARY_INSERTED) continue;
    const to =
      wrong < 0 ? texts.join(' ') : `${texts[wrong] ?? ''} as id ${String(inserted[wrong])}`;
    emit({
      kind: 'tokenizer-rewrite',
      path,
      location: { key: `${pointer}/special_tokens/${name}` },
      stage: 'post-processor',
      from: name,
      to: to.slice(0, 300),
      words: Math.max(1, words),
      urls: urlCount(to),
    });
  }
}
