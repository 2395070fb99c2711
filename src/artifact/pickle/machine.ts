/**
 * A symbolic unpickler: real stack, marks and memo over every opcode of protocols 0 to 5. It constructs
 * nothing; it tells an observer what a real unpickler would import, call and write. Source for the
 * semantics: CPython `Lib/pickle.py` (class `_Unpickler`) and `Modules/_pickle.c`.
 */
import { ScanError } from '../../errors.ts';
import { type CallContext, evaluateCall } from './call.ts';
import { ascii, littleEndianLong, memoKey, unescapeUnicode, unquote, utf8 } from './literals.ts';
import { canonicalName } from './names.ts';
import type { PickleObserver, Site } from './observer.ts';
import type { Instruction, PickleReader } from './reader.ts';
import {
  addEntry,
  addItem,
  type BytesValue,
  type DictValue,
  itemsOf,
  NONE,
  named,
  type ResultValue,
  sequence,
  show,
  unknown,
  type Value,
  weightOf,
} from './values.ts';

const MAX_MEMO = 4_000_000;
const MAX_STACK = 4_000_000;
const KEPT_TEXT_TOTAL = 16 * 2 ** 20;
const SHORT_TEXT = 128;
const EXPANSION_WEIGHT = 1e9;

export class PickleMachine {
  readonly #reader: PickleReader;
  readonly #observer: PickleObserver;
  #stack: Value[] = [];
  readonly #marks: Value[][] = [];
  readonly #memo = new Map<number | string, Value>();
  #keptText = 0;
  #expanded = false;
  #instructions = 0;
  #site: Site = { byteOffset: 0, byteLength: 0, opcode: '' };
  readonly #context: CallContext;

  constructor(reader: PickleReader, observer: PickleObserver) {
    this.#reader = reader;
    this.#observer = observer;
    this.#context = {
      called: (callee, args) => observer.called(callee, args, this.#site),
      imported: (value) => observer.imported(value, this.#site),
    };
  }

  get instructions(): number {
    return this.#instructions;
  }

  /** Runs to STOP and gives the value there. @throws ScanError where a real unpickler would fail. */
  run(): Value {
    for (;;) {
      if (++this.#instructions % 4096 === 0) this.#observer.tick();
      const instruction = this.#reader.next();
      const { opcode, byteOffset, byteLength } = instruction;
      this.#site = { byteOffset, byteLength, opcode: opcode.name };
      if (opcode.name === 'STOP') return this.#pop();
      this.#step(instruction);
      if (this.#stack.length > MAX_STACK) {
        throw new ScanError('E_LIMIT', `the stack is deeper than ${MAX_STACK}`, { byteOffset });
      }
    }
  }

  #step(instruction: Instruction): void {
    const { opcode, number } = instruction;
    switch (opcode.name) {
      case 'PROTO':
        if (number > 5) this.#fail(`protocol ${number} does not exist`);
        return;
      case 'FRAME':
      case 'READONLY_BUFFER':
        return;
      case 'MARK':
        this.#marks.push(this.#stack);
        this.#stack = [];
        return;
      case 'POP':
        if (this.#stack.length > 0) this.#stack.pop();
        else this.#popMark();
        return;
      case 'POP_MARK':
        this.#popMark();
        return;
      case 'DUP':
        this.#push(this.#top());
        return;
      case 'NONE':
        this.#push(NONE);
        return;
      case 'NEWTRUE':
      case 'NEWFALSE':
        this.#push({ kind: 'number', value: opcode.name === 'NEWTRUE' ? 1 : 0 });
        return;
      case 'NEXT_BUFFER':
        this.#push(unknown('out-of-band buffer'));
        return;
      case 'INT':
      case 'LONG':
      case 'FLOAT':
        this.#push({ kind: 'number', value: Number.parseFloat(ascii(instruction.bytes)) || 0 });
        return;
      case 'BININT':
      case 'BININT1':
      case 'BININT2':
      case 'BINFLOAT':
        this.#push({ kind: 'number', value: number });
        return;
      case 'LONG1':
      case 'LONG4':
        this.#push({ kind: 'number', value: littleEndianLong(instruction.bytes) });
        return;
      case 'STRING':
      case 'UNICODE':
      case 'BINUNICODE':
      case 'SHORT_BINUNICODE':
      case 'BINUNICODE8':
      case 'BINSTRING':
      case 'SHORT_BINSTRING':
        this.#pushText(instruction);
        return;
      case 'BINBYTES':
      case 'SHORT_BINBYTES':
      case 'BINBYTES8':
      case 'BYTEARRAY8':
        this.#pushBytes(instruction);
        return;
      case 'PUT':
        this.#remember(memoKey(instruction.bytes));
        return;
      case 'BINPUT':
      case 'LONG_BINPUT':
        this.#remember(number);
        return;
      case 'MEMOIZE':
        this.#remember(this.#memo.size);
        return;
      case 'GET':
        this.#recall(memoKey(instruction.bytes));
        return;
      case 'BINGET':
      case 'LONG_BINGET':
        this.#recall(number);
        return;
      default:
        if (!this.#container(opcode.name)) this.#acting(instruction);
    }
  }

  /** Opcodes that only build or fill containers. */
  #container(name: string): boolean {
    switch (name) {
      case 'EMPTY_LIST':
        this.#push(sequence('list', []));
        return true;
      case 'EMPTY_TUPLE':
        this.#push(sequence('tuple', []));
        return true;
      case 'EMPTY_SET':
        this.#push(sequence('set', []));
        return true;
      case 'EMPTY_DICT':
        this.#push({ kind: 'dict', entries: [], count: 0, weight: 1 });
        return true;
      case 'LIST':
        this.#push(sequence('list', this.#popMark()));
        return true;
      case 'TUPLE':
        this.#push(sequence('tuple', this.#popMark()));
        return true;
      case 'FROZENSET':
        this.#push(sequence('frozenset', this.#popMark()));
        return true;
      case 'TUPLE1':
      case 'TUPLE2':
      case 'TUPLE3': {
        const items: Value[] = [];
        for (let i = Number(name.at(-1)); i > 0; i--) items.unshift(this.#pop());
        this.#push(sequence('tuple', items));
        return true;
      }
      case 'DICT': {
        const dict: DictValue = { kind: 'dict', entries: [], count: 0, weight: 1 };
        this.#fill(dict, this.#popMark());
        this.#push(dict);
        return true;
      }
      case 'APPEND':
        this.#append([this.#pop()]);
        return true;
      case 'APPENDS':
      case 'ADDITEMS':
        this.#append(this.#popMark());
        return true;
      case 'SETITEM': {
        const value = this.#pop();
        const key = this.#pop();
        this.#fill(this.#top(), [key, value]);
        return true;
      }
      case 'SETITEMS': {
        const items = this.#popMark();
        this.#fill(this.#top(), items);
        return true;
      }
      default:
        return false;
    }
  }

  /** Opcodes that import, call or write. */
  #acting(instruction: Instruction): void {
    const { opcode, number, bytes, second } = instruction;
    switch (opcode.name) {
      case 'GLOBAL':
        this.#push(this.#import(utf8(bytes), utf8(second)));
        return;
      case 'STACK_GLOBAL': {
        const name = this.#pop();
        const module = this.#pop();
        // A computed name is a string that this machine could not follow, or a failure of the real one.
        this.#push(
          this.#import(
            module.kind === 'text' ? module.text : '?',
            name.kind === 'text' ? name.text : '?',
          ),
        );
        return;
      }
      case 'INST': {
        const args = this.#popMark();
        this.#push(this.#call(this.#import(utf8(bytes), utf8(second)), args));
        return;
      }
      case 'OBJ': {
        const [callee, ...args] = this.#popMark();
        if (callee === undefined) this.#fail('OBJ without a class');
        else this.#push(this.#call(callee, args));
        return;
      }
      case 'REDUCE':
      case 'NEWOBJ': {
        const args = this.#pop();
        this.#push(this.#call(this.#pop(), itemsOf(args)));
        return;
      }
      case 'NEWOBJ_EX': {
        const named = this.#pop();
        const args = this.#pop();
        const extra = named.kind === 'dict' && named.count > 0 ? [named] : [];
        this.#push(this.#call(this.#pop(), [...itemsOf(args), ...extra]));
        return;
      }
      case 'BUILD':
        this.#build(this.#pop(), this.#top());
        return;
      case 'PERSID':
        this.#persistent({ kind: 'text', text: utf8(bytes), complete: true });
        return;
      case 'BINPERSID':
        this.#persistent(this.#pop());
        return;
      case 'EXT1':
      case 'EXT2':
      case 'EXT4':
        this.#observer.anomaly('extension-code', `extension registry code ${number}`, this.#site);
        this.#push(unknown(`extension ${number}`));
        return;
      default:
        this.#fail(`opcode ${opcode.name} is not handled`);
    }
  }

  #import(module: string, name: string): Value & { kind: 'global' } {
    const value = named(canonicalName(module, name));
    this.#observer.imported(value, this.#site);
    return value;
  }

  #call(callee: Value, args: readonly Value[]): Value {
    return evaluateCall(callee, args, this.#site.opcode, this.#context);
  }

  #build(state: Value, target: Value): void {
    if (target.kind !== 'result') {
      this.#observer.written('attributes', target, state, this.#site);
      return;
    }
    if (target.planted !== undefined) this.#call(target.planted, [state]);
    if (isPartial(target) && state.kind === 'tuple' && state.items[0] !== undefined)
      target.args = [state.items[0], ...itemsOf(state.items[1])];
    const parts = state.kind === 'tuple' ? state.items : [state];
    for (const part of parts) {
      if (part.kind !== 'dict') continue;
      for (const [key, value] of part.entries) {
        if (key.kind === 'text' && key.text === '__setstate__') target.planted = value;
      }
    }
    target.weight += weightOf(state);
    this.#observer.built(target, state, this.#reader);
  }

  #persistent(id: Value): void {
    const tag = id.kind === 'tuple' && id.items[0]?.kind === 'text' ? id.items[0].text : '';
    this.#observer.persistent?.(id, this.#site);
    const type = id.kind === 'tuple' ? id.items[1] : undefined;
    if (tag === 'module' && type !== undefined) {
      // torch's old format wraps classes with their source; its loader gives back the class.
      this.#push(type);
      return;
    }
    if (tag !== 'storage') this.#observer.anomaly('persistent-id', show(id, 120), this.#site);
    this.#push({ kind: 'persistent', id });
  }

  #append(items: readonly Value[]): void {
    const target = this.#top();
    if ('items' in target) {
      for (const item of items) addItem(target, item);
      this.#weigh(target.weight);
    } else if (target.kind !== 'result') {
      this.#observer.written('items', target, items[0] ?? NONE, this.#site);
    }
  }

  /** SETITEM and SETITEMS work on anything with `__setitem__`, not only on dictionaries. */
  #fill(target: Value, items: readonly Value[]): void {
    if (items.length % 2 === 1) this.#fail('a key without a value');
    if (target.kind !== 'dict') {
      this.#observer.filled?.(target, items);
      this.#observer.written('items', target, items[0] ?? NONE, this.#site);
      return;
    }
    for (let i = 0; i + 1 < items.length; i += 2) {
      addEntry(target, items[i] as Value, items[i + 1] as Value);
    }
    this.#weigh(target.weight);
  }

  #weigh(weight: number): void {
    if (this.#expanded || weight < EXPANSION_WEIGHT || weight < this.#instructions * 1000) return;
    this.#expanded = true;
    this.#observer.expansion(weight, this.#site);
  }

  #pushText({ opcode, bytes, number, dataOffset }: Instruction): void {
    let raw = bytes;
    let complete = opcode.argument === 'line' || number <= bytes.byteLength;
    if (this.#keptText > KEPT_TEXT_TOTAL && raw.byteLength > SHORT_TEXT) {
      raw = raw.subarray(0, SHORT_TEXT);
      complete = false;
    }
    this.#keptText += raw.byteLength;
    const decoded =
      opcode.name === 'STRING'
        ? unquote(ascii(raw))
        : opcode.name === 'UNICODE'
          ? unescapeUnicode(ascii(raw))
          : utf8(raw);
    if (opcode.name.endsWith('BINSTRING'))
      this.#observer.bytesConstant(
        { kind: 'bytes', bytes, length: number, dataOffset },
        this.#site,
      );
    const binary = opcode.argument !== 'line';
    this.#push({
      kind: 'text',
      text: decoded,
      complete,
      ...(binary && !complete && { range: { offset: dataOffset, length: number } }),
    });
  }

  #pushBytes({ bytes, number, dataOffset }: Instruction): void {
    const kept = this.#keptText > KEPT_TEXT_TOTAL ? bytes.slice(0, SHORT_TEXT) : bytes;
    this.#keptText += kept.byteLength;
    const value: BytesValue = { kind: 'bytes', bytes: kept, length: number, dataOffset };
    this.#observer.bytesConstant(value, this.#site);
    this.#push(value);
  }

  #remember(key: number | string): void {
    if (this.#memo.size >= MAX_MEMO) {
      throw new ScanError('E_LIMIT', `more than ${MAX_MEMO} memo entries`, {
        byteOffset: this.#site.byteOffset,
      });
    }
    const top = this.#top();
    this.#memo.set(key, top);
    this.#weigh(weightOf(top));
  }

  /** A missing key stops a real unpickler; here the scan goes on with an unknown value. */
  #recall(key: number | string): void {
    const value = this.#memo.get(key);
    if (value === undefined)
      this.#observer.anomaly('memo-missing', `memo entry ${String(key).slice(0, 40)}`, this.#site);
    this.#push(value ?? unknown('missing memo entry'));
  }

  #push(value: Value): void {
    this.#stack.push(value);
  }

  #pop(): Value {
    return this.#stack.pop() ?? this.#fail('the stack is empty');
  }

  #top(): Value {
    return this.#stack.at(-1) ?? this.#fail('the stack is empty');
  }

  #popMark(): Value[] {
    const items = this.#stack;
    this.#stack = this.#marks.pop() ?? this.#fail('there is no mark');
    return items;
  }

  #fail(problem: string): never {
    throw new ScanError('E_FORMAT', `${this.#site.opcode}: ${problem}`, {
      byteOffset: this.#site.byteOffset,
    });
  }
}

/** `functools.partial` keeps its function and arguments in its state. */
function isPartial(value: ResultValue): boolean {
  return value.callee.kind === 'global' && value.callee.name === 'functools.partial';
}
