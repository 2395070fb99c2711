/**
 * Symbolic values of the pickle machine. Nothing is constructed: a value says what an unpickler would hold
 * at that point, as far as it can be known without running anything.
 */

export interface DataRange {
  readonly offset: number;
  readonly length: number;
}

export interface TextValue {
  readonly kind: 'text';
  /** Cut when `complete` is false. */
  readonly text: string;
  readonly complete: boolean;
  /** Where the UTF-8 of a constant stands in the source. */
  readonly range?: DataRange;
}

export interface BytesValue {
  readonly kind: 'bytes';
  /** Cut when `length` is larger. */
  readonly bytes: Uint8Array;
  readonly length: number;
  /** Where the constant stands in the source; absent for computed bytes. */
  readonly dataOffset?: number;
  /** Bytes that the source holds as UTF-8 text of Latin-1 characters. */
  readonly latin1Range?: DataRange;
}

/** A module, class, function or attribute named by dotted path. */
export interface GlobalValue {
  readonly kind: 'global';
  readonly name: string;
  /** Callables that computed the name, outermost last. */
  readonly via: readonly string[];
}

/** An attribute of a value that is not a global, as in `'-'.join`. */
export interface AttributeValue {
  readonly kind: 'attribute';
  readonly of: Value;
  readonly name: string;
}

/** What a call gave, without having been called. */
export interface ResultValue {
  readonly kind: 'result';
  readonly callee: Value;
  /** Replaced when BUILD rebinds a partial. */
  args: readonly Value[];
  readonly opcode: string;
  /** Set by a BUILD that plants `__setstate__`: the next BUILD calls it. */
  planted?: Value;
  weight: number;
}

export interface SequenceValue {
  readonly kind: 'list' | 'tuple' | 'set' | 'frozenset';
  /** First items; `count` says how many there are. */
  readonly items: Value[];
  count: number;
  /** Objects reachable when shared ones are counted each time; saturates. */
  weight: number;
}

export interface DictValue {
  readonly kind: 'dict';
  readonly entries: [Value, Value][];
  count: number;
  weight: number;
}

export type Value =
  | { readonly kind: 'none' }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'unknown'; readonly why: string }
  | { readonly kind: 'persistent'; readonly id: Value }
  | TextValue
  | BytesValue
  | GlobalValue
  | AttributeValue
  | ResultValue
  | SequenceValue
  | DictValue;

export const NONE: Value = { kind: 'none' };
export const KEPT_ITEMS = 4096;
export const MAX_WEIGHT = 1e15;

export function unknown(why: string): Value {
  return { kind: 'unknown', why };
}

export function text(value: string): TextValue {
  return { kind: 'text', text: value, complete: true };
}

export function named(name: string, via: readonly string[] = []): GlobalValue {
  return { kind: 'global', name, via };
}

export function sequence(kind: SequenceValue['kind'], items: readonly Value[]): SequenceValue {
  const value: SequenceValue = { kind, items: [], count: 0, weight: 1 };
  for (const item of items) addItem(value, item);
  return value;
}

export function addItem(target: SequenceValue, item: Value): void {
  target.count++;
  target.weight = Math.min(MAX_WEIGHT, target.weight + weightOf(item));
  if (target.items.length < KEPT_ITEMS) target.items.push(item);
}

export function addEntry(target: DictValue, key: Value, value: Value): void {
  target.count++;
  target.weight = Math.min(MAX_WEIGHT, target.weight + weightOf(key) + weightOf(value));
  if (target.entries.length < KEPT_ITEMS) target.entries.push([key, value]);
}

export function weightOf(value: Value): number {
  return 'weight' in value ? value.weight : 1;
}

/** Items of a list, tuple or set; a single unknown for anything else. */
export function itemsOf(value: Value | undefined): readonly Value[] {
  if (value === undefined) return [];
  return 'items' in value ? value.items : [unknown('not a sequence')];
}

const MAX_SHOWN = 200;

/** A value as Python would write it: escaped, printable ASCII, at most 200 characters. */
export function show(value: Value, room = MAX_SHOWN): string {
  const full = write(value, room, 0);
  return full.length <= room ? full : `${full.slice(0, Math.max(0, room - 3))}...`;
}

export function showCall(callee: Value, args: readonly Value[]): string {
  const inside = show({ kind: 'list', items: [...args], count: args.length, weight: 1 }, 160);
  return `${show(callee, 120)}(${inside.slice(1, inside.endsWith('...') ? undefined : -1)})`.slice(
    0,
    MAX_SHOWN,
  );
}

function write(value: Value, room: number, depth: number): string {
  if (depth > 5 || room <= 0) return '...';
  switch (value.kind) {
    case 'none':
      return 'None';
    case 'number':
      return String(value.value);
    case 'unknown':
      return '?';
    case 'persistent':
      return `persistent(${write(value.id, room - 12, depth + 1)})`;
    case 'text':
      return quote(value.text.slice(0, room), value.complete && value.text.length <= room);
    case 'bytes': {
      const head = Buffer.from(value.bytes.subarray(0, room)).toString('latin1');
      return `b${quote(head, value.length <= room)}`;
    }
    case 'global':
      return escapeText(value.name.slice(0, room));
    case 'attribute':
      return `${write(value.of, room - value.name.length, depth + 1)}.${escapeText(value.name)}`;
    case 'result': {
      const name = write(value.callee, room, depth + 1);
      return `${name}(${writeAll(value.args, room - name.length, depth)})`;
    }
    case 'tuple':
      return `(${writeAll(value.items, room, depth)}${value.count === 1 ? ',' : ''})`;
    case 'list':
      return `[${writeAll(value.items, room, depth)}]`;
    case 'set':
    case 'frozenset':
      return `{${writeAll(value.items, room, depth)}}`;
    case 'dict': {
      const parts: string[] = [];
      let left = room;
      for (const [key, item] of value.entries) {
        const part = `${write(key, left, depth + 1)}: ${write(item, left, depth + 1)}`;
        parts.push(part);
        left -= part.length + 2;
        if (left <= 0) break;
      }
      return `{${parts.join(', ')}}`;
    }
  }
}

function writeAll(items: readonly Value[], room: number, depth: number): string {
  const parts: string[] = [];
  let left = room;
  for (const item of items) {
    const part = write(item, left, depth + 1);
    parts.push(part);
    left -= part.length + 2;
    if (left <= 0) break;
  }
  return parts.join(', ');
}

function quote(raw: string, complete: boolean): string {
  return `'${escapeText(raw)}${complete ? '' : '...'}'`;
}

/** Terminal and report safe: no control, bidirectional or other non-ASCII characters. */
export function escapeText(raw: string): string {
  return raw.replaceAll(/[^\x20-\x7e]|['\\]/g, (char) => {
    if (char === "'" || char === '\\') return `\\${char}`;
    if (char === '\n') return '\\n';
    const code = char.charCodeAt(0);
    return code < 256
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
