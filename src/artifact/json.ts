/**
 * A strict JSON reader for bytes that nobody vouches for: RFC 8259 grammar, valid UTF-8, limits on depth and tokens,
 * every duplicate key reported, and the byte offset of every value.
 *
 * `JSON.parse` hides duplicate keys, which is how a checker and a loader are made to read two different files.
 * Objects inherit nothing, so `__proto__` is a key like any other. The last of two equal keys wins, as in Python.
 */
import { ScanError } from '../errors.ts';

export type JsonValue = null | boolean | number | string | JsonArray | JsonObject;
export type JsonArray = readonly JsonValue[];
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export interface JsonOptions {
  /** Nested containers; 128 unless given. */
  readonly maxDepth?: number;
  /** Values and keys in the whole document; 8 million unless given. */
  readonly maxTokens?: number;
  /** Input length; 256 MiB unless given. */
  readonly maxBytes?: number;
  /** Accept `NaN`, `Infinity` and `-Infinity`, which Python writes. */
  readonly allowNonFinite?: boolean;
  /** Stop after the first value instead of refusing what follows it. */
  readonly allowTrailing?: boolean;
  /** Remember the offset of each value; costs memory on documents with millions of values. */
  readonly positions?: boolean;
}

export interface DuplicateKey {
  /** JSON pointer of the key. */
  readonly pointer: string;
  readonly key: string;
  /** Of the later key. */
  readonly byteOffset: number;
  /** The value that the later one hides. */
  readonly hidden: JsonValue;
}

export interface JsonDocument {
  readonly value: JsonValue;
  /** The first 1,000 in document order. */
  readonly duplicates: readonly DuplicateKey[];
  readonly duplicateCount: number;
  /** First byte after the value. */
  readonly endOffset: number;
  /** Byte offset of a member's value, when positions were asked for. */
  offsetOf(container: JsonArray | JsonObject, key: string | number): number | undefined;
}

const MAX_DUPLICATES_LISTED = 1000;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads one JSON document.
 * @throws ScanError `E_FORMAT` for a grammar or UTF-8 error, `E_LIMIT` past a limit, both with the byte offset.
 */
export function readJson(bytes: Uint8Array, options: JsonOptions = {}): JsonDocument {
  return new JsonReader(bytes, options).document();
}

/** Narrows a value to an object (not an array, not null). */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isJsonArray(value: JsonValue | undefined): value is JsonArray {
  return Array.isArray(value);
}

/** One segment of a JSON pointer (RFC 6901). */
export function pointerSegment(key: string | number): string {
  return `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** 1-based line of a byte offset. */
export function lineAt(bytes: Uint8Array, byteOffset: number): number {
  let line = 1;
  const end = Math.min(byteOffset, bytes.byteLength);
  for (let at = bytes.indexOf(0x0a); at !== -1 && at < end; at = bytes.indexOf(0x0a, at + 1))
    line++;
  return line;
}

/** An object with an empty prototype chain that the engine still keeps in its compact form, unlike `Object.create(null)`. */
const Dictionary = function Dictionary() {} as unknown as new () => Record<string, JsonValue>;
Dictionary.prototype = Object.create(null);

class JsonReader {
  readonly #bytes: Buffer;
  readonly #maxDepth: number;
  readonly #maxTokens: number;
  readonly #allowNonFinite: boolean;
  readonly #allowTrailing: boolean;
  readonly #offsets: WeakMap<object, Map<string, number> | number[]> | undefined;
  readonly #path: (string | number)[] = [];
  readonly #duplicates: DuplicateKey[] = [];
  #duplicateCount = 0;
  #at = 0;
  #tokens = 0;

  constructor(bytes: Uint8Array, options: JsonOptions) {
    const maxBytes = options.maxBytes ?? 256 * 1024 * 1024;
    if (bytes.byteLength > maxBytes) {
      throw new ScanError(
        'E_LIMIT',
        `JSON of ${bytes.byteLength} bytes, the limit is ${maxBytes}`,
        {
          byteOffset: 0,
        },
      );
    }
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#maxDepth = options.maxDepth ?? 128;
    this.#maxTokens = options.maxTokens ?? 8_000_000;
    this.#allowNonFinite = options.allowNonFinite ?? false;
    this.#allowTrailing = options.allowTrailing ?? false;
    this.#offsets = options.positions === false ? undefined : new WeakMap();
  }

  document(): JsonDocument {
    if (this.#bytes[0] === 0xef && this.#bytes[1] === 0xbb && this.#bytes[2] === 0xbf) this.#at = 3;
    this.#space();
    const value = this.#value(0);
    const endOffset = this.#at;
    this.#space();
    if (!this.#allowTrailing && this.#at < this.#bytes.byteLength) {
      throw this.#error('text after the end of the JSON value');
    }
    const offsets = this.#offsets;
    return {
      value,
      duplicates: this.#duplicates,
      duplicateCount: this.#duplicateCount,
      endOffset,
      offsetOf(container, key) {
        const found = offsets?.get(container);
        return Array.isArray(found) ? found[Number(key)] : found?.get(String(key));
      },
    };
  }

  #error(problem: string, byteOffset = this.#at): ScanError {
    return new ScanError('E_FORMAT', problem, { byteOffset });
  }

  #space(): void {
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#at++;
    }
  }

  #count(): void {
    if (++this.#tokens > this.#maxTokens) {
      throw new ScanError('E_LIMIT', `more than ${this.#maxTokens} JSON values`, {
        byteOffset: this.#at,
      });
    }
  }

  #value(depth: number): JsonValue {
    this.#count();
    const byte = this.#bytes[this.#at];
    if (byte === 0x22) return this.#string();
    if (byte === 0x7b || byte === 0x5b) {
      if (depth >= this.#maxDepth) {
        throw new ScanError('E_LIMIT', `JSON nested deeper than ${this.#maxDepth}`, {
          byteOffset: this.#at,
        });
      }
      return byte === 0x7b ? this.#object(depth + 1) : this.#array(depth + 1);
    }
    if (byte === 0x74) return this.#word('true', true);
    if (byte === 0x66) return this.#word('false', false);
    if (byte === 0x6e) return this.#word('null', null);
    if (this.#allowNonFinite) {
      if (byte === 0x4e) return this.#word('NaN', Number.NaN);
      if (byte === 0x49) return this.#word('Infinity', Number.POSITIVE_INFINITY);
      if (byte === 0x2d && this.#bytes[this.#at + 1] === 0x49) {
        return this.#word('-Infinity', Number.NEGATIVE_INFINITY);
      }
    }
    return this.#number();
  }

  #word<Value>(word: string, value: Value): Value {
    const end = this.#at + word.length;
    if (this.#bytes.toString('latin1', this.#at, end) !== word) {
      throw this.#error('not a JSON value');
    }
    this.#at = end;
    return value;
  }

  #object(depth: number): JsonObject {
    const object = new Dictionary();
    const offsets = this.#offsets && new Map<string, number>();
    this.#at++;
    this.#space();
    if (this.#bytes[this.#at] === 0x7d) this.#at++;
    else {
      for (;;) {
        if (this.#bytes[this.#at] !== 0x22) throw this.#error('an object key must be a string');
        const keyOffset = this.#at;
        this.#count();
        const key = this.#string();
        this.#space();
        if (this.#bytes[this.#at] !== 0x3a) throw this.#error('no colon after an object key');
        this.#at++;
        this.#space();
        offsets?.set(key, this.#at);
        this.#path.push(key);
        if (key in object) this.#noteDuplicate(key, keyOffset, object[key] ?? null);
        object[key] = this.#value(depth);
        this.#path.pop();
        if (this.#endsWith(0x7d)) break;
      }
    }
    if (offsets) this.#offsets?.set(object, offsets);
    return object;
  }

  #array(depth: number): JsonArray {
    const array: JsonValue[] = [];
    const offsets: number[] | undefined = this.#offsets && [];
    this.#at++;
    this.#space();
    if (this.#bytes[this.#at] === 0x5d) this.#at++;
    else {
      for (;;) {
        offsets?.push(this.#at);
        this.#path.push(array.length);
        array.push(this.#value(depth));
        this.#path.pop();
        if (this.#endsWith(0x5d)) break;
      }
    }
    if (offsets) this.#offsets?.set(array, offsets);
    return array;
  }

  /** After a member: true at the closing byte, false after a comma. */
  #endsWith(close: number): boolean {
    this.#space();
    const byte = this.#bytes[this.#at];
    if (byte !== close && byte !== 0x2c) {
      throw this.#error(
        this.#at < this.#bytes.byteLength ? 'no comma between members' : 'the JSON text ends early',
      );
    }
    this.#at++;
    if (byte === close) return true;
    this.#space();
    return false;
  }

  #noteDuplicate(key: string, byteOffset: number, hidden: JsonValue): void {
    this.#duplicateCount++;
    if (this.#duplicates.length >= MAX_DUPLICATES_LISTED) return;
    const pointer = this.#path.map(pointerSegment).join('');
    this.#duplicates.push({ pointer, key, byteOffset, hidden });
  }

  #number(): number {
    const start = this.#at;
    const bytes = this.#bytes;
    if (bytes[this.#at] === 0x2d) this.#at++;
    const leading = bytes[this.#at];
    const digits = this.#digits();
    if (digits === 0) throw this.#error('not a JSON value', start);
    if (digits > 1 && leading === 0x30) throw this.#error('a number starts with zero', start);
    if (bytes[this.#at] === 0x2e) {
      this.#at++;
      if (this.#digits() === 0) throw this.#error('no digit after the decimal point');
    }
    if (bytes[this.#at] === 0x65 || bytes[this.#at] === 0x45) {
      this.#at++;
      if (bytes[this.#at] === 0x2b || bytes[this.#at] === 0x2d) this.#at++;
      if (this.#digits() === 0) throw this.#error('no digit in the exponent');
    }
    if (this.#at - start > 4096) throw this.#error('a number of more than 4096 digits', start);
    return Number(bytes.toString('latin1', start, this.#at));
  }

  #digits(): number {
    const start = this.#at;
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || byte < 0x30 || byte > 0x39) return this.#at - start;
      this.#at++;
    }
  }

  #string(): string {
    const bytes = this.#bytes;
    let at = ++this.#at;
    let partStart = at;
    let ascii = true;
    let text = '';
    for (;;) {
      const byte = bytes[at];
      if (byte === undefined) throw this.#error('a string is not closed', partStart - 1);
      if (byte === 0x22 || byte === 0x5c) {
        text += this.#plain(partStart, at, ascii);
        this.#at = at + 1;
        if (byte === 0x22) return text;
        text += this.#escape();
        at = this.#at;
        partStart = at;
        ascii = true;
        continue;
      }
      if (byte < 0x20) throw this.#error('a control character inside a string', at);
      if (byte >= 0x80) ascii = false;
      at++;
    }
  }

  #plain(start: number, end: number, ascii: boolean): string {
    if (start === end) return '';
    if (ascii) return this.#bytes.toString('latin1', start, end);
    try {
      return decoder.decode(this.#bytes.subarray(start, end));
    } catch (cause) {
      throw new ScanError('E_FORMAT', 'a string is not valid UTF-8', { byteOffset: start, cause });
    }
  }

  #escape(): string {
    const letter = String.fromCharCode(this.#bytes[this.#at] ?? 0);
    this.#at++;
    const simple = SIMPLE_ESCAPES[letter];
    if (simple !== undefined) return simple;
    const hex = this.#bytes.toString('latin1', this.#at, this.#at + 4);
    if (letter !== 'u' || !/^[0-9a-fA-F]{4}$/.test(hex)) {
      throw this.#error('not a JSON escape', this.#at - 2);
    }
    this.#at += 4;
    return String.fromCharCode(Number.parseInt(hex, 16));
  }
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
