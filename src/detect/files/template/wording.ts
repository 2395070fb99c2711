/** Tells natural language from control markers in the fixed text of templates and tokenizers. */
import type { TriggerKind } from '../../../evidence/template.ts';
import { HOLE, type Trigger, USER_HOLE } from './value.ts';

const MARKERS: readonly RegExp[] = [
  /<[^<>\n]{1,60}>/g,
  /\[\/?[A-Z][A-Z_ ]{0,40}\]/g,
  /<[|｜][^\n]{1,60}?[|｜]>/g,
  /\{%[\s\S]{0,200}?%\}/g,
  /(^|\s)\/[a-z_]{2,20}(?=\s|$)/gi,
  /【[^】\n]{0,60}】/g,
];
/** Role names and turn headers are structure, not prose. */
const ROLE_WORDS: ReadonlySet<string> = new Set(
  'system user assistant tool tools ipython model human ai bot function developer observation context analysis final commentary think thinking none null true false string role content name type text image video audio'.split(
    ' ',
  ),
);
const URL = /(?:https?:)?\/\/[a-z0-9\u0080-\ud7ff-]+(?:\.[a-z0-9\u0080-\ud7ff-]+)+|\bhttps?:\/\//gi;

/** Words of natural language in a text, markers, roles and addresses left out. */
export function proseWords(text: string): number {
  let rest = text.replaceAll(HOLE, ' ').replaceAll(USER_HOLE, ' ').replace(URL, ' ');
  for (const marker of MARKERS) rest = rest.replace(marker, ' ');
  const words = rest.match(/\p{L}{2,}/gu) ?? [];
  // Scripts without spaces: two characters stand for about one word.
  const dense = rest.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/gu)?.length ?? 0;
  const spaced = words.filter((word) => !ROLE_WORDS.has(word.toLowerCase()) && !isDense(word));
  return spaced.length + Math.ceil(dense / 2);
}

function isDense(word: string): boolean {
  return /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(word);
}

export function urlCount(text: string): number {
  return text.match(URL)?.length ?? 0;
}

export function triggerKind(trigger: Trigger, known: ReadonlySet<string>): TriggerKind {
  if (trigger.origin === 'length') return Number(trigger.text) > 1 ? 'length' : 'symbol';
  if (trigger.origin === 'time') return 'time';
  const text = trigger.text.trim();
  if (known.has(text)) return 'known';
  if (!/[\p{L}\p{N}]/u.test(text)) return 'symbol';
  if (!/[\p{L}\p{N}]{2}/u.test(text) && text.length === 1) return 'symbol';
  return proseWords(text) > 0 || !looksLikeMarker(text) ? 'word' : 'marker';
}

function looksLikeMarker(text: string): boolean {
  let rest = text;
  for (const marker of MARKERS) rest = rest.replace(marker, ' ');
  if (!/[\p{L}\p{N}]/u.test(rest)) return true;
  // An opened or cut marker: `<tool_`, `|>`, `[INST`, `</s`.
  return /^[<[{|/#@＜【]/.test(text) && !/\s/.test(text);
}

/** One line around a place in the source, control characters shown by the report. */
export function excerptAt(source: string, offset: number, length = 120): string {
  const start = Math.max(0, offset - 20);
  return source.slice(start, start + length);
}
