/**
 * What is known of a template expression without running it: the constants it can be, where its data comes from,
 * and which comparisons with user text it depends on.
 */

/** Stands for text that is only known at run time, inside a partly known string (a Unicode non-character). */
export const HOLE = '\ufdd0';
/** The same for text that comes from the conversation. */
export const USER_HOLE = '\ufdd1';

/**
 * `conversation` is the list of turns, `message` one turn, `content` text that a user wrote (or the list of its
 * parts), `part` one element of that list, `length` a count of user text, `time` the clock.
 */
export type Origin = 'conversation' | 'message' | 'content' | 'part' | 'length' | 'time';

/** One comparison of user text (or the clock) with a constant. */
export interface Trigger {
  readonly text: string;
  /** The operator, method, filter or test: `in`, `==`, `startswith`, `length ==`, … */
  readonly how: string;
  readonly origin: Origin;
  readonly offset: number;
}

export interface Value {
  /** Every constant it can be; absent when nothing is known. */
  readonly texts?: readonly string[];
  readonly number?: number;
  readonly items?: readonly Value[];
  readonly entries?: ReadonlyMap<string, Value>;
  readonly origin?: Origin;
  readonly triggers: readonly Trigger[];
  /** Assigned under a test on the first turn or the system role: the usual way of default system prompts. */
  readonly guarded?: boolean;
}

export const UNKNOWN: Value = { triggers: [] };
export const MAX_ALTERNATIVES = 8;
export const MAX_TEXT_CHARS = 16_384;
const MAX_TRIGGERS = 24;
const MAX_ITEMS = 256;

export function constant(text: string): Value {
  return { texts: [text.slice(0, MAX_TEXT_CHARS)], triggers: [] };
}

export function from(origin: Origin | undefined, triggers: readonly Trigger[] = []): Value {
  return origin === undefined ? { triggers } : { origin, triggers };
}

export function isUserText(value: Value): boolean {
  return value.origin === 'content' || value.origin === 'part';
}

export function mergeTriggers(...lists: readonly (readonly Trigger[])[]): readonly Trigger[] {
  const byKey = new Map<string, Trigger>();
  for (const trigger of lists.flat()) {
    if (byKey.size >= MAX_TRIGGERS) break;
    const key = `${trigger.how}\0${trigger.text}`;
    if (!byKey.has(key)) byKey.set(key, trigger);
  }
  return [...byKey.values()];
}

const ORIGIN_RANK: readonly (Origin | undefined)[] = [
  undefined,
  'length',
  'time',
  'conversation',
  'message',
  'part',
  'content',
];

export function joinOrigins(...origins: readonly (Origin | undefined)[]): Origin | undefined {
  let best: Origin | undefined;
  for (const origin of origins) {
    if (ORIGIN_RANK.indexOf(origin) > ORIGIN_RANK.indexOf(best)) best = origin;
  }
  return best;
}

/** Everything that either value can be. */
export function join(a: Value, b: Value): Value {
  const texts = [...new Set([...(a.texts ?? []), ...(b.texts ?? [])])].slice(0, MAX_ALTERNATIVES);
  const items = [...(a.items ?? []), ...(b.items ?? [])].slice(0, MAX_ITEMS);
  const origin = joinOrigins(a.origin, b.origin);
  const number = a.number ?? b.number;
  const entries = a.entries ?? b.entries;
  return {
    ...(texts.length > 0 && { texts }),
    ...(items.length > 0 && { items }),
    ...(number !== undefined && { number }),
    ...(entries !== undefined && { entries }),
    ...(origin !== undefined && { origin }),
    ...((a.guarded || b.guarded) && { guarded: true }),
    triggers: mergeTriggers(a.triggers, b.triggers),
  };
}

/** Text alternatives of a value; a hole where nothing is known. */
export function textsOf(value: Value): readonly string[] {
  if (value.texts !== undefined) return value.texts;
  if (value.number !== undefined) return [String(value.number)];
  return [isUserText(value) || value.origin === 'conversation' ? USER_HOLE : HOLE];
}

/** Constants without any hole. */
export function knownTexts(value: Value): readonly string[] {
  return (value.texts ?? []).filter((text) => !text.includes(HOLE) && !text.includes(USER_HOLE));
}

/** Applies a pure function to every combination of alternatives, within bounds. */
export function combine(a: Value, b: Value, apply: (left: string, right: string) => string): Value {
  const texts = new Set<string>();
  for (const left of textsOf(a)) {
    for (const right of textsOf(b)) {
      if (texts.size >= MAX_ALTERNATIVES) break;
      texts.add(apply(left, right).slice(0, MAX_TEXT_CHARS));
    }
  }
  const origin = joinOrigins(a.origin, b.origin);
  return {
    texts: [...texts],
    ...(origin !== undefined && { origin }),
    ...((a.guarded || b.guarded) && { guarded: true }),
    ...((a.guarded || b.guarded) && { guarded: true }),
    triggers: mergeTriggers(a.triggers, b.triggers),
  };
}

export function sameValue(a: Value, b: Value): boolean {
  return (
    a.origin === b.origin &&
    (a.texts?.length ?? 0) === (b.texts?.length ?? 0) &&
    a.triggers.length === b.triggers.length &&
    (a.items?.length ?? 0) === (b.items?.length ?? 0) &&
    a.number === b.number
  );
}
