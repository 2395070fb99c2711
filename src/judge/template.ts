/** Message templates of rules: `{field.path|filter}`, with `{{` and `}}` for braces. */
import { ScanError } from '../errors.ts';
import { frameWords } from '../evidence/behaviour.ts';

const MAX_TEXT = 200;

/** Follows own properties only; a path into nothing is undefined. */
export function fieldAt(root: unknown, path: string): unknown {
  let value: unknown = root;
  for (const segment of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment))
      return undefined;
    value = (value as Record<string, unknown>)[segment];
  }
  return value;
}

/** Cuts by code point, so that no surrogate pair is split; says how much is missing. */
export function shorten(text: string, maxCharacters = MAX_TEXT): string {
  if (text.length <= maxCharacters) return text;
  let end = maxCharacters;
  if (/[\uD800-\uDBFF]/.test(text[end - 1] ?? '')) end -= 1;
  return `${text.slice(0, end)}… (${text.length - end} more characters)`;
}

/** JSON escapes keep control characters, quotes and line ends visible and harmless. */
export function quote(text: string): string {
  return JSON.stringify(shorten(text)).replaceAll(
    /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function plain(value: unknown): string {
  if (value === undefined || value === null) return '(absent)';
  if (typeof value === 'string') return shorten(value);
  if (typeof value === 'number') return number(value);
  if (Array.isArray(value)) return list(value, plain);
  return shorten(JSON.stringify(value) ?? '(absent)');
}

function number(value: unknown): string {
  if (typeof value !== 'number') return plain(value);
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 0.001 ? String(Number(value.toPrecision(4))) : value.toExponential(2);
}

function percent(value: unknown): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) return plain(value);
  const share = value * 100;
  return `${Number.isInteger(share) ? share : Number(share.toFixed(1))} %`;
}

function bytes(value: unknown): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) return plain(value);
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${Number(size.toFixed(1))} ${units[unit]}`;
}

function list(value: unknown, each: (item: unknown) => string): string {
  if (!Array.isArray(value)) return each(value);
  const shown = value.slice(0, 5).map(each);
  return value.length > 5 ? `${shown.join(', ')} and ${value.length - 5} more` : shown.join(', ');
}

const quoted = (value: unknown): string =>
  typeof value === 'string'
    ? quote(value)
    : Array.isArray(value)
      ? list(value, quoted)
      : plain(value);

const frame = (value: unknown): string =>
  typeof value === 'string' ? plain(frameWords(value)) : plain(value);

const FILTERS = {
  plain,
  frame,
  quote: quoted,
  number,
  percent,
  bytes,
  list: (value: unknown) => list(value, plain),
  hex: (value: unknown) => (typeof value === 'number' ? `0x${value.toString(16)}` : plain(value)),
  count: (value: unknown) =>
    Array.isArray(value) || typeof value === 'string' ? String(value.length) : plain(value),
} as const;

export const FILTER_NAMES: readonly string[] = Object.keys(FILTERS);

/** Fills a template from `values`; absent fields read "(absent)", so a message never fails a scan. */
export type Template = (values: unknown) => string;

/** @throws ScanError `E_RULE` for a bad placeholder or filter. */
export function compileTemplate(text: string, file: string): Template {
  const parts: ((values: unknown) => string)[] = [];
  const pattern = /\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+/g;
  for (const match of text.matchAll(pattern)) {
    const token = match[0];
    const inner = match[1];
    if (token === '{{' || token === '}}') {
      parts.push(() => token.slice(1));
    } else if (inner !== undefined) {
      parts.push(placeholder(inner, file));
    } else if (token === '{' || token === '}') {
      throw new ScanError(
        'E_RULE',
        `message: a lone ${token}; write ${token}${token} for a brace`,
        { file },
      );
    } else {
      parts.push(() => token);
    }
  }
  return (values) => parts.map((part) => part(values)).join('');
}

function placeholder(inner: string, file: string): (values: unknown) => string {
  const [path = '', filterName = 'plain', ...rest] = inner.split('|').map((part) => part.trim());
  if (!/^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9]+)*$/.test(path) || rest.length > 0) {
    throw new ScanError('E_RULE', `message: {${inner}} is not {field.path|filter}`, { file });
  }
  if (!Object.hasOwn(FILTERS, filterName)) {
    throw new ScanError('E_RULE', `message: no filter called ${filterName}`, {
      file,
      hint: `Use one of ${FILTER_NAMES.join(', ')}.`,
    });
  }
  const filter = FILTERS[filterName as keyof typeof FILTERS];
  return (values) => filter(fieldAt(values, path));
}
