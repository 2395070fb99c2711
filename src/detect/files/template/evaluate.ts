/**
 * Abstract evaluation of template expressions: constants are folded, user text is followed, nothing is run.
 * Attribute names that come out of the folding, rewriting of user text and huge repetitions go to the sink.
 */
import type { Expression, Keyword } from '../../../artifact/template/tree.ts';
import { comparison, originOfCall, pick, TEXT_KEYS } from './access.ts';
import { formatFields, formatPercent, sliceText } from './fold.ts';
import { applyOperation, type OperationSink } from './operations.ts';
import {
  combine,
  constant,
  from,
  HOLE,
  join,
  knownTexts,
  mergeTriggers,
  type Trigger,
  UNKNOWN,
  type Value,
} from './value.ts';

export interface FlowSink extends OperationSink {
  /** A key or attribute that is read, with its folded name. */
  attribute(name: string, offset: number): void;
  /** An attribute whose name is only known at run time, through `attr` or `map(attribute=…)`. */
  dynamicAttribute(offset: number): void;
  /** A free variable: neither set by the template nor part of the expected context is decided by the caller. */
  freeName(name: string, offset: number): void;
  /** A repetition or range with a constant count. */
  repetition(count: number, offset: number): void;
}

/** Where the data that loaders pass in comes from. */
const CONTEXT: Readonly<Record<string, Value>> = {
  messages: from('conversation'),
  conversation: from('conversation'),
  history: from('conversation'),
  message: from('message'),
  prompt: from('content'),
  query: from('content'),
  date_string: from('time'),
  current_date: from('time'),
};

const COMPARISONS: ReadonlySet<string> = new Set([
  '==',
  '!=',
  '<',
  '>',
  '<=',
  '>=',
  'in',
  'not in',
]);

export class Evaluator {
  readonly variables = new Map<string, Value>();
  readonly #sink: FlowSink;
  readonly #scopes: ReadonlyMap<string, string>[] = [];

  constructor(sink: FlowSink) {
    this.#sink = sink;
  }

  evaluate(expression: Expression): Value {
    switch (expression.kind) {
      case 'string':
        return constant(expression.value);
      case 'number':
        return { number: expression.value, triggers: [] };
      case 'name':
        return this.#name(expression.name, expression.offset);
      case 'list': {
        const items = expression.items.map((item) => this.evaluate(item));
        return { items, triggers: mergeTriggers(...items.map((item) => item.triggers)) };
      }
      case 'dict':
        return this.#dict(
          expression.entries.map(([key, value]) => [this.evaluate(key), this.evaluate(value)]),
        );
      case 'member':
        return this.#member(expression);
      case 'slice':
        return UNKNOWN;
      case 'call':
        return this.#call(expression);
      case 'filter':
        return this.#filter(expression);
      case 'test': {
        const value = this.evaluate(expression.operand);
        return from(undefined, value.triggers);
      }
      case 'binary':
        return this.#binary(expression);
      case 'unary': {
        const value = this.evaluate(expression.operand);
        if (expression.operator === '-' && value.number !== undefined) {
          return { number: -value.number, triggers: value.triggers };
        }
        return from(undefined, value.triggers);
      }
      case 'choice': {
        const test = this.evaluate(expression.test);
        const then = this.evaluate(expression.then);
        const value =
          expression.otherwise === undefined
            ? then
            : join(then, this.evaluate(expression.otherwise));
        return { ...value, triggers: mergeTriggers(value.triggers, test.triggers) };
      }
    }
  }

  assign(target: Expression, value: Value): void {
    const key = this.#targetKey(target);
    if (key !== undefined) this.#store(key, value);
  }

  /** Joins with what the name already holds: the analysis does not depend on the order of statements. */
  define(name: string, value: Value): void {
    this.#store(this.#key(name), value);
  }

  /** Runs `work` with names of a macro or loop that hide those outside. */
  inScope<Result>(id: string, names: readonly string[], work: () => Result): Result {
    this.#scopes.push(new Map(names.map((name) => [name, scoped(id, name)])));
    const result = work();
    this.#scopes.pop();
    return result;
  }

  #key(name: string): string {
    for (let at = this.#scopes.length - 1; at >= 0; at -= 1) {
      const key = this.#scopes[at]?.get(name);
      if (key !== undefined) return key;
    }
    return name;
  }

  #store(name: string, value: Value): void {
    const known = this.variables.get(name);
    this.variables.set(name, known === undefined ? value : join(known, value));
    if (value.entries !== undefined) {
      for (const [key, entry] of value.entries) {
        const path = `${name}.${key}`;
        const before = this.variables.get(path);
        this.variables.set(path, before === undefined ? entry : join(before, entry));
      }
    }
  }

  #targetKey(target: Expression): string | undefined {
    if (target.kind === 'name') return this.#key(target.name);
    if (target.kind === 'filter') return this.#targetKey(target.operand);
    if (target.kind !== 'member' || target.object.kind !== 'name') return undefined;
    const [property] = knownTexts(this.evaluate(target.property));
    return property === undefined ? undefined : `${this.#key(target.object.name)}.${property}`;
  }

  #name(name: string, offset: number): Value {
    const key = this.#key(name);
    const value = this.variables.get(key);
    if (key !== name) return value ?? UNKNOWN;
    if (value !== undefined) {
      const context = Object.hasOwn(CONTEXT, name) ? CONTEXT[name] : undefined;
      return context === undefined ? value : join(value, context);
    }
    this.#sink.freeName(name, offset);
    return (Object.hasOwn(CONTEXT, name) ? CONTEXT[name] : undefined) ?? UNKNOWN;
  }

  #dict(entries: readonly (readonly [Value, Value])[]): Value {
    const map = new Map<string, Value>();
    for (const [index, [key, value]] of entries.entries()) {
      const keys = knownTexts(key);
      // A key that is no text (`true`, a number) keeps its value reachable for lookups with an unknown key.
      for (const text of keys.length > 0 ? keys : [`\0${index}`]) map.set(text, value);
    }
    const triggers = mergeTriggers(...entries.flat().map((value) => value.triggers));
    return { entries: map, items: entries.map(([key]) => key), triggers };
  }

  #member(expression: Expression & { kind: 'member' }): Value {
    const { object: target, property } = expression;
    const object = this.evaluate(target);
    if (property.kind === 'slice') return this.#slice(object, property);
    const index = this.evaluate(property);
    const names = knownTexts(index);
    for (const name of names) this.#sink.attribute(name, property.offset);
    const triggers = mergeTriggers(object.triggers, index.triggers);
    const isPath = target.kind === 'name' && names.length === 1;
    const path = isPath ? `${this.#key(target.name)}.${names[0]}` : '';
    const stored = this.variables.get(path);
    if (stored !== undefined) {
      return { ...stored, triggers: mergeTriggers(stored.triggers, index.triggers) };
    }
    if (target.kind === 'name' && target.name === 'loop') {
      return names.some((name) => name === 'previtem' || name === 'nextitem')
        ? from('message', triggers)
        : from(undefined, triggers);
    }
    const value = pick(object, index, names);
    return { ...value, triggers: mergeTriggers(value.triggers, triggers) };
  }

  #slice(object: Value, slice: Expression & { kind: 'slice' }): Value {
    const bound = (part: Expression | undefined): number | undefined =>
      part === undefined ? undefined : this.evaluate(part).number;
    const [start, stop, step] = [bound(slice.start), bound(slice.stop), bound(slice.step)];
    const exact =
      (slice.start === undefined || start !== undefined) &&
      (slice.stop === undefined || stop !== undefined) &&
      (slice.step === undefined || step !== undefined);
    if (object.texts === undefined || !exact) {
      const { texts: _, ...rest } = object;
      return rest;
    }
    return { ...object, texts: object.texts.map((text) => sliceText(text, start, stop, step)) };
  }

  #binary(expression: Expression & { kind: 'binary' }): Value {
    const { operator } = expression;
    const left = this.evaluate(expression.left);
    const right = this.evaluate(expression.right);
    const triggers = mergeTriggers(left.triggers, right.triggers);
    if (COMPARISONS.has(operator)) {
      const found = [
        ...comparison(left, right, operator, expression.offset),
        ...comparison(right, left, operator, expression.offset),
      ];
      return from(undefined, mergeTriggers(triggers, found));
    }
    if (operator === 'and' || operator === 'or') return { ...join(left, right), triggers };
    if (operator === '~') return combine(left, right, (a, b) => a + b);
    if (operator === '+') return this.#plus(left, right);
    if (operator === '%' && left.texts !== undefined) {
      const args = right.items ?? [right];
      const values = args.map((item) => item.number ?? knownTexts(item)[0] ?? HOLE);
      return { texts: left.texts.map((text) => formatPercent(text, values)), triggers };
    }
    if (operator === '*') return this.#times(left, right, expression.offset);
    return arithmetic(operator, left, right, triggers);
  }

  #plus(left: Value, right: Value): Value {
    if (left.number !== undefined && right.number !== undefined) {
      return {
        number: left.number + right.number,
        triggers: mergeTriggers(left.triggers, right.triggers),
      };
    }
    const lists = left.items !== undefined || right.items !== undefined;
    if (lists || left.origin === 'conversation' || right.origin === 'conversation') {
      return join(left, right);
    }
    return combine(left, right, (a, b) => a + b);
  }

  #times(left: Value, right: Value, offset: number): Value {
    const triggers = mergeTriggers(left.triggers, right.triggers);
    const [text, count] = left.texts === undefined ? [right, left] : [left, right];
    if (text.texts === undefined) {
      const number = (left.number ?? Number.NaN) * (right.number ?? Number.NaN);
      if (count.number !== undefined && text.items !== undefined) {
        this.#sink.repetition(count.number, offset);
      }
      return Number.isNaN(number) ? { triggers } : { number, triggers };
    }
    if (count.number === undefined) return { texts: text.texts, triggers };
    const longest = Math.max(...text.texts.map((t) => t.length));
    this.#sink.repetition(count.number * longest, offset);
    const times = Math.max(0, Math.min(count.number, 4096));
    return { texts: text.texts.map((t) => t.repeat(times).slice(0, 4096)), triggers };
  }

  #call(expression: Expression & { kind: 'call' }): Value {
    const { callee } = expression;
    const args = expression.args.map((arg) => this.evaluate(arg));
    const keywords = this.#keywords(expression.keywords);
    if (callee.kind === 'name') return this.#function(callee.name, args, keywords, callee.offset);
    if (callee.kind === 'member' && callee.property.kind !== 'slice') {
      const object = this.evaluate(callee.object);
      const names = knownTexts(this.evaluate(callee.property));
      for (const name of names) this.#sink.attribute(name, callee.property.offset);
      const [method] = names;
      if (method === 'format' || method === 'format_map') this.#formatFields(object, callee.offset);
      if (callee.object.kind === 'name' && (method === 'append' || method === 'extend')) {
        for (const arg of args) this.define(callee.object.name, { items: [arg], triggers: [] });
      }
      return applyOperation(
        'method',
        method ?? '',
        object,
        args,
        keywords,
        expression.offset,
        this.#sink,
      );
    }
    const target = this.evaluate(callee);
    return from(originOfCall(args), mergeTriggers(target.triggers, ...args.map((a) => a.triggers)));
  }

  #function(
    name: string,
    args: readonly Value[],
    keywords: ReadonlyMap<string, Value>,
    offset: number,
  ): Value {
    const all = [...args, ...keywords.values()];
    const triggers = mergeTriggers(...all.map((value) => value.triggers));
    const macro = this.variables.get(`${name}()`);
    if (macro !== undefined) {
      const parameters = knownTexts(macro);
      for (const [index, arg] of args.entries()) {
        const parameter = parameters[index];
        if (parameter !== undefined) this.#store(scoped(`${name}()`, parameter), arg);
      }
      for (const [key, value] of keywords) {
        if (parameters.includes(key)) this.#store(scoped(`${name}()`, key), value);
      }
      const result = this.variables.get(`${name}() result`) ?? UNKNOWN;
      return { ...result, triggers: mergeTriggers(triggers, result.triggers) };
    }
    switch (name) {
      case 'namespace':
      case 'dict':
        return {
          ...(args[0] ?? UNKNOWN),
          entries: keywords,
          items: [...keywords.keys()].map(constant),
          triggers,
        };
      case 'range': {
        const count = Math.max(0, ...args.map((arg) => arg.number ?? 0));
        this.#sink.repetition(count, offset);
        return from(undefined, triggers);
      }
      case 'strftime_now':
      case 'now':
        return from('time', triggers);
      case 'raise_exception':
        return UNKNOWN;
      default: {
        this.#name(name, offset);
        return from(originOfCall(all), triggers);
      }
    }
  }

  #filter(expression: Expression & { kind: 'filter' }): Value {
    const operand = this.evaluate(expression.operand);
    const args = expression.args.map((arg) => this.evaluate(arg));
    const keywords = this.#keywords(expression.keywords);
    const { name, offset } = expression;
    if (name === 'attr') return this.#attribute(operand, args[0], offset);
    if (name === 'map' || name === 'groupby' || name === 'sort' || name === 'unique') {
      const attribute = keywords.get('attribute') ?? (name === 'map' ? undefined : args[0]);
      const isAttr = name === 'map' && knownTexts(args[0] ?? UNKNOWN)[0] === 'attr';
      const path = isAttr ? args[1] : attribute;
      if (path !== undefined) return this.#attribute(operand, path, offset);
    }
    if (name === 'selectattr' || name === 'rejectattr') {
      for (const text of knownTexts(args[0] ?? UNKNOWN)) this.#path(text, offset);
    }
    if (name === 'format') this.#formatFields(operand, offset);
    return applyOperation('filter', name, operand, args, keywords, offset, this.#sink);
  }

  #attribute(operand: Value, path: Value | undefined, offset: number): Value {
    const names = knownTexts(path ?? UNKNOWN);
    if (names.length === 0 && path?.number === undefined) this.#sink.dynamicAttribute(offset);
    for (const name of names) this.#path(name, offset);
    const last = names[0]?.split('.').at(-1) ?? '';
    const isText = operand.origin !== undefined && TEXT_KEYS.has(last);
    return from(isText ? 'content' : undefined, operand.triggers);
  }

  #path(dotted: string, offset: number): void {
    for (const name of dotted.split('.')) this.#sink.attribute(name, offset);
  }

  #formatFields(pattern: Value, offset: number): void {
    for (const text of knownTexts(pattern)) {
      for (const fieldPath of formatFields(text)) {
        for (const name of fieldPath.split(/[.[\]]+/)) this.#sink.attribute(name, offset);
      }
    }
  }

  #keywords(keywords: readonly Keyword[]): ReadonlyMap<string, Value> {
    return new Map(keywords.map(({ name, value }) => [name, this.evaluate(value)]));
  }
}

/** Key of a variable that only exists inside a macro or loop. */
function scoped(id: string, name: string): string {
  return `${id}/${name}`;
}

function arithmetic(
  operator: string,
  left: Value,
  right: Value,
  triggers: readonly Trigger[],
): Value {
  const [a, b] = [left.number, right.number];
  if (a === undefined || b === undefined) return from(undefined, triggers);
  const number =
    operator === '-'
      ? a - b
      : operator === '/'
        ? a / b
        : operator === '//'
          ? Math.floor(a / b)
          : operator === '%'
            ? a % b
            : operator === '**'
              ? a ** b
              : Number.NaN;
  return Number.isFinite(number) ? { number, triggers } : { triggers };
}
