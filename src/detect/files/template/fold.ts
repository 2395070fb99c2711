/**
 * Constant folding of the string methods and filters with which templates build names out of pieces.
 * Pure functions over known text; `undefined` means "not known", never an error.
 */
import { HOLE, MAX_TEXT_CHARS } from './value.ts';

export type Constant = string | number;
type Fold = (text: string, args: readonly Constant[]) => string | undefined;

function text(value: Constant | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function stripChars(value: string, chars: string, left: boolean, right: boolean): string {
  const set = new Set(chars);
  let start = 0;
  let end = value.length;
  while (left && start < end && set.has(value.charAt(start))) start += 1;
  while (right && end > start && set.has(value.charAt(end - 1))) end -= 1;
  return value.slice(start, end);
}

function strip(left: boolean, right: boolean): Fold {
  return (value, [chars]) => stripChars(value, text(chars) ?? ' \t\r\n\f\v', left, right);
}

function capitalize(value: string): string {
  return value.charAt(0).toUpperCase() + value.slice(1).toLowerCase();
}

function pad(value: string, width: Constant | undefined, left: boolean, right: boolean): string {
  const missing = typeof width === 'number' ? Math.min(width - value.length, MAX_TEXT_CHARS) : 0;
  if (missing <= 0) return value;
  const before = left && right ? Math.floor(missing / 2) : left ? missing : 0;
  return ' '.repeat(before) + value + ' '.repeat(missing - before);
}

function decodePercent(value: string): string | undefined {
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}

const identity: Fold = (value) => value;

const FOLDS: Readonly<Record<string, Fold>> = {
  lower: (value) => value.toLowerCase(),
  casefold: (value) => value.toLowerCase(),
  upper: (value) => value.toUpperCase(),
  capitalize,
  title: (value) => value.replace(/[a-zA-Z]+/g, capitalize),
  swapcase: (value) =>
    [...value].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join(''),
  strip: strip(true, true),
  trim: strip(true, true),
  lstrip: strip(true, false),
  rstrip: strip(false, true),
  reverse: (value) => [...value].reverse().join(''),
  first: (value) => value.charAt(0),
  last: (value) => value.charAt(value.length - 1),
  string: identity,
  str: identity,
  safe: identity,
  escape: identity,
  e: identity,
  forceescape: identity,
  list: identity,
  default: identity,
  d: identity,
  encode: identity,
  decode: identity,
  indent: identity,
  urlencode: (value) => encodeURIComponent(value),
  urldecode: decodePercent,
  replace: (value, [from, to]) => {
    const [a, b] = [text(from), text(to)];
    return a === undefined || b === undefined || a === '' ? undefined : value.replaceAll(a, b);
  },
  removeprefix: (value, [prefix]) => {
    const p = text(prefix);
    return p !== undefined && value.startsWith(p) ? value.slice(p.length) : value;
  },
  removesuffix: (value, [suffix]) => {
    const s = text(suffix);
    return s !== undefined && s !== '' && value.endsWith(s) ? value.slice(0, -s.length) : value;
  },
  center: (value, [width]) => pad(value, width, true, true),
  ljust: (value, [width]) => pad(value, width, false, true),
  rjust: (value, [width]) => pad(value, width, true, false),
  zfill: (value, [width]) =>
    typeof width === 'number' ? value.padStart(Math.min(width, MAX_TEXT_CHARS), '0') : undefined,
  truncate: (value, [length]) => (typeof length === 'number' ? value.slice(0, length) : value),
  format: formatPercent,
};

/** Result of a method or filter on a constant, or `undefined` when it is not a pure text function. */
export function foldText(
  name: string,
  value: string,
  args: readonly Constant[],
): string | undefined {
  const fold = Object.hasOwn(FOLDS, name) ? FOLDS[name] : undefined;
  return fold?.(value, args)?.slice(0, MAX_TEXT_CHARS);
}

function character(value: Constant | undefined): string {
  if (typeof value === 'number' && value >= 0 && value <= 0x10ffff) {
    return String.fromCodePoint(Math.trunc(value));
  }
  return typeof value === 'string' ? value : HOLE;
}

/** Python's `%` formatting: `%s %d %x %o %c %r`. */
export function formatPercent(pattern: string, args: readonly Constant[]): string {
  let next = 0;
  return pattern.replace(/%[-+ #0]*\d*(?:\.\d+)?([sdxXocr%])/g, (_, type: string) => {
    if (type === '%') return '%';
    const value = args[next];
    next += 1;
    if (type === 'c') return character(value);
    if (value === undefined) return HOLE;
    if (typeof value === 'number' && type.toLowerCase() === 'x') return value.toString(16);
    if (typeof value === 'number' && type === 'o') return value.toString(8);
    return String(value);
  });
}

/** Python's `str.format`: `{}`, `{0}`, `{name}`, `{:c}`. */
export function formatBraces(
  pattern: string,
  args: readonly Constant[],
  keywords: ReadonlyMap<string, Constant>,
): string {
  let next = 0;
  return pattern.replace(/\{([^{}!:]{0,80})(?:![rsa])?(?::([^{}]{0,20}))?\}/g, (_, name, spec) => {
    const key: string = name === '' ? String(next) : name;
    if (name === '') next += 1;
    const value = /^\d+$/.test(key) ? args[Number(key)] : keywords.get(key);
    if (spec === 'c') return character(value);
    return value === undefined ? HOLE : String(value);
  });
}

/** Field paths of a `str.format` pattern that reach into attributes: `{0.__class__}` gives `0.__class__`. */
export function formatFields(pattern: string): string[] {
  const fields = pattern.matchAll(/\{([^{}!:]{1,200})(?:[!:][^{}]*)?\}/g);
  return [...fields].map((match) => match[1] ?? '').filter((field) => /[.[]/.test(field));
}

/** Python slicing of a text with constant bounds. */
export function sliceText(
  value: string,
  start: number | undefined,
  stop: number | undefined,
  step: number | undefined,
): string {
  const chars = [...value];
  const stride = step === undefined || step === 0 ? 1 : Math.trunc(step);
  const length = chars.length;
  const clamp = (n: number, low: number, high: number): number =>
    Math.max(low, Math.min(high, n < 0 ? n + length : n));
  const out: string[] = [];
  if (stride > 0) {
    const end = stop === undefined ? length : clamp(stop, 0, length);
    for (let at = start === undefined ? 0 : clamp(start, 0, length); at < end; at += stride) {
      out.push(chars[at] ?? '');
    }
  } else {
    const end = stop === undefined ? -1 : clamp(stop, -1, length - 1);
    const from = start === undefined ? length - 1 : clamp(start, -1, length - 1);
    for (let at = from; at > end; at += stride) out.push(chars[at] ?? '');
  }
  return out.join('');
}
