/** How abstract values give way to their members, and what a comparison of two of them tells. */
import {
  from,
  isUserText,
  join,
  knownTexts,
  type Origin,
  type Trigger,
  type Value,
} from './value.ts';

/** Keys of a turn or of a part of its content that hold what the user wrote. */
export const TEXT_KEYS: ReadonlySet<string> = new Set([
  'content',
  'text',
  'value',
  'parts',
  'prompt',
]);

/** Where the result of an unknown function of these arguments comes from. */
export function originOfCall(args: readonly Value[]): Origin | undefined {
  if (args.some((arg) => isUserText(arg))) return 'content';
  return args.some((arg) => arg.origin === 'time') ? 'time' : undefined;
}

/** The member of `object` under a key that may or may not be known. */
export function pick(object: Value, index: Value, names: readonly string[]): Value {
  const origin = memberOrigin(object.origin, index, names);
  let value: Value = from(origin);
  for (const name of names) {
    const entry = object.entries?.get(name);
    if (entry !== undefined) value = join(value, entry);
  }
  if (index.number !== undefined) {
    const at = index.number < 0 ? index.number + (object.items?.length ?? 0) : index.number;
    const item = object.items?.[at];
    if (item !== undefined) value = join(value, item);
    if (object.texts !== undefined) {
      const texts = object.texts.map((text) => text.at(index.number ?? 0) ?? '');
      value = join(value, { texts, triggers: [] });
    }
  } else if (names.length === 0) {
    for (const item of [...(object.items ?? []), ...(object.entries?.values() ?? [])]) {
      value = join(value, item);
    }
  }
  return value;
}

function memberOrigin(
  origin: Origin | undefined,
  index: Value,
  names: readonly string[],
): Origin | undefined {
  const numeric = index.number !== undefined;
  if (origin === 'conversation') return numeric || names.length === 0 ? 'message' : undefined;
  if (origin === 'message' || origin === 'part') {
    if (numeric) return origin === 'part' ? 'part' : undefined;
    return names.length === 0 || names.some((name) => TEXT_KEYS.has(name)) ? 'content' : undefined;
  }
  if (origin === 'content') {
    if (numeric || names.length === 0) return 'part';
    return names.some((name) => TEXT_KEYS.has(name)) ? 'content' : undefined;
  }
  return origin === 'time' ? 'time' : undefined;
}

/** Triggers from comparing `subject`, if it is user text, a length of it or the clock, with a constant. */
export function comparison(
  subject: Value,
  other: Value,
  operator: string,
  offset: number,
): Trigger[] {
  const { origin } = subject;
  if (origin === undefined || origin === 'conversation' || origin === 'message') return [];
  if (origin === 'length') {
    const exact = (operator === '==' || operator === '!=') && other.number !== undefined;
    return exact ? [{ text: String(other.number), how: `length ${operator}`, origin, offset }] : [];
  }
  const constants = [
    ...knownTexts(other),
    ...(other.items ?? []).flatMap((item) => knownTexts(item)),
    ...(origin === 'time' && other.number !== undefined ? [String(other.number)] : []),
  ];
  return constants.map((text) => ({ text, how: operator, origin, offset }));
}
