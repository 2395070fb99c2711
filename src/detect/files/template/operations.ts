/** Methods and filters on abstract values: folding on constants, triggers and rewriting on user text. */
import { type Constant, foldText, formatBraces } from './fold.ts';
import {
  constant,
  from,
  HOLE,
  isUserText,
  join,
  joinOrigins,
  knownTexts,
  MAX_TEXT_CHARS,
  mergeTriggers,
  type Origin,
  type Trigger,
  UNKNOWN,
  USER_HOLE,
  type Value,
} from './value.ts';

export interface OperationSink {
  /** User text in which one constant is replaced by another. */
  rewrite(from: string, to: string, offset: number): void;
}

/** Operations on user text whose result tells whether a constant is in it. */
const PROBES: ReadonlySet<string> = new Set([
  'startswith',
  'endswith',
  'find',
  'rfind',
  'index',
  'rindex',
  'count',
  'split',
  'rsplit',
  'partition',
  'rpartition',
  'removeprefix',
  'removesuffix',
  'replace',
  'search',
  'match',
  'contains',
  'equalto',
  'eq',
]);
/** Filters and tests that select elements by comparing one field with a constant. */
const SELECTORS: ReadonlySet<string> = new Set(['selectattr', 'rejectattr', 'select', 'reject']);
const TEXT_FIELDS: ReadonlySet<string> = new Set(['content', 'text']);
const LENGTHS: ReadonlySet<string> = new Set(['length', 'count', 'wordcount', '__len__']);
const TO_TEXT: ReadonlySet<string> = new Set(['string', 'tojson', 'join', 'pprint', 'list']);

export function applyOperation(
  form: 'method' | 'filter',
  name: string,
  subject: Value,
  args: readonly Value[],
  keywords: ReadonlyMap<string, Value>,
  offset: number,
  sink: OperationSink,
): Value {
  const triggers = mergeTriggers(
    subject.triggers,
    ...args.map((arg) => arg.triggers),
    probe(form, name, subject, args, offset),
  );
  if (name === 'replace') reportRewrite(subject, args, offset, sink);
  if (name === 'join') {
    const [list, glue] = form === 'filter' ? [subject, args[0]] : [args[0], subject];
    reportSplitJoin(list ?? UNKNOWN, glue ?? constant(''), offset, sink);
  }
  const value = compute(form, name, subject, args, keywords);
  return {
    ...value,
    triggers: mergeTriggers(value.triggers, triggers),
    ...(subject.guarded && { guarded: true }),
  };
}

function probe(
  form: 'method' | 'filter',
  name: string,
  subject: Value,
  args: readonly Value[],
  offset: number,
): Trigger[] {
  const isSelector = form === 'filter' && SELECTORS.has(name);
  if (isSelector) {
    const selectsText =
      isUserText(subject) ||
      (subject.origin !== undefined &&
        knownTexts(args[0] ?? UNKNOWN).some((path) =>
          TEXT_FIELDS.has(path.split('.').at(-1) ?? ''),
        ));
    const compared = name.endsWith('attr') ? args.slice(2) : args.slice(1);
    if (!selectsText) return [];
    const how = `${name}(${knownTexts(args.at(-2) ?? UNKNOWN)[0] ?? ''})`;
    return constantsOf(compared).map((text) => ({ text, how, origin: 'content', offset }));
  }
  if (!isUserText(subject) && subject.origin !== 'time') return [];
  if (!PROBES.has(name) || (form === 'filter' && name === 'count')) return [];
  const origin: Origin = subject.origin ?? 'content';
  // Only what is looked for is a trigger, not what it is replaced with.
  return constantsOf(args.slice(0, 1)).map((text) => ({ text, how: name, origin, offset }));
}

function constantsOf(values: readonly Value[]): string[] {
  return values.flatMap((value) => [
    ...knownTexts(value),
    ...(value.items ?? []).flatMap((item) => knownTexts(item)),
  ]);
}

function reportRewrite(
  subject: Value,
  args: readonly Value[],
  offset: number,
  sink: OperationSink,
): void {
  if (!isUserText(subject)) return;
  for (const before of knownTexts(args[0] ?? UNKNOWN)) {
    for (const after of args[1]?.texts ?? [HOLE]) sink.rewrite(before, after, offset);
  }
}

/** `a.join(text.split(b))` replaces b by a. */
function reportSplitJoin(list: Value, glue: Value, offset: number, sink: OperationSink): void {
  if (!isUserText(list)) return;
  for (const { how, text } of list.triggers) {
    if (how !== 'split' && how !== 'rsplit') continue;
    for (const after of knownTexts(glue)) sink.rewrite(text, after, offset);
  }
}

function compute(
  form: 'method' | 'filter',
  name: string,
  subject: Value,
  args: readonly Value[],
  keywords: ReadonlyMap<string, Value>,
): Value {
  if (form === 'method' && name === 'join') return joined(args[0] ?? UNKNOWN, subject);
  if (form === 'filter' && name === 'join') return joined(subject, args[0] ?? constant(''));
  if (LENGTHS.has(name) && (form === 'filter' || name === '__len__')) {
    if (isUserText(subject)) return from('length');
    return subject.items === undefined ? UNKNOWN : { number: subject.items.length, triggers: [] };
  }
  if (form === 'method' && name === 'get') return got(subject, args);
  if (form === 'method' && name === 'format')
    return { texts: formatted(subject, args, keywords), triggers: [] };
  if (form === 'method' && (name === 'items' || name === 'values')) return subject;
  if (subject.items !== undefined) return listOperation(name, subject, subject.items);
  const origin = resultOrigin(name, subject.origin, args);
  if (subject.texts === undefined) {
    // `default` is the one filter that brings new text in.
    if (name === 'default' || name === 'd') return join(from(origin), args[0] ?? UNKNOWN);
    return from(origin);
  }
  const constants = args.map(asConstant);
  const texts = subject.texts.map((text) => foldText(name, text, constants));
  const known = texts.filter((text) => text !== undefined);
  return { ...from(origin), ...(known.length > 0 && { texts: known }) };
}

function asConstant(value: Value): Constant {
  return value.number ?? value.texts?.[0] ?? HOLE;
}

function formatted(
  subject: Value,
  args: readonly Value[],
  keywords: ReadonlyMap<string, Value>,
): string[] {
  const named = new Map([...keywords].map(([key, value]) => [key, asConstant(value)]));
  const values = args.map((arg) => (isUserText(arg) ? USER_HOLE : asConstant(arg)));
  return (subject.texts ?? [HOLE]).map((text) => formatBraces(text, values, named));
}

function got(subject: Value, args: readonly Value[]): Value {
  const [name] = knownTexts(args[0] ?? UNKNOWN);
  const entry = name === undefined ? undefined : subject.entries?.get(name);
  const isText = name === undefined || TEXT_FIELDS.has(name);
  const turn =
    subject.origin === 'message' || subject.origin === 'part' || subject.origin === 'content';
  const value = join(from(turn && isText ? 'content' : undefined), entry ?? UNKNOWN);
  return args[1] === undefined ? value : join(value, args[1]);
}

function joined(list: Value, separator: Value): Value {
  const [glue] = separator.texts ?? [HOLE];
  if (list.items === undefined) {
    // Joining a text puts the separator between its characters.
    const texts = list.texts?.map((text) => [...text].join(glue ?? ''));
    const origin = resultOrigin('join', list.origin, []);
    return { ...from(origin), ...(texts && { texts }) };
  }
  const pieces = list.items.map(
    (item) =>
      item.texts?.[0] ??
      (item.number !== undefined ? String(item.number) : isUserText(item) ? USER_HOLE : HOLE),
  );
  const origin = joinOrigins(...list.items.map((item) => item.origin));
  return { ...from(origin), texts: [pieces.join(glue ?? '').slice(0, MAX_TEXT_CHARS)] };
}

function listOperation(name: string, subject: Value, items: readonly Value[]): Value {
  if (name === 'first') return items[0] ?? UNKNOWN;
  if (name === 'last' || name === 'pop') return items.at(-1) ?? UNKNOWN;
  if (name === 'reverse') return { ...subject, items: items.toReversed() };
  if (name === 'random') return items.reduce(join, UNKNOWN);
  if (name === 'sum')
    return { texts: [items.map((i) => i.texts?.[0] ?? '').join('')], triggers: [] };
  return subject;
}

/** Where the result of an operation on run-time data comes from. */
function resultOrigin(
  name: string,
  origin: Origin | undefined,
  args: readonly Value[],
): Origin | undefined {
  if (origin === 'conversation' || origin === 'message') {
    if (TO_TEXT.has(name)) return name === 'list' ? origin : 'content';
    if (name === 'first' || name === 'last') return 'message';
    return origin;
  }
  if (origin === 'part') return 'content';
  return joinOrigins(origin, ...args.map((arg) => (isUserText(arg) ? arg.origin : undefined)));
}
