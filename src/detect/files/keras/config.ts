/**
 * Walks a Keras configuration (JSON) and judges every object that names a class or function, at any depth:
 * layers, build_config, compile_config, initialisers, wrappers. Nothing is resolved or imported.
 */
import {
  isJsonArray,
  isJsonObject,
  type JsonDocument,
  type JsonObject,
  type JsonValue,
  pointerSegment,
} from '../../../artifact/json.ts';
import { judgeReference } from '../../../artifact/reference-path.ts';
import type { FileSubject } from '../detector.ts';
import { shown, type Tally } from '../tally.ts';

const KERAS_MODULE =
  /^(?:tf_keras|keras|tensorflow\.keras|tensorflow\.python\.keras|tensorflow_core\.(?:python\.)?keras)(?:\.[A-Za-z_]\w*)*$/;
/** Companion packages of the Keras team and TensorFlow Addons: their classes are code that is published, not in the file. */
const COMPANION =
  /^(?:keras_hub|keras_nlp|keras_cv|keras_tuner|keras_rs|tensorflow_addons|Addons|tensorflow_probability)\b/;
/** Options of layers that Keras reads as a file when they are text. */
const FILE_OPTIONS: Readonly<Record<string, string>> = {
  vocabulary: 'vocabulary',
  vocabulary_file: 'vocabulary',
  filepath: 'saved-model',
  origin: 'download',
  cache_dir: 'download',
  extract_dir: 'download',
};
/** Operators of TensorFlow that an operator layer may name. */
const RISKY_OPERATOR =
  /^(?:tf\.)?(?:io\.|raw_ops\.|py_func|numpy_function|saved_model|load_op|load_library|sysconfig|experimental\.|data\.|distribute\.|summary\.)/;
const MAX_OBJECTS = 2_000_000;

export interface KerasPlace {
  /** Prefix of keys in locations, as in `model_config`. */
  readonly key: string;
  /** Added to JSON offsets. */
  readonly byteOffset: number;
}

interface Walked {
  readonly value: JsonValue;
  readonly pointer: string;
}

/** True for a value that Keras could have written: an object that names a class and gives its configuration. */
export function isKerasConfig(value: JsonValue): boolean {
  return isJsonObject(value) && typeof value['class_name'] === 'string' && 'config' in value;
}

export function judgeKerasConfig(
  subject: FileSubject,
  document: JsonDocument,
  place: KerasPlace,
  tally: Tally,
): void {
  for (const { pointer, byteOffset } of document.duplicates) {
    const location = { byteOffset: place.byteOffset + byteOffset, key: place.key + shown(pointer) };
    tally.add('', { kind: 'duplicate-json-key', format: 'keras', key: shown(pointer) }, location);
  }
  const pending: Walked[] = [{ value: document.value, pointer: '' }];
  let visited = 0;
  for (let next = pending.pop(); next && visited < MAX_OBJECTS; next = pending.pop()) {
    visited++;
    const { value, pointer } = next;
    if (isJsonArray(value)) {
      // Arrays of numbers are vocabularies and shapes.
      for (let i = value.length - 1; i >= 0; i--) {
        const item = value[i];
        if (isJsonArray(item) || isJsonObject(item))
          pending.push({ value: item, pointer: pointer + pointerSegment(i) });
      }
    } else if (isJsonObject(value)) {
      const byteOffset =
        typeof value['class_name'] === 'string' ? (document.offsetOf(value, 'class_name') ?? 0) : 0;
      judgeObject(
        subject,
        value,
        { key: place.key + shown(pointer), byteOffset: place.byteOffset + byteOffset },
        tally,
      );
      for (const key of Object.keys(value)) {
        const item = value[key];
        if (isJsonArray(item) || isJsonObject(item))
          pending.push({ value: item, pointer: pointer + pointerSegment(key) });
      }
    }
  }
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function judgeObject(
  subject: FileSubject,
  object: JsonObject,
  place: KerasPlace,
  tally: Tally,
): void {
  const config = object['config'];
  judgeOptions(object, place, tally);
  const className = textOf(object['class_name']);
  const module = textOf(object['module']);
  if (className === '' && module === '') return;
  const registeredName = textOf(object['registered_name']);
  const judged = judgeName(subject, className, module, registeredName, config);
  if (judged === undefined) return;
  const [standing, detail] = judged;
  const fact = {
    kind: 'keras-object',
    module: shown(module, 120),
    className: shown(className, 120),
    registeredName: shown(registeredName, 120),
    standing,
    detail: shown(detail),
  } as const;
  tally.add(`${standing}\0${module}\0${className}\0${detail}`, fact, place);
}

type Judgement = readonly ['runs-code' | 'unlisted' | 'custom', string];

function judgeName(
  subject: FileSubject,
  className: string,
  module: string,
  registeredName: string,
  config: JsonValue | undefined,
): Judgement | undefined {
  const root = module.split('.')[0] ?? '';
  const isFunction = className === 'function' || className === 'builtin_function_or_method';
  const inside = isJsonObject(config) ? config : undefined;
  if (subject.list('keras-unsafe-layer/classes').has(className)) {
    // A Lambda around a function that is only named needs that function from its user.
    if (className === 'Lambda' && inside && !holdsCode(inside))
      return ['custom', namedFunction(inside)];
    return ['runs-code', `${className} runs what the file holds`];
  }
  if (module !== '' && !KERAS_MODULE.test(module) && !isFunctionOfBuiltins(module, isFunction)) {
    if (className.startsWith('__') && subject.list('keras-unlisted-class/classes').has(className))
      return undefined;
    if (COMPANION.test(module)) return undefined;
    const name = isFunction ? textOf(config) || className : className;
    if (
      !/^[A-Za-z_][\w.]*$/.test(module) ||
      subject.list('keras-unsafe-layer/library-roots').has(root)
    ) {
      return ['runs-code', `${module}.${name} is imported and called while the model loads`];
    }
    return ['custom', `${module}.${name} must come from whoever loads the model`];
  }
  if (isFunction) return judgeFunction(subject, module, textOf(config) || textOf(inside?.['name']));
  if (className === 'TFOpLambda' || className === 'ClassMethod' || className === 'InstanceMethod') {
    const operator = textOf(inside?.['function']) || textOf(inside?.['cls_symbol']);
    return RISKY_OPERATOR.test(operator)
      ? ['runs-code', `${className} calls tf.${operator}`]
      : undefined;
  }
  if (subject.list('keras-unlisted-class/classes').has(className)) return undefined;
  if (COMPANION.test(registeredName) || COMPANION.test(className)) return undefined;
  if (module !== '' && /^[a-z_][a-z_0-9]*$/.test(className)) {
    return ['runs-code', `${module}.${className} is a function, not a layer`];
  }
  if (module !== '' && className.includes('.')) {
    return ['runs-code', `${className} walks through attributes of ${module}`];
  }
  // Old files name no module: the class can only come from the user's own list.
  if (module === '' || registeredName.includes('>') || className.includes('>')) {
    return ['custom', `${className} must come from whoever loads the model`];
  }
  return ['unlisted', `${module}.${className} is no class that Keras rebuilds`];
}

function isFunctionOfBuiltins(module: string, isFunction: boolean): boolean {
  return module === 'builtins' && isFunction;
}

function judgeFunction(subject: FileSubject, module: string, name: string): Judgement | undefined {
  if (subject.list('keras-unlisted-class/functions').has(name)) return undefined;
  if (KERAS_MODULE.test(module))
    return ['runs-code', `${module}.${name} is called while the model loads`];
  return ['custom', `function ${name} must come from whoever loads the model`];
}

/** Marshalled code stands as text in a list (Keras 2) or in a `__lambda__` object (Keras 3). */
function holdsCode(config: JsonObject): boolean {
  return (
    ['function', 'output_shape', 'mask'].some((key) => {
      const value = config[key];
      if (isJsonArray(value))
        return typeof value[0] === 'string' && (value[0].length > 40 || key === 'function');
      return isJsonObject(value) && value['class_name'] === '__lambda__';
    }) || ['lambda', 'raw'].includes(textOf(config['function_type']))
  );
}

function namedFunction(config: JsonObject): string {
  const value = config['function'];
  const name = isJsonObject(value) ? textOf(value['config']) : textOf(value);
  return `Lambda around the function ${name}, which must come from whoever loads the model`;
}

/** Options that Keras opens as a file or an address. */
function judgeOptions(object: JsonObject, place: KerasPlace, tally: Tally): void {
  for (const [option, purpose] of Object.entries(FILE_OPTIONS)) {
    const value = object[option];
    if (typeof value !== 'string' || value === '') continue;
    const problem = judgeReference(value);
    const fact = {
      kind: 'external-reference',
      format: 'keras',
      purpose,
      target: shown(value),
      problem,
    } as const;
    tally.add(`${purpose}\0${value}`, fact, { ...place, key: `${place.key}/${option}` });
  }
}
