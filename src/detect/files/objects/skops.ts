/**
 * skops: the types, functions and methods that `schema.json` makes the loader build, against a list.
 * CVE-2025-54412 and 54413 let a node show one type and build another, so the pair of loader and type counts.
 */
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  pointerSegment,
  readJson,
} from '../../../artifact/json.ts';
import type { FileDetector, FileSubject } from '../detector.ts';
import { shown, Tally, whatOf } from '../tally.ts';

const MAX_SCHEMA_BYTES = 16 * 1024 * 1024;
/** Public and private classes of scikit-learn; its functions are on the list one by one. */
const SKLEARN_CLASS = /^sklearn(?:\.[a-z_0-9]+)+\._?[A-Z]\w*$/;
const CALLING_LOADERS = new Set(['MethodNode', 'OperatorFuncNode']);
const OPERATOR_CLASSES = new Set(['attrgetter', 'itemgetter', 'methodcaller']);

export const skopsDetector: FileDetector = {
  name: 'skops',
  accepts: ({ format, member, depth }) =>
    depth > 0 && format === 'json' && /(?:^|\/)schema\.json$/.test(member ?? ''),
  inspect(subject, report) {
    if (subject.source.size > MAX_SCHEMA_BYTES) {
      report.notCovered({
        what: whatOf(subject),
        why: `E_LIMIT: a schema of ${subject.source.size} bytes`,
      });
      return;
    }
    const document = readJson(subject.source.read(0, subject.source.size), {
      allowNonFinite: true,
    });
    if (!isJsonObject(document.value) || typeof document.value['__loader__'] !== 'string') return;
    const tally = new Tally(subject);
    for (const { pointer, byteOffset } of document.duplicates) {
      tally.add(
        '',
        { kind: 'duplicate-json-key', format: 'skops', key: shown(pointer) },
        { byteOffset },
      );
    }
    const pending: { value: JsonValue; pointer: string }[] = [
      { value: document.value, pointer: '' },
    ];
    for (let next = pending.pop(); next; next = pending.pop()) {
      const { value, pointer } = next;
      if (isJsonArray(value)) {
        for (const [i, item] of value.entries()) {
          if (isJsonArray(item) || isJsonObject(item))
            pending.push({ value: item, pointer: pointer + pointerSegment(i) });
        }
      } else if (isJsonObject(value)) {
        judgeNode(
          subject,
          value,
          { key: shown(pointer), byteOffset: document.offsetOf(value, '__class__') ?? 0 },
          tally,
        );
        for (const key of Object.keys(value)) {
          const item = value[key];
          if (isJsonArray(item) || isJsonObject(item))
            pending.push({ value: item, pointer: pointer + pointerSegment(key) });
        }
      }
    }
    tally.flush(report);
  },
};

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function judgeNode(
  subject: FileSubject,
  node: JsonObject,
  location: { key: string; byteOffset: number },
  tally: Tally,
): void {
  const loader = textOf(node['__loader__']);
  if (loader === '') return;
  const module = textOf(node['__module__']);
  const className = textOf(node['__class__']);
  const type = `${module}.${className}`;
  const judged = judgeType(subject, loader, module, className, node);
  if (judged === undefined) return;
  const fact = {
    kind: 'named-type',
    format: 'skops',
    type: shown(type),
    standing: judged[0],
    detail: shown(judged[1]),
  } as const;
  tally.add(`${loader}\0${type}`, fact, location);
}

function judgeType(
  subject: FileSubject,
  loader: string,
  module: string,
  className: string,
  node: JsonObject,
): readonly ['runs-code' | 'unlisted', string] | undefined {
  const type = `${module}.${className}`;
  if (CALLING_LOADERS.has(loader)) {
    const content = node['content'];
    const method = isJsonObject(content) ? textOf(content['func']) : '';
    const mismatch =
      loader === 'OperatorFuncNode' && (module !== 'operator' || !OPERATOR_CLASSES.has(className));
    if (mismatch || method.startsWith('_') || method.includes('.')) {
      return ['runs-code', `${loader} builds ${type} ${method}, which is not what it shows`];
    }
    return [
      'unlisted',
      `${loader} calls ${method === '' ? className : method} of an object in the file`,
    ];
  }
  if (subject.list('unlisted-type/skops-types').has(type)) return undefined;
  if (SKLEARN_CLASS.test(type) && loader !== 'FunctionNode') return undefined;
  const root = module.split('.')[0] ?? '';
  if (
    subject.list('keras-unsafe-layer/library-roots').has(root) &&
    root !== 'sklearn' &&
    root !== 'scipy'
  ) {
    return ['runs-code', `${loader} imports ${type}`];
  }
  return ['unlisted', `${loader} imports ${type}`];
}
