/**
 * Reads a chat template to a tree, never renders it. The grammar is the parser of `@huggingface/jinja`; ours are
 * the lexer (positions, Python's escapes, limits) and the copy into plain nodes with offsets. The parser keeps no
 * positions, but a walk in source order meets the same literals as the token list, so they are matched up.
 */
import { parse } from '@huggingface/jinja';
import { ScanError } from '../../errors.ts';
import { adaptDialect } from './dialect.ts';
import { lexTemplate, TEMPLATE_LIMITS, type TemplateToken } from './lexer.ts';
import type { Expression, Keyword, Statement, TemplateTree } from './tree.ts';

/** @throws ScanError `E_FORMAT` when Jinja would refuse the text too, `E_LIMIT` beyond `TEMPLATE_LIMITS`. */
export function parseTemplate(source: string): TemplateTree {
  const { tokens, loads, comments } = adaptDialect(lexTemplate(source));
  checkBlockNesting(tokens);
  let program: unknown;
  try {
    program = parse(tokens as Parameters<typeof parse>[0]);
  } catch (thrown) {
    if (thrown instanceof RangeError) {
      throw new ScanError('E_LIMIT', 'a template is nested too deeply', { cause: thrown });
    }
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new ScanError('E_FORMAT', `the template cannot be read: ${shorten(why)}`, {
      cause: thrown,
    });
  }
  const copy = new TreeCopy(tokens);
  return { body: copy.statements(field(program, 'body')), loads, comments };
}

/** Parser errors about a missing token are JavaScript's own; say what they mean. */
function shorten(why: string): string {
  return why.includes('undefined') ? 'it ends inside a tag or block' : why.slice(0, 160);
}

function checkBlockNesting(tokens: readonly TemplateToken[]): void {
  let depth = 0;
  for (const [index, token] of tokens.entries()) {
    if (token.type !== 'OpenStatement') continue;
    const name = tokens[index + 1]?.value ?? '';
    // `elif` nests in the tree although it does not in the text, but a long chain of it is cheap.
    if (['if', 'for', 'macro', 'call', 'filter'].includes(name)) depth += 1;
    else if (name.startsWith('end')) depth -= 1;
    if (depth > TEMPLATE_LIMITS.maxNesting) {
      throw new ScanError('E_LIMIT', 'blocks are nested too deeply', {
        byteOffset: token.offset,
      });
    }
  }
}

function field(node: unknown, name: string): unknown {
  return typeof node === 'object' && node !== null
    ? (node as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

function nodes(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

const LOOKAHEAD_TOKENS = 400;

class TreeCopy {
  readonly #tokens: readonly TemplateToken[];
  #cursor = 0;
  #last = 0;
  #depth = 0;

  constructor(tokens: readonly TemplateToken[]) {
    this.#tokens = tokens;
  }

  #locate(value: string, string = false): number {
    const end = Math.min(this.#tokens.length, this.#cursor + LOOKAHEAD_TOKENS);
    for (let at = this.#cursor; at < end; at += 1) {
      const token = this.#tokens[at];
      if (token === undefined) break;
      const literal = token.type === 'Text' || token.type === 'StringLiteral';
      const same = string
        ? literal && value.startsWith(token.value)
        : !literal && token.value === value;
      if (!same) continue;
      this.#cursor = at + 1;
      this.#last = token.offset;
      break;
    }
    return this.#last;
  }

  statements(list: unknown): Statement[] {
    const out: Statement[] = [];
    for (const node of nodes(list)) {
      const statement = this.#statement(node);
      if (statement !== undefined) out.push(statement);
    }
    return out;
  }

  #descend<T>(read: () => T): T {
    this.#depth += 1;
    if (this.#depth > TEMPLATE_LIMITS.maxTreeDepth) {
      throw new ScanError('E_LIMIT', 'a template is nested too deeply', {
        byteOffset: this.#last,
      });
    }
    const value = read();
    this.#depth -= 1;
    return value;
  }

  #statement(node: unknown): Statement | undefined {
    return this.#descend(() => this.#readStatement(node));
  }

  #expression(node: unknown): Expression {
    return this.#descend(() => this.#readExpression(node));
  }

  #readStatement(node: unknown): Statement | undefined {
    switch (field(node, 'type')) {
      case 'If': {
        const test = this.#expression(field(node, 'test'));
        const body = this.statements(field(node, 'body'));
        const otherwise = this.statements(field(node, 'alternate'));
        return { kind: 'if', test, body, otherwise, offset: test.offset };
      }
      case 'For': {
        const target = this.#expression(field(node, 'loopvar'));
        const iterable = this.#expression(field(node, 'iterable'));
        const body = this.statements(field(node, 'body'));
        const otherwise = this.statements(field(node, 'defaultBlock'));
        const targets = namesIn(target);
        return { kind: 'for', targets, iterable, body, otherwise, offset: target.offset };
      }
      case 'Set': {
        const target = this.#expression(field(node, 'assignee'));
        const raw = field(node, 'value');
        if (raw !== null) {
          return { kind: 'set', target, value: this.#expression(raw), offset: target.offset };
        }
        const body = this.statements(field(node, 'body'));
        return { kind: 'capture', target, body, offset: target.offset };
      }
      case 'Macro': {
        const name = this.#name(field(node, 'name'));
        const offset = this.#last;
        const { parameters, defaults } = this.#parameters(field(node, 'args'));
        const body = this.statements(field(node, 'body'));
        return { kind: 'macro', name, parameters, defaults, body, offset };
      }
      case 'CallStatement': {
        const call = this.#expression(field(node, 'call'));
        const body = this.statements(field(node, 'body'));
        return { kind: 'call-block', call, body, offset: call.offset };
      }
      case 'FilterStatement': {
        const { name, args } = this.#filter(field(node, 'filter'));
        const offset = this.#last;
        const body = this.statements(field(node, 'body'));
        return { kind: 'filter-block', name, args, body, offset };
      }
      case 'Break':
      case 'Continue':
      case 'Comment':
        return undefined;
      default: {
        const value = this.#expression(node);
        return { kind: 'output', value, offset: value.offset };
      }
    }
  }

  #parameters(list: unknown): { parameters: string[]; defaults: Keyword[] } {
    const parameters: string[] = [];
    const defaults: Keyword[] = [];
    for (const node of nodes(list)) {
      if (field(node, 'type') === 'KeywordArgumentExpression') {
        const keyword = this.#keyword(node);
        parameters.push(keyword.name);
        defaults.push(keyword);
      } else parameters.push(this.#name(node));
    }
    return { parameters, defaults };
  }

  #name(node: unknown): string {
    const value = String(field(node, 'value'));
    this.#locate(value);
    return value;
  }

  #keyword(node: unknown): Keyword {
    const name = this.#name(field(node, 'key'));
    return { name, value: this.#expression(field(node, 'value')) };
  }

  #arguments(list: unknown): { args: Expression[]; keywords: Keyword[] } {
    const args: Expression[] = [];
    const keywords: Keyword[] = [];
    for (const node of nodes(list)) {
      if (field(node, 'type') === 'KeywordArgumentExpression') keywords.push(this.#keyword(node));
      else args.push(this.#expression(node));
    }
    return { args, keywords };
  }

  #filter(node: unknown): { name: string; args: Expression[]; keywords: Keyword[] } {
    if (field(node, 'type') !== 'CallExpression') {
      return { name: this.#name(node), args: [], keywords: [] };
    }
    const name = this.#name(field(node, 'callee'));
    return { name, ...this.#arguments(field(node, 'args')) };
  }

  #readExpression(node: unknown): Expression {
    switch (field(node, 'type')) {
      case 'StringLiteral': {
        const value = String(field(node, 'value'));
        return { kind: 'string', value, offset: this.#locate(value, true) };
      }
      case 'IntegerLiteral':
      case 'FloatLiteral': {
        const value = Number(field(node, 'value'));
        return { kind: 'number', value, offset: this.#locate(String(value)) };
      }
      case 'Identifier': {
        const name = this.#name(node);
        return { kind: 'name', name, offset: this.#last };
      }
      case 'ArrayLiteral':
      case 'TupleLiteral': {
        const offset = this.#last;
        const items = nodes(field(node, 'value')).map((item) => this.#expression(item));
        return { kind: 'list', items, offset: items[0]?.offset ?? offset };
      }
      case 'ObjectLiteral': {
        const offset = this.#last;
        const map = field(node, 'value');
        const pairs = map instanceof Map ? [...map] : [];
        const entries = pairs.map(
          ([key, value]) => [this.#expression(key), this.#expression(value)] as const,
        );
        return { kind: 'dict', entries, offset: entries[0]?.[0].offset ?? offset };
      }
      case 'MemberExpression':
        return this.#member(node);
      case 'SliceExpression': {
        const offset = this.#last;
        const start = this.#optional(field(node, 'start'));
        const stop = this.#optional(field(node, 'stop'));
        const step = this.#optional(field(node, 'step'));
        return {
          kind: 'slice',
          ...(start && { start }),
          ...(stop && { stop }),
          ...(step && { step }),
          offset,
        };
      }
      case 'CallExpression': {
        const callee = this.#expression(field(node, 'callee'));
        return {
          kind: 'call',
          callee,
          ...this.#arguments(field(node, 'args')),
          offset: callee.offset,
        };
      }
      case 'FilterExpression': {
        const operand = this.#expression(field(node, 'operand'));
        const filter = this.#filter(field(node, 'filter'));
        return { kind: 'filter', operand, ...filter, offset: operand.offset };
      }
      case 'TestExpression': {
        const operand = this.#expression(field(node, 'operand'));
        const name = this.#name(field(node, 'test'));
        return { kind: 'test', operand, name, offset: operand.offset };
      }
      case 'BinaryExpression': {
        const left = this.#expression(field(node, 'left'));
        const operator = String(field(field(node, 'operator'), 'value'));
        const right = this.#expression(field(node, 'right'));
        return { kind: 'binary', operator, left, right, offset: left.offset };
      }
      case 'UnaryExpression': {
        const operand = this.#expression(field(node, 'argument'));
        const operator = String(field(field(node, 'operator'), 'value'));
        return { kind: 'unary', operator, operand, offset: operand.offset };
      }
      case 'Ternary': {
        const then = this.#expression(field(node, 'trueExpr'));
        const test = this.#expression(field(node, 'condition'));
        const otherwise = this.#expression(field(node, 'falseExpr'));
        return { kind: 'choice', test, then, otherwise, offset: then.offset };
      }
      case 'SelectExpression': {
        const then = this.#expression(field(node, 'lhs'));
        const test = this.#expression(field(node, 'test'));
        return { kind: 'choice', test, then, offset: then.offset };
      }
      case 'SpreadExpression':
      case 'KeywordSpreadExpression':
        return this.#expression(field(node, 'argument'));
      default:
        throw new ScanError('E_FORMAT', `the template holds an unknown node`, {
          byteOffset: this.#last,
        });
    }
  }

  #optional(node: unknown): Expression | undefined {
    return node === undefined ? undefined : this.#expression(node);
  }

  #member(node: unknown): Expression {
    const object = this.#expression(field(node, 'object'));
    const raw = field(node, 'property');
    const property = this.#expression(raw);
    // `a.b` names the key "b"; `a[b]` reads the variable b.
    const named: Expression =
      field(node, 'computed') !== true && property.kind === 'name'
        ? { kind: 'string', value: property.name, offset: property.offset }
        : property;
    return { kind: 'member', object, property: named, offset: object.offset };
  }
}

function namesIn(target: Expression): string[] {
  if (target.kind === 'name') return [target.name];
  return target.kind === 'list' ? target.items.flatMap(namesIn) : [];
}
