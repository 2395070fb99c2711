/** Turns one template's text into facts: parses it, follows it, and measures what it writes. */
import { type HiddenKind, hiddenCharacters } from '../../../artifact/hidden-text.ts';
import { parseTemplate } from '../../../artifact/template/parse.ts';
import type { TemplateTree } from '../../../artifact/template/tree.ts';
import { ScanError } from '../../../errors.ts';
import type { Location } from '../../../evidence/evidence.ts';
import type { TemplateEvidence } from '../../../evidence/template.ts';
import { followTemplate, type Segment, type TemplateFlow } from './flow.ts';
import { HOLE, USER_HOLE } from './value.ts';
import { excerptAt, proseWords, triggerKind, urlCount } from './wording.ts';

/** Where a template's text lies in a file. */
export interface TemplatePlace {
  readonly path: string;
  readonly template: string;
  /** Location of a UTF-16 offset of the template's text. */
  locate(offset: number): Location;
}

export interface TemplateLists {
  /** Attribute names that reach the interpreter, besides everything that starts with an underscore. */
  readonly attributes: ReadonlySet<string>;
  readonly names: ReadonlySet<string>;
  readonly markers: ReadonlySet<string>;
  readonly phrases: ReadonlySet<string>;
  readonly hosts: ReadonlySet<string>;
}

type Emit = (fact: TemplateEvidence) => void;
const MAX_FACTS_OF_A_KIND = 20;
/** A template is at most 1 MiB; only alternatives of its values can make more. */
const MAX_JOINED_CHARS = 2 << 20;

export function analyseTemplate(
  source: string,
  place: TemplatePlace,
  lists: TemplateLists,
  emit: Emit,
): void {
  const shown = hiddenFacts(source, place, undefined, emit);
  let tree: TemplateTree;
  try {
    tree = parseTemplate(source);
  } catch (thrown) {
    if (!(thrown instanceof ScanError)) throw thrown;
    emit(unparsed(source, place, lists, thrown));
    return;
  }
  for (const { tag, offset } of tree.loads.slice(0, 1)) {
    emit({ kind: 'template-load', ...at(place, offset), tag });
  }
  const flow = followTemplate(tree);
  gadgetFacts(source, flow, place, lists, emit);
  conditionFacts(flow, place, lists, emit);
  rewriteFacts(flow, place, emit);
  textFacts(flow.segments, place, lists, shown, emit);
  if (flow.repetition.count > 0) {
    const { count, offset } = flow.repetition;
    emit({ kind: 'template-expansion', ...at(place, offset), count });
  }
}

function at(place: TemplatePlace, offset: number) {
  return { path: place.path, template: place.template, location: place.locate(offset) };
}

function unparsed(
  source: string,
  place: TemplatePlace,
  lists: TemplateLists,
  error: ScanError,
): TemplateEvidence {
  const words = source.match(/\b_{1,2}[a-z][a-z0-9_]{2,40}\b/gi) ?? [];
  const listed = [...lists.names].filter((name) => new RegExp(`\\b${name}\\b`).test(source));
  const names = [...new Set([...words, ...listed])].slice(0, MAX_FACTS_OF_A_KIND);
  const { code, message: problem, byteOffset } = error;
  return { kind: 'template-unparsed', ...at(place, byteOffset ?? 0), code, problem, names };
}

function gadgetFacts(
  source: string,
  flow: TemplateFlow,
  place: TemplatePlace,
  lists: TemplateLists,
  emit: Emit,
): void {
  const reached = [
    ...flow.attributes.filter(({ name }) => /^_/.test(name) || lists.attributes.has(name)),
    ...flow.freeNames.filter(({ name }) => name.startsWith('__') || lists.names.has(name)),
  ];
  const [first] = reached;
  if (first !== undefined) {
    const names = [...new Set(reached.map(({ name }) => name))].slice(0, MAX_FACTS_OF_A_KIND);
    const excerpt = excerptAt(source, first.offset);
    emit({ kind: 'template-gadget', ...at(place, first.offset), names, excerpt });
  }
  const [dynamic] = flow.dynamicAttributes;
  if (dynamic !== undefined) {
    const excerpt = excerptAt(source, dynamic);
    emit({ kind: 'template-dynamic-attribute', ...at(place, dynamic), excerpt });
  }
}

function conditionFacts(
  flow: TemplateFlow,
  place: TemplatePlace,
  lists: TemplateLists,
  emit: Emit,
): void {
  const facts = flow.conditions.map(({ trigger, emitted }) => ({
    kind: 'template-condition' as const,
    ...at(place, trigger.offset),
    trigger: trigger.text,
    triggerKind: triggerKind(trigger, lists.markers),
    how: trigger.how,
    emittedText: plain(emitted).slice(0, 400),
    emittedWords: proseWords(emitted),
    emittedUrls: urlCount(emitted),
  }));
  const telling = facts.filter((fact) => fact.triggerKind !== 'symbol');
  for (const fact of telling.slice(0, MAX_FACTS_OF_A_KIND)) emit(fact);
}

function rewriteFacts(flow: TemplateFlow, place: TemplatePlace, emit: Emit): void {
  for (const { from, to, offset } of flow.rewrites.slice(0, MAX_FACTS_OF_A_KIND)) {
    const words = proseWords(from) + proseWords(to);
    const urls = urlCount(from) + urlCount(to);
    emit({ kind: 'template-rewrite', ...at(place, offset), from, to: plain(to), words, urls });
  }
}

/** Holes as an ellipsis, for people. */
function plain(text: string): string {
  return text.replaceAll(HOLE, '…').replaceAll(USER_HOLE, '…');
}

function textFacts(
  segments: readonly Segment[],
  place: TemplatePlace,
  lists: TemplateLists,
  shown: ReadonlySet<HiddenKind>,
  emit: Emit,
): void {
  const joined = joinSegments(segments);
  linkFacts(joined, place, lists, emit);
  phraseFacts(joined, place, lists, emit);
  systemTurnFacts(joined, place, emit);
  // Characters that only appear once the escapes of a string are decoded.
  for (const segment of segments) {
    const unseen = hiddenCharacters(segment.text, 1).filter(({ kind }) => !shown.has(kind));
    if (unseen.length === 0) continue;
    hiddenFacts(segment.text, place, segment.offset, emit);
    return;
  }
}

interface Joined {
  readonly text: string;
  segmentAt(position: number): Segment;
}

function joinSegments(segments: readonly Segment[]): Joined {
  const starts: number[] = [];
  let text = '';
  for (const segment of segments) {
    if (text.length > MAX_JOINED_CHARS) break;
    starts.push(text.length);
    text += segment.text;
  }
  return {
    text,
    segmentAt(position) {
      let index = starts.findLastIndex((start) => start <= position);
      // An empty piece starts where the next one does.
      while (index > 0 && starts[index] === starts[index + 1]) index += 1;
      return (
        segments[Math.max(index, 0)] ?? { text: '', offset: 0, place: 'before', guarded: false }
      );
    },
  };
}

const LINK =
  /!\[[^\]\n]{0,200}\]\(\s*[^)\s]{1,400}\)?|<(?:img|a|iframe|script|link|video|audio|source)\b[^>\n]{0,200}?(?:src|href)\s*=\s*["']?[^"'>\s]{1,400}|(?:https?:)?\/\/[a-z0-9\u0080-\ud7ff-]+(?:\.[a-z0-9\u0080-\ud7ff-]+)+[^\s"'<>)\]]{0,400}|\bhttps?:\/\/[^\s"'<>)\]]{0,400}/gi;

function linkFacts(joined: Joined, place: TemplatePlace, lists: TemplateLists, emit: Emit): void {
  let count = 0;
  for (const match of joined.text.matchAll(LINK)) {
    const text = match[0];
    const host = /\/\/([^/\s:?#]+)/.exec(text)?.[1]?.toLowerCase();
    const form = text.startsWith('!') ? 'image' : text.startsWith('<') ? 'html' : 'plain';
    const carriesUserText = text.includes(USER_HOLE);
    // `![alt](…)` with nothing fixed in the address is an ordinary image of the conversation.
    if (form !== 'plain' && host === undefined) continue;
    if (host !== undefined && lists.hosts.has(host) && !carriesUserText) continue;
    const { offset } = joined.segmentAt(match.index);
    const url = plain(text).slice(0, 200);
    emit({ kind: 'template-link', ...at(place, offset), url, form, carriesUserText });
    count += 1;
    if (count >= MAX_FACTS_OF_A_KIND) return;
  }
}

function phraseFacts(joined: Joined, place: TemplatePlace, lists: TemplateLists, emit: Emit): void {
  const lower = joined.text.toLowerCase().replaceAll('’', "'");
  for (const phrase of lists.phrases) {
    const position = lower.indexOf(phrase);
    if (position < 0) continue;
    const { offset } = joined.segmentAt(position);
    const excerpt = plain(joined.text.slice(Math.max(0, position - 40), position + 120));
    emit({ kind: 'template-phrase', ...at(place, offset), phrase, excerpt });
  }
}

const SYSTEM_HEADER =
  /<\|im_start\|>\s*(?:system|developer)|<\|start_header_id\|>\s*(?:system|developer)\s*<\|end_header_id\|>|<\|(?:system|SYSTEM_TOKEN)\|>|<<SYS>>|\[SYSTEM_PROMPT\]|<start_of_turn>\s*system|<\|start_of_role\|>\s*system\s*<\|end_of_role\|>|<\|start\|>\s*(?:system|developer)\s*<\|message\|>|^#{2,3} ?System:|^System:/gim;
const NEXT_MARKER = /<\||<<\/SYS>>|\[\/|<end_of_turn>|<\/s>/;

function systemTurnFacts(joined: Joined, place: TemplatePlace, emit: Emit): void {
  const seen = new Set<string>();
  for (const match of joined.text.matchAll(SYSTEM_HEADER)) {
    const start = match.index + match[0].length;
    const rest = joined.text.slice(start, start + 800);
    const end = rest.search(NEXT_MARKER);
    const text = end < 0 ? rest : rest.slice(0, end);
    const words = proseWords(text);
    const written = Math.max(0, text.search(/\p{L}/u));
    const segment = joined.segmentAt(start + written);
    const turn = segment.guarded || segment.place === 'before' ? 'start' : segment.place;
    if (words === 0 || seen.has(turn)) continue;
    seen.add(turn);
    const fact = { text: plain(text).slice(0, 200), words, place: turn } as const;
    emit({ kind: 'template-system-turn', ...at(place, segment.offset), ...fact });
  }
}

/** @param offset where the text begins, when its own offsets are not those of the source. */
function hiddenFacts(
  text: string,
  place: TemplatePlace,
  offset: number | undefined,
  emit: Emit,
): ReadonlySet<HiddenKind> {
  const found = hiddenCharacters(text);
  const kinds = new Set(found.map(({ kind }) => kind));
  for (const category of kinds) {
    const mine = found.filter(({ kind }) => kind === category);
    const first = mine[0]?.offset ?? 0;
    const codePoints = new Set(mine.map(({ codePoint }) => unicodeName(codePoint)));
    emit({
      kind: 'template-hidden-text',
      ...at(place, offset ?? first),
      category,
      count: mine.length,
      codePoints: [...codePoints].slice(0, 10),
      excerpt: excerptAt(text, first, 60),
    });
  }
  return kinds;
}

function unicodeName(codePoint: number): string {
  return `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`;
}
