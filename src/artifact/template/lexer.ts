/**
 * Cuts a Jinja template into tokens with the rules of Python's Jinja2, which is what loaders run. The lexer of
 * `@huggingface/jinja` gives no positions and refuses escapes that Python accepts (`"\137"`, `"\d"`, `\N{…}`),
 * so a hostile template could hide behind it. Token types are those that its parser takes.
 */
import { ScanError } from '../../errors.ts';

export interface TemplateToken {
  readonly type: string;
  readonly value: string;
  /** UTF-16 units from the start of the template. */
  readonly offset: number;
}

export const TEMPLATE_LIMITS = {
  maxChars: 1 << 20,
  maxTokens: 60_000,
  maxTagTokens: 4_000,
  maxNesting: 64,
  /** Long chains of one operator are deep trees too. */
  maxTreeDepth: 800,
} as const;

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  "'": "'",
  '"': '"',
  '\\': '\\',
  '\n': '',
};

const ESCAPE =
  /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|N\{[^}]{0,80}\}|([\s\S]))/g;

/** Python's `unicode-escape`: an unknown escape keeps its backslash, a named character becomes U+FFFD. */
export function unescapeString(raw: string): string {
  if (!raw.includes('\\')) return raw;
  return raw.replace(ESCAPE, (whole, x, u, big, octal, other) => {
    const hex: string | undefined = x ?? u ?? big;
    if (hex !== undefined) return codePoint(Number.parseInt(hex, 16));
    if (octal !== undefined) return codePoint(Number.parseInt(octal, 8));
    if (other === undefined) return '\ufffd';
    return SIMPLE_ESCAPES[other] ?? whole;
  });
}

function codePoint(value: number): string {
  return value <= 0x10ffff ? String.fromCodePoint(value) : '\ufffd';
}

const OPERATORS: readonly (readonly [string, string])[] = [
  ['**', 'ExponentiationBinaryOperator'],
  ['//', 'MultiplicativeBinaryOperator'],
  ['<=', 'ComparisonBinaryOperator'],
  ['>=', 'ComparisonBinaryOperator'],
  ['==', 'ComparisonBinaryOperator'],
  ['!=', 'ComparisonBinaryOperator'],
  ['<', 'ComparisonBinaryOperator'],
  ['>', 'ComparisonBinaryOperator'],
  ['+', 'AdditiveBinaryOperator'],
  ['-', 'AdditiveBinaryOperator'],
  ['~', 'AdditiveBinaryOperator'],
  ['*', 'MultiplicativeBinaryOperator'],
  ['/', 'MultiplicativeBinaryOperator'],
  ['%', 'MultiplicativeBinaryOperator'],
  ['=', 'Equals'],
  ['(', 'OpenParen'],
  [')', 'CloseParen'],
  ['[', 'OpenSquareBracket'],
  [']', 'CloseSquareBracket'],
  ['{', 'OpenCurlyBracket'],
  ['}', 'CloseCurlyBracket'],
  [',', 'Comma'],
  ['.', 'Dot'],
  [':', 'Colon'],
  ['|', 'Pipe'],
];

const WHITESPACE = /\s*/y;
const NUMBER =
  /(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[0-9][0-9_]*(?:\.[0-9][0-9_]*)?(?:[eE][+-]?[0-9]+)?)/y;
const NAME = /[\p{L}\p{N}_]+/uy;
const RAW_END = /\{%[-+]?\s*endraw\s*[-+]?%\}/g;
const RAW_START = /\{%[-+]?\s*raw\s*[-+]?%\}/y;

/** @throws ScanError `E_FORMAT` for text that is no template, `E_LIMIT` for one that is too large or too deep. */
export function lexTemplate(source: string): TemplateToken[] {
  if (source.length > TEMPLATE_LIMITS.maxChars) {
    throw new ScanError('E_LIMIT', `a template of ${source.length} characters is too long to read`);
  }
  return new Lexer(source).run();
}

class Lexer {
  readonly #source: string;
  readonly #tokens: TemplateToken[] = [];
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  run(): TemplateToken[] {
    while (this.#at < this.#source.length) this.#next();
    return this.#tokens;
  }

  #push(type: string, value: string, offset: number): void {
    if (this.#tokens.length >= TEMPLATE_LIMITS.maxTokens) {
      throw new ScanError('E_LIMIT', `a template has over ${TEMPLATE_LIMITS.maxTokens} tokens`);
    }
    this.#tokens.push({ type, value, offset });
  }

  #next(): void {
    const start = this.#at;
    let open = start;
    while (open < this.#source.length) {
      open = this.#source.indexOf('{', open);
      if (open < 0) open = this.#source.length;
      const second = this.#source[open + 1];
      if (second === '%' || second === '{' || second === '#') break;
      open += 1;
    }
    open = Math.min(open, this.#source.length);
    if (open > start) this.#push('Text', this.#source.slice(start, open), start);
    this.#at = open;
    if (open >= this.#source.length) return;
    const second = this.#source[open + 1];
    if (second === '#') this.#comment();
    else if (second === '%') this.#statement();
    else this.#tag('OpenExpression', '{{', 'CloseExpression', '}}');
  }

  #comment(): void {
    const end = this.#source.indexOf('#}', this.#at + 2);
    if (end < 0) this.#fail('a comment is never closed', this.#at);
    this.#push('Comment', this.#source.slice(this.#at + 2, end), this.#at);
    this.#at = end + 2;
  }

  #statement(): void {
    RAW_START.lastIndex = this.#at;
    const raw = RAW_START.exec(this.#source);
    if (raw === null) {
      this.#tag('OpenStatement', '{%', 'CloseStatement', '%}');
      return;
    }
    const from = this.#at + raw[0].length;
    RAW_END.lastIndex = from;
    const end = RAW_END.exec(this.#source);
    if (end === null) this.#fail('a raw block is never closed', this.#at);
    if (end.index > from) this.#push('Text', this.#source.slice(from, end.index), from);
    this.#at = end.index + end[0].length;
  }

  #tag(openType: string, open: string, closeType: string, close: string): void {
    const start = this.#at;
    this.#push(openType, open, start);
    this.#at += 2;
    const modifier = this.#source[this.#at];
    if (modifier === '-' || modifier === '+') this.#at += 1;
    const firstToken = this.#tokens.length;
    const brackets: string[] = [];
    for (;;) {
      this.#skip(WHITESPACE);
      if (this.#at >= this.#source.length) this.#fail('a tag is never closed', start);
      if (this.#tokens.length - firstToken > TEMPLATE_LIMITS.maxTagTokens) {
        throw new ScanError('E_LIMIT', 'a template tag is too long', { byteOffset: start });
      }
      if (brackets.length === 0 && this.#closes(close)) break;
      this.#inner(brackets);
    }
    this.#push(closeType, close, this.#at);
    this.#at += 2;
  }

  #closes(close: string): boolean {
    if (this.#source.startsWith(close, this.#at)) return true;
    const modifier = this.#source[this.#at];
    if ((modifier === '-' || modifier === '+') && this.#source.startsWith(close, this.#at + 1)) {
      this.#at += 1;
      return true;
    }
    return false;
  }

  #inner(brackets: string[]): void {
    const offset = this.#at;
    const char = this.#source[offset] ?? '';
    if (char === "'" || char === '"') this.#string(char);
    else if (!this.#number() && !this.#name()) this.#operator(brackets);
  }

  #number(): boolean {
    const offset = this.#at;
    const found = this.#match(NUMBER);
    if (found === undefined) return false;
    // `x.0.y` is a chain of subscripts, so a number after a dot takes no fraction.
    const afterDot = this.#tokens.at(-1)?.type === 'Dot';
    const text = afterDot ? (found.split('.')[0] ?? found) : found;
    this.#at = offset + text.length;
    this.#push('NumericLiteral', String(Number(text.replaceAll('_', ''))), offset);
    return true;
  }

  #name(): boolean {
    const offset = this.#at;
    const found = this.#match(NAME);
    if (found === undefined) return false;
    this.#push('Identifier', found, offset);
    return true;
  }

  #operator(brackets: string[]): void {
    const offset = this.#at;
    const known = OPERATORS.find(([text]) => this.#source.startsWith(text, offset));
    if (known === undefined) {
      this.#fail(`unexpected character ${JSON.stringify(this.#source[offset])}`, offset);
    }
    const [text, type] = known;
    this.#nest(text, brackets, offset);
    this.#at += text.length;
    this.#push(type, text, offset);
  }

  #nest(text: string, brackets: string[], offset: number): void {
    if ('([{'.includes(text)) {
      brackets.push(text);
      if (brackets.length > TEMPLATE_LIMITS.maxNesting) {
        throw new ScanError('E_LIMIT', 'brackets are nested too deeply', { byteOffset: offset });
      }
    } else if (')]}'.includes(text)) brackets.pop();
  }

  #string(quote: string): void {
    const start = this.#at;
    let end = start + 1;
    while (end < this.#source.length && this.#source[end] !== quote) {
      end += this.#source[end] === '\\' ? 2 : 1;
    }
    if (end >= this.#source.length) this.#fail('a string is never closed', start);
    this.#push('StringLiteral', unescapeString(this.#source.slice(start + 1, end)), start);
    this.#at = end + 1;
  }

  #skip(pattern: RegExp): void {
    pattern.lastIndex = this.#at;
    pattern.exec(this.#source);
    this.#at = Math.max(this.#at, pattern.lastIndex);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0];
    if (found === undefined) return undefined;
    this.#at += found.length;
    return found;
  }

  #fail(problem: string, offset: number): never {
    throw new ScanError('E_FORMAT', `the template cannot be read: ${problem}`, {
      byteOffset: offset,
    });
  }
}
