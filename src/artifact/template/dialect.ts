/**
 * Brings the tags and tests that Python's Jinja2 knows, but the parser of `@huggingface/jinja` does not, into
 * forms that it reads. The meaning for analysis is kept: every expression stays, so nothing can hide in a `with`,
 * a `do` or the argument of a test.
 */
import type { TemplateToken } from './lexer.ts';
import type { LoadTag } from './tree.ts';

const DROPPED_TAGS: ReadonlySet<string> = new Set([
  'generation',
  'endgeneration',
  'block',
  'endblock',
  'autoescape',
  'endautoescape',
  'endwith',
]);
const LOAD_TAGS: ReadonlySet<string> = new Set(['include', 'import', 'from', 'extends']);
const LOAD_TAILS: ReadonlySet<string> = new Set(['import', 'as', 'ignore', 'with', 'without']);
const NO_ARGUMENT: ReadonlySet<string> = new Set(['and', 'or', 'not', 'else', 'if', 'is', 'in']);
const PRIMARY_START: ReadonlySet<string> = new Set([
  'StringLiteral',
  'NumericLiteral',
  'OpenParen',
  'OpenSquareBracket',
  'OpenCurlyBracket',
]);
const CLOSERS: ReadonlySet<string> = new Set([
  'CloseParen',
  'CloseSquareBracket',
  'CloseCurlyBracket',
]);
const OPENERS: ReadonlySet<string> = new Set([
  'OpenParen',
  'OpenSquareBracket',
  'OpenCurlyBracket',
]);

export interface AdaptedTokens {
  readonly tokens: readonly TemplateToken[];
  readonly loads: readonly LoadTag[];
  readonly comments: readonly { readonly text: string; readonly offset: number }[];
}

export function adaptDialect(source: readonly TemplateToken[]): AdaptedTokens {
  const tokens: TemplateToken[] = [];
  const loads: LoadTag[] = [];
  const comments: { text: string; offset: number }[] = [];
  let at = 0;
  while (at < source.length) {
    const token = source[at];
    if (token === undefined) break;
    if (token.type === 'Comment') comments.push({ text: token.value, offset: token.offset });
    else if (token.type === 'Text') tokens.push(token);
    if (token.type === 'Comment' || token.type === 'Text') {
      at += 1;
      continue;
    }
    const end = endOfTag(source, at);
    adaptTag(source.slice(at, end + 1), tokens, loads);
    at = end + 1;
  }
  return { tokens, loads, comments };
}

function endOfTag(source: readonly TemplateToken[], start: number): number {
  const close = source[start]?.type === 'OpenStatement' ? 'CloseStatement' : 'CloseExpression';
  let end = start;
  while (end < source.length - 1 && source[end]?.type !== close) end += 1;
  return end;
}

function adaptTag(tag: readonly TemplateToken[], out: TemplateToken[], loads: LoadTag[]): void {
  const [open, name] = tag;
  const close = tag.at(-1);
  if (open === undefined || name === undefined || close === undefined) return;
  const inner = adaptExpression(tag.slice(1, -1));
  if (open.type === 'OpenExpression') {
    out.push(open, ...(topLevelCommas(inner).length > 0 ? bracketed(inner) : inner), close);
    return;
  }
  const rest = inner.slice(1);
  if (DROPPED_TAGS.has(name.value)) return;
  if (name.value === 'with') {
    for (const assignment of splitAt(rest, topLevelCommas(rest))) {
      if (assignment.length > 0) out.push(open, { ...name, value: 'set' }, ...assignment, close);
    }
    return;
  }
  if (name.value === 'do' || LOAD_TAGS.has(name.value)) {
    let expression = rest;
    if (name.value !== 'do') {
      loads.push({ tag: name.value, offset: open.offset });
      const tail = rest.findIndex((t) => t.type === 'Identifier' && LOAD_TAILS.has(t.value));
      if (tail >= 0) expression = rest.slice(0, tail);
    }
    if (expression.length === 0) return;
    out.push({ ...open, type: 'OpenExpression', value: '{{' }, ...expression, {
      ...close,
      type: 'CloseExpression',
      value: '}}',
    });
    return;
  }
  const recursive = name.value === 'for' && inner.at(-1)?.value === 'recursive';
  out.push(open, ...(recursive ? inner.slice(0, -1) : inner), close);
}

/** Argument tests become comparisons, empty and one-element tuples become lists and plain values. */
function adaptExpression(tokens: readonly TemplateToken[]): TemplateToken[] {
  const out: TemplateToken[] = [];
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token === undefined) break;
    const next = tokens[at + 1];
    if (token.type === 'Comma' && next !== undefined && CLOSERS.has(next.type)) continue;
    if (token.type === 'OpenParen' && next?.type === 'CloseParen' && !callable(out.at(-1))) {
      out.push({ ...token, type: 'OpenSquareBracket', value: '[' });
      out.push({ ...next, type: 'CloseSquareBracket', value: ']' });
      at += 1;
      continue;
    }
    if (token.type === 'Identifier' && token.value === 'is') {
      const nameAt = tokens[at + 1]?.value === 'not' ? at + 2 : at + 1;
      const test = tokens[nameAt];
      const argument = tokens[nameAt + 1];
      if (test?.type === 'Identifier' && argument !== undefined && startsPrimary(argument)) {
        out.push(
          test.value === 'in'
            ? { ...test, value: 'in' }
            : { type: 'ComparisonBinaryOperator', value: '==', offset: token.offset },
        );
        at = nameAt;
        continue;
      }
    }
    out.push(token);
  }
  return out;
}

function startsPrimary(token: TemplateToken): boolean {
  if (token.type === 'Identifier') return !NO_ARGUMENT.has(token.value);
  return PRIMARY_START.has(token.type);
}

function callable(previous: TemplateToken | undefined): boolean {
  if (previous === undefined) return false;
  if (previous.type === 'Identifier') return !NO_ARGUMENT.has(previous.value);
  return CLOSERS.has(previous.type) || previous.type === 'StringLiteral';
}

function topLevelCommas(tokens: readonly TemplateToken[]): number[] {
  const commas: number[] = [];
  let depth = 0;
  for (const [index, token] of tokens.entries()) {
    if (OPENERS.has(token.type)) depth += 1;
    else if (CLOSERS.has(token.type)) depth -= 1;
    else if (token.type === 'Comma' && depth === 0) commas.push(index);
  }
  return commas;
}

function splitAt(tokens: readonly TemplateToken[], commas: readonly number[]): TemplateToken[][] {
  const parts: TemplateToken[][] = [];
  let start = 0;
  for (const comma of [...commas, tokens.length]) {
    parts.push(tokens.slice(start, comma));
    start = comma + 1;
  }
  return parts;
}

function bracketed(tokens: readonly TemplateToken[]): TemplateToken[] {
  const offset = tokens[0]?.offset ?? 0;
  return [
    { type: 'OpenSquareBracket', value: '[', offset },
    ...tokens,
    { type: 'CloseSquareBracket', value: ']', offset },
  ];
}
