/**
 * What a call gives, as far as it can be known: follows the callables that only lead to another callable
 * (getattr, attrgetter, methodcaller, partial, import_module, map, reduce) to the name they build.
 */
import { canonicalPath } from './names.ts';
import {
  bytesOf,
  concatenate,
  constantMethod,
  decodeBytes,
  encodeText,
  formatPercent,
  inflated,
} from './strings.ts';
import {
  type GlobalValue,
  itemsOf,
  MAX_WEIGHT,
  named,
  sequence,
  text,
  type Value,
  weightOf,
} from './values.ts';

export interface CallContext {
  called(callee: Value, args: readonly Value[]): void;
  imported(value: GlobalValue): void;
}

interface Call {
  readonly args: readonly Value[];
  readonly opcode: string;
  readonly context: CallContext;
  readonly depth: number;
  readonly name: string;
}

type Evaluator = (call: Call) => Value | undefined;

const MAX_DEPTH = 12;
/** Elements of an iterable for which a mapped function is followed. */
const MAX_MAPPED = 64;

/** Reports the call, follows it, and gives what stands on the stack afterwards. */
export function evaluateCall(
  callee: Value,
  args: readonly Value[],
  opcode: string,
  context: CallContext,
  depth = 0,
): Value {
  context.called(callee, args);
  const weight = args.reduce((sum, arg) => Math.min(MAX_WEIGHT, sum + weightOf(arg)), 1);
  const plain: Value = { kind: 'result', callee, args, opcode, weight };
  if (depth > MAX_DEPTH) return plain;
  const call = { args, opcode, context, depth: depth + 1, name: '' };
  if (callee.kind === 'global') {
    const evaluator = EVALUATORS[callee.name];
    const known = evaluator?.({ ...call, name: callee.name }) ?? unboundMethod(callee.name, args);
    return known ?? plain;
  }
  if (callee.kind === 'attribute') return attributeCall(callee.of, callee.name, call) ?? plain;
  if (callee.kind === 'result') return appliedResult(callee, call) ?? plain;
  return plain;
}

/** `getattr(value, path)`, with dots followed. */
function attributeOf(value: Value, path: string, via: string, context: CallContext): Value {
  if (value.kind === 'global') {
    const reached = named(`${value.name}.${path}`, [...value.via, via].slice(-6));
    context.imported(reached);
    return reached;
  }
  return { kind: 'attribute', of: value, name: path };
}

function importByName(path: string, via: string, context: CallContext): Value {
  const reached = named(canonicalPath(path.replace(':', '.')), [via]);
  context.imported(reached);
  return reached;
}

function textOf(value: Value | undefined): string | undefined {
  return value?.kind === 'text' && value.complete ? value.text : undefined;
}

const getAttribute: Evaluator = ({ args: [target, name], context, name: via }) => {
  const path = textOf(name);
  if (target === undefined) return undefined;
  return attributeOf(target, path ?? '?', via, context);
};

const importModule: Evaluator = ({ args: [name], context, name: via }) =>
  importByName(textOf(name) ?? '?', via, context);

/** Without a `fromlist`, `__import__('a.b')` gives `a`. */
const importBuiltin: Evaluator = ({ args, context, name: via }) => {
  const path = textOf(args[0]) ?? '?';
  const from = args[3];
  const whole = from !== undefined && 'count' in from && from.count > 0;
  return importByName(whole ? path : (path.split('.')[0] as string), via, context);
};

const concatenation: Evaluator = ({ args: [left, right] }) => concatenate(left, right);
const base64: Evaluator = ({ args: [value] }) => decodeBytes(value, 'base64');
const unhexlify: Evaluator = ({ args: [value] }) => decodeBytes(value, 'hex');

const toList: Evaluator = ({ args: [value] }) => {
  if (value !== undefined && 'items' in value) return sequence('list', value.items);
  return value?.kind === 'text' ? sequence('list', [...value.text].map(text)) : undefined;
};

const getItem: Evaluator = ({ args: [target, key], context, name: via }) =>
  target === undefined ? undefined : itemOf(target, key, via, context);

function itemOf(
  target: Value,
  key: Value | undefined,
  via: string,
  context: CallContext,
): Value | undefined {
  const path = textOf(key);
  if (target.kind === 'global') {
    if (target.name === 'sys.modules') return importByName(path ?? '?', via, context);
    const owner = target.name.endsWith('.__dict__')
      ? named(target.name.slice(0, -'.__dict__'.length), target.via)
      : target;
    return attributeOf(owner, path ?? '?', via, context);
  }
  if (key?.kind === 'number' && 'items' in target) return target.items.at(key.value);
  if (key?.kind === 'number' && target.kind === 'text')
    return text(target.text.at(key.value) ?? '');
  if (target.kind === 'dict' && path !== undefined)
    return target.entries.findLast(([k]) => textOf(k) === path)?.[1];
  return undefined;
}

const mapped: Evaluator = ({ args: [callee, ...iterables], opcode, context, depth, name }) => {
  if (callee === undefined) return undefined;
  const columns = iterables.map(elements);
  const count = Math.min(MAX_MAPPED, ...columns.map((column) => column.length));
  const results: Value[] = [];
  for (let i = 0; i < count; i++) {
    const row = columns.map((column) => column[i] as Value);
    const given = name.endsWith('starmap') ? itemsOf(row[0]) : row;
    results.push(evaluateCall(callee, given, opcode, context, depth));
  }
  const kept = name.endsWith('filter') ? (columns[0] ?? []) : results;
  return sequence('list', kept);
};

function elements(value: Value): readonly Value[] {
  if (value.kind === 'text') return [...value.text].map(text);
  if (value.kind === 'dict') return value.entries.map(([key]) => key);
  return itemsOf(value);
}

const reduced: Evaluator = ({ args: [callee, iterable, initial], opcode, context, depth }) => {
  if (callee === undefined || iterable === undefined) return undefined;
  const items = elements(iterable).slice(0, MAX_MAPPED);
  const rest = initial === undefined ? items.slice(1) : items;
  let result = initial ?? items[0];
  for (const item of rest) {
    if (result === undefined) return undefined;
    result = evaluateCall(callee, [result, item], opcode, context, depth);
  }
  return result;
};

/** `apply(f, args)` and `operator.call(f, *args)`. */
const applied: Evaluator = ({ args: [callee, ...rest], opcode, context, depth, name }) => {
  if (callee === undefined) return undefined;
  const given = name === 'builtins.apply' ? itemsOf(rest[0]) : rest;
  return evaluateCall(callee, given, opcode, context, depth);
};

/** Rebuild functions that construct the type they are given. */
const constructed: Evaluator = ({ args: [type, ...rest], opcode, context, depth }) =>
  type === undefined ? undefined : evaluateCall(type, rest, opcode, context, depth);

/** `_reconstructor(type, base, state)` also calls the base unless it is `object`. */
const reconstructed: Evaluator = ({ args: [type, base, state], opcode, context, depth }) => {
  if (type === undefined) return undefined;
  const plainBase = base?.kind === 'global' && base.name === 'builtins.object';
  if (base !== undefined && !plainBase)
    evaluateCall(base, state === undefined ? [] : [state], opcode, context, depth);
  return evaluateCall(type, [], opcode, context, depth);
};

/** torch calls `func(*args)` and then changes the type of the result. */
const rebuiltFromType: Evaluator = ({ args: [callee, , given], opcode, context, depth }) =>
  callee === undefined ? undefined : evaluateCall(callee, itemsOf(given), opcode, context, depth);

/** dill writes `range` objects as source text; any other text is what `eval` would run. */
const evaluatedRepr: Evaluator = ({ args, opcode, context, depth, name: via }) => {
  if (/^x?range\(-?\d+(, ?-?\d+){0,2}\)$/.test(textOf(args[0]) ?? '?')) return undefined;
  return evaluateCall(importByName('builtins.eval', via, context), args, opcode, context, depth);
};

const EVALUATORS: Readonly<Record<string, Evaluator>> = {
  'builtins.getattr': getAttribute,
  'inspect.getattr_static': getAttribute,
  'dill._dill._get_attr': getAttribute,
  'cloudpickle.cloudpickle._getattribute': getAttribute,
  'pickle._getattribute': getAttribute,
  'builtins.vars': ({ args: [target], context }) =>
    target === undefined ? undefined : attributeOf(target, '__dict__', 'builtins.vars', context),
  'importlib.import_module': importModule,
  'importlib.reload': ({ args: [module] }) => module,
  'builtins.__import__': importBuiltin,
  'importlib.__import__': importBuiltin,
  'pkgutil.resolve_name': importModule,
  'pydoc.locate': importModule,
  'pydoc.safeimport': importModule,
  'dill._dill._import_module': importModule,
  'cloudpickle.cloudpickle.subimport': importModule,
  'cloudpickle.cloudpickle.dynamic_subimport': importModule,
  'logging.config._resolve': importModule,
  'django.utils.module_loading.import_string': importModule,
  'werkzeug.utils.import_string': importModule,
  'hydra.utils.get_method': importModule,
  'hydra.utils.get_class': importModule,
  'hydra.utils.get_object': importModule,
  'operator.add': concatenation,
  'operator.concat': concatenation,
  'operator.iadd': concatenation,
  'operator.iconcat': concatenation,
  'operator.mod': ({ args: [template, values] }) =>
    template?.kind === 'text' && values !== undefined
      ? formatPercent(template.text, values)
      : undefined,
  'operator.getitem': getItem,
  'builtins.map': mapped,
  'builtins.filter': mapped,
  'itertools.starmap': mapped,
  'functools.reduce': reduced,
  'builtins.apply': applied,
  'copyreg._reconstructor': reconstructed,
  'copyreg.__newobj__': constructed,
  'copyreg.__newobj_ex__': constructed,
  'pandas.core.indexes.base._new_Index': constructed,
  'torch._tensor._rebuild_from_type': rebuiltFromType,
  'torch._tensor._rebuild_from_type_v2': rebuiltFromType,
  'numpy.core._ufunc_reconstruct': ({ args: [module, name], context, name: via }) =>
    importByName(`${textOf(module) ?? '?'}.${textOf(name) ?? '?'}`, via, context),
  'dill._dill._eval_repr': evaluatedRepr,
  'dill._dill._load_type': ({ args: [name], context, name: via }) => {
    const type = textOf(name) ?? '?';
    // dill names both the classes of `types` and the built-in ones.
    const module = type.endsWith('Type') || type.includes('Namespace') ? 'types' : 'builtins';
    return importByName(`${module}.${type}`, via, context);
  },
  'operator.call': applied,
  'builtins.list': toList,
  'builtins.tuple': toList,
  'builtins.reversed': ({ args: [value] }) =>
    value === undefined ? undefined : sequence('list', [...elements(value)].reverse()),
  'builtins.chr': ({ args: [code] }) =>
    code?.kind === 'number' && code.value >= 0 && code.value <= 0x10ffff
      ? text(String.fromCodePoint(Math.trunc(code.value)))
      : undefined,
  'builtins.str': ({ args: [value, encoding] }) =>
    value?.kind === 'bytes' && encoding !== undefined
      ? decodeBytes(value, textOf(encoding) ?? 'utf-8')
      : value?.kind === 'text'
        ? value
        : undefined,
  'builtins.bytes': bytesFrom,
  'builtins.bytearray': bytesFrom,
  'codecs.decode': ({ args: [value, encoding] }) => decodeBytes(value, textOf(encoding) ?? 'utf-8'),
  'codecs.encode': ({ args: [value, encoding] }) => encodeText(value, textOf(encoding) ?? 'utf-8'),
  'base64.b64decode': base64,
  'base64.standard_b64decode': base64,
  'base64.urlsafe_b64decode': base64,
  'base64.decodebytes': base64,
  'binascii.a2b_base64': base64,
  'binascii.unhexlify': unhexlify,
  'binascii.a2b_hex': unhexlify,
  'base64.b16decode': unhexlify,
  'zlib.decompress': ({ args: [value] }) =>
    value?.kind === 'bytes' ? inflated(value.bytes) : undefined,
  'gzip.decompress': ({ args: [value] }) =>
    value?.kind === 'bytes' ? inflated(value.bytes) : undefined,
};

function bytesFrom({ args: [value, encoding] }: Call): Value | undefined {
  if (value?.kind === 'bytes') return value;
  if (value?.kind === 'text') return encodeText(value, textOf(encoding) ?? 'utf-8');
  if (value !== undefined && 'items' in value) {
    const codes = value.items.map((item) => (item.kind === 'number' ? item.value : -1));
    return codes.every((code) => code >= 0 && code < 256) ? bytesOf(Buffer.from(codes)) : undefined;
  }
  return undefined;
}

/** `str.join('-', parts)`: a method called through its class. */
function unboundMethod(name: string, args: readonly Value[]): Value | undefined {
  const match = /^builtins\.(str|bytes|bytearray)\.(\w+)$/.exec(name);
  const [self, ...rest] = args;
  if (match === null || self === undefined) return undefined;
  if (match[2] === 'fromhex') return decodeBytes(self, 'hex');
  return constantMethod(self, match[2] as string, rest);
}

function attributeCall(of: Value, name: string, call: Call): Value | undefined {
  if (['get', '__getitem__', 'pop'].includes(name))
    return itemOf(of, call.args[0], name, call.context);
  if (name === '__call__')
    return evaluateCall(of, call.args, call.opcode, call.context, call.depth);
  if (name === '__getattribute__' || name === '__getattr__') {
    const path = textOf(call.args[0]) ?? '?';
    return attributeOf(of, path, name, call.context);
  }
  return constantMethod(of, name, call.args);
}

/** Calls of what `attrgetter`, `methodcaller`, `itemgetter`, `partial` and `MethodType` returned. */
function appliedResult(made: Value & { kind: 'result' }, call: Call): Value | undefined {
  if (made.callee.kind !== 'global') return undefined;
  const via = made.callee.name;
  const [first, ...bound] = made.args;
  const [target, ...rest] = call.args;
  switch (via) {
    case 'operator.attrgetter': {
      if (target === undefined) return undefined;
      const reached = made.args.map((name) =>
        attributeOf(target, textOf(name) ?? '?', via, call.context),
      );
      return reached.length === 1 ? reached[0] : sequence('tuple', reached);
    }
    case 'operator.itemgetter':
      return target === undefined ? undefined : itemOf(target, first, via, call.context);
    case 'operator.methodcaller': {
      if (target === undefined) return undefined;
      const method = attributeOf(target, textOf(first) ?? '?', via, call.context);
      return evaluateCall(method, bound, call.opcode, call.context, call.depth);
    }
    case 'functools.partial':
    case 'functools.partialmethod':
    case 'types.MethodType': {
      if (first === undefined) return undefined;
      const given = target === undefined ? bound : [...bound, target, ...rest];
      return evaluateCall(first, given, call.opcode, call.context, call.depth);
    }
    default:
      return undefined;
  }
}
