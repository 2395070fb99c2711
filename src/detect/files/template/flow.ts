/**
 * Walks a template's statements: first until the variables are stable, then once more to record what is written
 * out, under which conditions on user text, and what the expressions reach for. Order of statements and taken
 * branches do not matter: every branch counts.
 */
import type { Expression, Statement, TemplateTree } from '../../../artifact/template/tree.ts';
import { Evaluator, type FlowSink } from './evaluate.ts';
import { applyOperation } from './operations.ts';
import {
  from,
  HOLE,
  join,
  mergeTriggers,
  type Origin,
  sameValue,
  type Trigger,
  textsOf,
  UNKNOWN,
  USER_HOLE,
  type Value,
} from './value.ts';

/** A piece of text that the template can write out. */
export interface Segment {
  readonly text: string;
  readonly offset: number;
  /** Inside a loop over the conversation, or after one. */
  readonly place: 'before' | 'loop' | 'after';
  /** Under a test on the first turn, the loop position or the system role. */
  readonly guarded: boolean;
}

/** What a comparison with user text changes. */
export interface Condition {
  readonly trigger: Trigger;
  /** Literal text written only under this condition; holes stand for run-time text. */
  readonly emitted: string;
}

export interface Named {
  readonly name: string;
  readonly offset: number;
}

export interface TemplateFlow {
  readonly segments: readonly Segment[];
  readonly conditions: readonly Condition[];
  readonly attributes: readonly Named[];
  readonly freeNames: readonly Named[];
  readonly dynamicAttributes: readonly number[];
  readonly rewrites: readonly {
    readonly from: string;
    readonly to: string;
    readonly offset: number;
  }[];
  /** Largest constant repetition. */
  readonly repetition: { readonly count: number; readonly offset: number };
}

interface Context {
  readonly place: Segment['place'];
  readonly guarded: boolean;
  readonly triggers: readonly Trigger[];
}

const MAX_ROUNDS = 4;
const MAX_RECORDS = 4096;
const MAX_EMITTED_CHARS = 8192;

export function followTemplate(tree: TemplateTree): TemplateFlow {
  return new Flow().run(tree);
}

class Flow implements FlowSink {
  readonly #evaluator = new Evaluator(this);
  readonly #segments: Segment[] = [];
  readonly #emitted = new Map<string, { trigger: Trigger; text: string }>();
  readonly #attributes = new Map<string, Named>();
  readonly #freeNames = new Map<string, Named>();
  readonly #dynamic = new Set<number>();
  readonly #rewrites = new Map<string, { from: string; to: string; offset: number }>();
  #repetition = { count: 0, offset: 0 };
  #recording = false;
  #afterLoop = false;

  run(tree: TemplateTree): TemplateFlow {
    const start: Context = { place: 'before', guarded: false, triggers: [] };
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const before = new Map(this.#evaluator.variables);
      this.#afterLoop = false;
      this.#walk(tree.body, start);
      if (stable(before, this.#evaluator.variables)) break;
    }
    this.#recording = true;
    this.#afterLoop = false;
    this.#walk(tree.body, start);
    return {
      segments: this.#segments,
      conditions: [...this.#emitted.values()].map(({ trigger, text }) => ({
        trigger,
        emitted: text,
      })),
      attributes: [...this.#attributes.values()],
      freeNames: [...this.#freeNames.values()],
      dynamicAttributes: [...this.#dynamic],
      rewrites: [...this.#rewrites.values()],
      repetition: this.#repetition,
    };
  }

  /** @returns what the statements write out, as one value. */
  #walk(statements: readonly Statement[], context: Context): Value {
    let written: Value = { texts: [''], triggers: [] };
    for (const statement of statements) {
      const value = this.#statement(statement, context);
      const texts = textsOf(value);
      const text = texts.find((each) => each.includes(USER_HOLE)) ?? texts[0] ?? HOLE;
      written = {
        ...join(from(written.origin), from(value.origin)),
        texts: [((written.texts?.[0] ?? '') + text).slice(0, MAX_EMITTED_CHARS)],
        ...((written.guarded || value.guarded) && { guarded: true }),
        triggers: mergeTriggers(written.triggers, value.triggers),
      };
    }
    return written;
  }

  #statement(statement: Statement, context: Context): Value {
    const nothing: Value = { texts: [''], triggers: [] };
    switch (statement.kind) {
      case 'output': {
        const value = this.#evaluator.evaluate(statement.value);
        this.#write(value, statement.offset, context);
        return value;
      }
      case 'if': {
        const test = this.#evaluator.evaluate(statement.test);
        const inner = this.#under(context, test, statement.test);
        const body = this.#walk(statement.body, inner);
        const otherwise = this.#walk(statement.otherwise, inner);
        return { ...join(body, otherwise), triggers: mergeTriggers(body.triggers, test.triggers) };
      }
      case 'for':
        return this.#loop(statement, context);
      case 'set': {
        const value = this.#evaluator.evaluate(statement.value);
        this.#assign(statement.target, value, context);
        return nothing;
      }
      case 'capture': {
        const written = this.#walk(statement.body, context);
        this.#assign(statement.target, written, context);
        return nothing;
      }
      case 'macro': {
        const { name, parameters } = statement;
        this.#evaluator.variables.set(`${name}()`, { texts: parameters, triggers: [] });
        const result = this.#evaluator.inScope(`${name}()`, parameters, () => {
          for (const { name: key, value } of statement.defaults) {
            this.#evaluator.define(key, this.#evaluator.evaluate(value));
          }
          const afterLoop = this.#afterLoop;
          const written = this.#walk(statement.body, context);
          // A macro writes where it is called, not where it stands.
          this.#afterLoop = afterLoop;
          return written;
        });
        this.#evaluator.variables.set(`${name}() result`, result);
        return nothing;
      }
      case 'call-block': {
        const value = this.#evaluator.evaluate(statement.call);
        this.#walk(statement.body, context);
        return value;
      }
      case 'filter-block': {
        const written = this.#walk(statement.body, context);
        const args = statement.args.map((arg) => this.#evaluator.evaluate(arg));
        const { name, offset } = statement;
        if (name === 'attr') this.dynamicAttribute(offset);
        return applyOperation('filter', name, written, args, new Map(), offset, this);
      }
    }
  }

  #loop(statement: Statement & { kind: 'for' }, context: Context): Value {
    const scope = `for ${statement.offset}`;
    const iterable = this.#iterable(statement, scope);
    const overTurns = iterable.origin === 'conversation';
    const inner: Context = {
      ...this.#under(context, iterable, statement.iterable),
      ...(overTurns && { place: 'loop' as const, guarded: false }),
    };
    const body = this.#evaluator.inScope(scope, statement.targets, () => {
      const element = elementOf(iterable);
      for (const [index, name] of statement.targets.entries()) {
        const value = statement.targets.length > 1 ? (element.items?.[index] ?? element) : element;
        this.#evaluator.define(name, { ...value, triggers: [] });
      }
      return this.#walk(statement.body, inner);
    });
    const otherwise = this.#walk(statement.otherwise, context);
    // Loops that only count or look for a role come before the conversation is written.
    if (overTurns && textsOf(body).some((text) => text.includes(USER_HOLE))) this.#afterLoop = true;
    return join(body, otherwise);
  }

  /** The filter of a loop head (`for m in messages if …`) sees the loop's variables, what is looped over does not. */
  #iterable({ iterable, targets }: Statement & { kind: 'for' }, scope: string): Value {
    if (iterable.kind !== 'choice' || iterable.otherwise !== undefined) {
      return this.#evaluator.evaluate(iterable);
    }
    const source = this.#evaluator.evaluate(iterable.then);
    const test = this.#evaluator.inScope(scope, targets, () =>
      this.#evaluator.evaluate(iterable.test),
    );
    return { ...source, triggers: mergeTriggers(source.triggers, test.triggers) };
  }

  #under(context: Context, value: Value, test: Expression): Context {
    for (const trigger of value.triggers) this.#emit(trigger, '');
    return {
      place: this.#placeOf(context),
      guarded: context.guarded || mentionsStart(test, 0),
      triggers: mergeTriggers(context.triggers, value.triggers),
    };
  }

  #placeOf(context: Context): Segment['place'] {
    return context.place === 'before' && this.#afterLoop ? 'after' : context.place;
  }

  #assign(target: Expression, value: Value, context: Context): void {
    for (const trigger of context.triggers) {
      for (const text of value.texts ?? []) this.#emit(trigger, text);
    }
    const triggers = mergeTriggers(value.triggers, context.triggers);
    const guarded = context.guarded || value.guarded === true;
    this.#evaluator.assign(target, { ...value, triggers, ...(guarded && { guarded }) });
  }

  #write(value: Value, offset: number, context: Context): void {
    if (!this.#recording) return;
    const texts = textsOf(value);
    const place = this.#placeOf(context);
    for (const text of texts) {
      if (this.#segments.length < MAX_RECORDS) {
        const guarded = context.guarded || value.guarded === true;
        this.#segments.push({ text, offset, place, guarded });
      }
      for (const trigger of mergeTriggers(context.triggers, value.triggers)) {
        this.#emit(trigger, text);
      }
    }
  }

  #emit(trigger: Trigger, text: string): void {
    if (!this.#recording) return;
    const key = `${trigger.origin}\0${trigger.text}`;
    const known = this.#emitted.get(key);
    if (known === undefined) {
      if (this.#emitted.size < MAX_RECORDS) this.#emitted.set(key, { trigger, text });
    } else if (known.text.length < MAX_EMITTED_CHARS && !known.text.includes(text)) {
      known.text += text;
    }
  }

  attribute(name: string, offset: number): void {
    this.#note(this.#attributes, name, offset);
  }

  freeName(name: string, offset: number): void {
    this.#note(this.#freeNames, name, offset);
  }

  #note(map: Map<string, Named>, name: string, offset: number): void {
    if (this.#recording && !map.has(name) && map.size < MAX_RECORDS)
      map.set(name, { name, offset });
  }

  dynamicAttribute(offset: number): void {
    if (this.#recording) this.#dynamic.add(offset);
  }

  rewrite(before: string, after: string, offset: number): void {
    if (!this.#recording || this.#rewrites.size >= MAX_RECORDS) return;
    this.#rewrites.set(`${before}\0${after}`, { from: before, to: after, offset });
  }

  repetition(count: number, offset: number): void {
    if (this.#recording && count > this.#repetition.count) this.#repetition = { count, offset };
  }
}

function stable(before: ReadonlyMap<string, Value>, after: ReadonlyMap<string, Value>): boolean {
  if (before.size !== after.size) return false;
  for (const [name, value] of after) {
    const old = before.get(name);
    if (old === undefined || !sameValue(old, value)) return false;
  }
  return true;
}

const ELEMENT: Readonly<Partial<Record<Origin, Origin>>> = {
  conversation: 'message',
  message: 'content',
  content: 'part',
  part: 'part',
};

function elementOf(iterable: Value): Value {
  const origin = iterable.origin === undefined ? undefined : ELEMENT[iterable.origin];
  const items = (iterable.items ?? []).reduce(join, UNKNOWN);
  return { ...join(from(origin), items), triggers: iterable.triggers };
}

const START_WORDS: ReadonlySet<string> = new Set(['system', 'developer', 'tools', 'functions']);

/** A test that looks at the first turn, the loop position, the system role or the list of tools. */
function mentionsStart(test: Expression, depth: number): boolean {
  if (depth > 40) return false;
  const any = (list: readonly (Expression | undefined)[]): boolean =>
    list.some((item) => item !== undefined && mentionsStart(item, depth + 1));
  switch (test.kind) {
    case 'string':
      return START_WORDS.has(test.value);
    case 'number':
      return test.value === 0;
    case 'name':
      return test.name === 'loop' || /system|first|default/i.test(test.name);
    case 'list':
      return any(test.items);
    case 'dict':
      return any(test.entries.flat());
    case 'member':
      return any([test.object, test.property]) || isSystemKey(test.property);
    case 'slice':
      return any([test.start, test.stop]);
    case 'call':
      return any([test.callee, ...test.args]);
    case 'filter':
      return test.name === 'first' || any([test.operand, ...test.args]);
    case 'test':
      return any([test.operand]);
    case 'binary':
      return any([test.left, test.right]);
    case 'unary':
      return any([test.operand]);
    case 'choice':
      return any([test.test, test.then, test.otherwise]);
  }
}

function isSystemKey(property: Expression): boolean {
  return property.kind === 'string' && /system/i.test(property.value);
}
