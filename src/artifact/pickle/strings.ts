/**
 * Computes the string and bytes operations that pickles use to hide names: joins, formats, codecs,
 * slices. Gives nothing when an operand is not a known constant; results stay short.
 */
import { inflateSync, unzipSync } from 'node:zlib';
import { type BytesValue, itemsOf, sequence, text, type Value } from './values.ts';

const MAX_TEXT = 16 * 1024;

/** `value.name(args)` for a string, bytes or sequence constant. */
export function constantMethod(
  value: Value,
  name: string,
  args: readonly Value[],
): Value | undefined {
  if (value.kind === 'text') return textMethod(value.text, name, args);
  if (value.kind === 'bytes') return bytesMethod(value, name, args);
  return undefined;
}

function textMethod(self: string, name: string, args: readonly Value[]): Value | undefined {
  const strings = args.map((arg) => (arg.kind === 'text' ? arg.text : undefined));
  const [first, second] = strings;
  switch (name) {
    case 'join':
      return joined(self, args[0]);
    case 'lower':
    case 'casefold':
      return bounded(self.toLowerCase());
    case 'upper':
      return bounded(self.toUpperCase());
    case 'strip':
    case 'lstrip':
    case 'rstrip':
      return args.length === 0 ? text(self.trim()) : undefined;
    case 'capitalize':
      return text(self.slice(0, 1).toUpperCase() + self.slice(1).toLowerCase());
    case 'swapcase':
      return text(
        [...self].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join(''),
      );
    case 'replace':
      return first === undefined || second === undefined || first === ''
        ? undefined
        : bounded(self.replaceAll(first, () => second));
    case 'removeprefix':
      return first !== undefined && self.startsWith(first)
        ? text(self.slice(first.length))
        : text(self);
    case 'removesuffix':
      return first !== undefined && first !== '' && self.endsWith(first)
        ? text(self.slice(0, -first.length))
        : text(self);
    case 'split':
      return sequence(
        'list',
        (first ? self.split(first, 1000) : self.trim().split(/\s+/, 1000)).map(text),
      );
    case '__add__':
      return first === undefined ? undefined : bounded(self + first);
    case '__mod__':
      return args[0] === undefined ? undefined : formatPercent(self, args[0]);
    case 'format':
      return formatBraces(self, args);
    case '__getitem__':
      return args[0]?.kind === 'number' ? text(self.at(args[0].value) ?? '') : undefined;
    case 'encode':
      return bytesOf(Buffer.from(self, 'utf8'));
    case '__str__':
      return text(self);
    default:
      return undefined;
  }
}

function bytesMethod(self: BytesValue, name: string, args: readonly Value[]): Value | undefined {
  if (self.length > self.bytes.byteLength) return undefined;
  switch (name) {
    case 'decode':
      return decodeBytes(self, args[0]?.kind === 'text' ? args[0].text : 'utf-8');
    case 'hex':
      return bounded(Buffer.from(self.bytes).toString('hex'));
    case 'join': {
      const parts = itemsOf(args[0]).map((item) =>
        item.kind === 'bytes' ? item.bytes : undefined,
      );
      if (parts.some((part) => part === undefined)) return undefined;
      const separated = parts.flatMap((part, i) => (i === 0 ? [part] : [self.bytes, part]));
      return bytesOf(Buffer.concat(separated as Uint8Array[]));
    }
    default:
      return undefined;
  }
}

export function bytesOf(bytes: Uint8Array): BytesValue {
  return { kind: 'bytes', bytes: bytes.subarray(0, MAX_TEXT), length: bytes.byteLength };
}

/** `left + right` for strings, bytes and sequences. */
export function concatenate(left: Value | undefined, right: Value | undefined): Value | undefined {
  if (left?.kind === 'text' && right?.kind === 'text') return bounded(left.text + right.text);
  if (left?.kind === 'bytes' && right?.kind === 'bytes')
    return bytesOf(Buffer.concat([left.bytes, right.bytes]));
  if (left !== undefined && right !== undefined && 'items' in left && 'items' in right)
    return sequence(left.kind, [...left.items, ...right.items]);
  if (left?.kind === 'number' && right?.kind === 'number')
    return { kind: 'number', value: left.value + right.value };
  return undefined;
}

/** Python's `%` on a string. */
export function formatPercent(template: string, values: Value): Value | undefined {
  const items = values.kind === 'tuple' ? values.items : [values];
  let next = 0;
  let known = true;
  const result = template.replaceAll(/%([sdrc%])/g, (_whole, type: string) => {
    if (type === '%') return '%';
    const shown = plain(items[next++]);
    if (shown === undefined) known = false;
    return shown ?? '';
  });
  return known ? bounded(result) : undefined;
}

function formatBraces(template: string, args: readonly Value[]): Value | undefined {
  let next = 0;
  let known = true;
  const result = template.replaceAll(/\{(\d*)\}/g, (_whole, index: string) => {
    const shown = plain(args[index === '' ? next++ : Number(index)]);
    if (shown === undefined) known = false;
    return shown ?? '';
  });
  return known ? bounded(result) : undefined;
}

function plain(value: Value | undefined): string | undefined {
  if (value?.kind === 'text') return value.text;
  return value?.kind === 'number' ? String(value.value) : undefined;
}

function joined(separator: string, parts: Value | undefined): Value | undefined {
  if (parts?.kind === 'text') return bounded([...parts.text].join(separator));
  const items = itemsOf(parts);
  const texts = items.map((item) => (item.kind === 'text' ? item.text : undefined));
  return texts.some((item) => item === undefined) ? undefined : bounded(texts.join(separator));
}

function bounded(value: string): Value {
  return { kind: 'text', text: value.slice(0, MAX_TEXT), complete: value.length <= MAX_TEXT };
}

/** `codecs.decode`, `bytes.decode`. */
export function decodeBytes(value: Value | undefined, encoding: string): Value | undefined {
  const codec = encoding.toLowerCase().replaceAll(/[-_ ]/g, '');
  if (codec === 'rot13' && value?.kind === 'text') return text(rot13(value.text));
  const raw =
    value?.kind === 'bytes'
      ? value.bytes
      : value?.kind === 'text'
        ? Buffer.from(value.text)
        : undefined;
  if (raw === undefined) return undefined;
  const buffer = Buffer.from(raw);
  switch (codec) {
    case 'utf8':
    case 'ascii':
    case 'utf':
      return bounded(buffer.toString('utf8'));
    case 'latin1':
    case 'iso88591':
      return bounded(buffer.toString('latin1'));
    case 'hex':
    case 'hexcodec':
      return bytesOf(Buffer.from(buffer.toString('latin1'), 'hex'));
    case 'base64':
    case 'base64codec':
      return bytesOf(Buffer.from(buffer.toString('latin1'), 'base64'));
    case 'zip':
    case 'zlib':
    case 'zlibcodec':
      return inflated(buffer);
    case 'rot13':
      return text(rot13(buffer.toString('latin1')));
    default:
      return undefined;
  }
}

/** `codecs.encode`; how protocols 0 to 2 carry bytes is `encode(text, 'latin1')`. */
export function encodeText(value: Value | undefined, encoding: string): Value | undefined {
  const codec = encoding.toLowerCase().replaceAll(/[-_ ]/g, '');
  if (value?.kind !== 'text') return codec === 'rot13' ? decodeBytes(value, 'rot13') : undefined;
  if (codec === 'rot13') return text(rot13(value.text));
  if (codec === 'latin1' || codec === 'iso88591') {
    const bytes = Buffer.from(value.text, 'latin1');
    return {
      kind: 'bytes',
      bytes,
      length: value.complete ? bytes.byteLength : Number.POSITIVE_INFINITY,
      ...(value.range !== undefined && { latin1Range: value.range }),
    };
  }
  return codec === 'utf8' || codec === 'ascii' ? bytesOf(Buffer.from(value.text)) : undefined;
}

export function inflated(raw: Uint8Array): Value | undefined {
  try {
    return bytesOf(inflateSync(raw, { maxOutputLength: MAX_TEXT }));
  } catch {
    try {
      return bytesOf(unzipSync(raw, { maxOutputLength: MAX_TEXT }));
    } catch {
      return undefined;
    }
  }
}

function rot13(value: string): string {
  return value.replaceAll(/[A-Za-z]/g, (char) => {
    const base = char <= 'Z' ? 65 : 97;
    return String.fromCharCode(((char.charCodeAt(0) - base + 13) % 26) + base);
  });
}
