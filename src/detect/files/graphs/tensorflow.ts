/** TensorFlow and TFLite graphs: operators that touch files, call Python, or come from nowhere. */
import { wholeMessage } from '../../../artifact/protobuf.ts';
import { judgeReference } from '../../../artifact/reference-path.ts';
import {
  type TensorFlowNode,
  type TensorFlowVisitor,
  visitGraphDef,
  visitMetaGraph,
  visitSavedModel,
} from '../../../artifact/tensorflow/reader.ts';
import { readTflite } from '../../../artifact/tflite/reader.ts';
import type { OperatorEffect } from '../../../evidence/format.ts';
import type { FileDetector, FileReport, FileSubject } from '../detector.ts';
import { shown, Tally, whatOf } from '../tally.ts';
import { problemSink } from '../tensor-table.ts';

const MAX_TEXTS = 100_000;

export const tensorflowDetector: FileDetector = {
  name: 'tensorflow',
  accepts: ({ format, path, member }) =>
    format === 'savedmodel' ||
    format === 'graphdef' ||
    (format === 'protobuf' && /\.(?:pb|meta)$/i.test(member ?? path)),
  inspect: inspectTensorflow,
};

/** The text form of a SavedModel or GraphDef, which TensorFlow loads as well. */
export const tensorflowTextDetector: FileDetector = {
  name: 'tensorflow-text',
  accepts: ({ format, path, member }) =>
    (format === 'text' || format === 'json') && /\.(?:pbtxt|prototxt)$/i.test(member ?? path),
  inspect: inspectText,
};

export const tfliteDetector: FileDetector = {
  name: 'tflite',
  accepts: ({ format }) => format === 'tflite',
  inspect: inspectTflite,
};

function inspectTensorflow(subject: FileSubject, report: FileReport): void {
  const tally = new Tally(subject);
  const { visitor, finish } = visitorOf(subject, tally);
  try {
    if (subject.format === 'savedmodel') visitSavedModel(subject.source, visitor);
    else if (subject.format === 'graphdef') visitGraphDef(wholeMessage(subject.source), visitor);
    else visitMetaGraph(wholeMessage(subject.source), visitor);
  } finally {
    finish();
    tally.flush(report);
  }
}

/** What an operator of TensorFlow does beyond arithmetic. */
function effectOf(subject: FileSubject, operator: string): OperatorEffect | undefined {
  if (subject.list('operator-runs-code/tensorflow').has(operator)) return 'runs-code';
  if (subject.list('operator-touches-files/tensorflow-read').has(operator)) return 'reads-file';
  if (subject.list('operator-touches-files/tensorflow-write').has(operator)) return 'writes-file';
  return undefined;
}

function visitorOf(
  subject: FileSubject,
  tally: Tally,
): { readonly visitor: TensorFlowVisitor; finish(): void } {
  const known = subject.list('custom-operator/tensorflow-operators');
  const fixedPath = subject.list('operator-touches-files/tensorflow-fixed-path');
  const functions = new Set<string>();
  const unknown = new Map<string, number>();
  /** Text of constants in the current scope, and what only passes it on. */
  const texts = new Map<string, string>();
  let scopeName = '';

  function pathOf({ inputs, texts: own }: TensorFlowNode): string | undefined {
    for (const input of inputs) {
      const text = texts.get(input.replace(/^\^/, '').split(':')[0] ?? '');
      if (text !== undefined) return text;
    }
    return own.get('filename') ?? own.get('memory_region_name');
  }

  function add(node: TensorFlowNode, effect: OperatorEffect, argument: string | undefined): void {
    const fact = {
      kind: 'operator-use',
      format: 'tensorflow',
      operator: shown(node.operator),
      effect,
    } as const;
    const key = shown(scopeName === '' ? node.name : `${scopeName}/${node.name}`);
    tally.add(
      node.operator,
      argument === undefined ? fact : { ...fact, argument: shown(argument) },
      {
        byteOffset: node.byteOffset,
        key,
      },
    );
  }

  const visitor: TensorFlowVisitor = {
    check: () => subject.budget.check(),
    scope(name, kind) {
      texts.clear();
      scopeName = name;
      if (kind === 'function') functions.add(name);
    },
    node(node) {
      const { operator, inputs, byteOffset } = node;
      const passed =
        operator === 'Identity' ? texts.get(inputs[0]?.split(':')[0] ?? '') : undefined;
      const text = operator === 'Const' ? node.texts.get('value') : passed;
      if (text !== undefined && texts.size < MAX_TEXTS) texts.set(node.name, text);
      const effect = effectOf(subject, operator);
      if (effect !== undefined) add(node, effect, pathOf(node));
      else if (fixedPath.has(operator)) {
        const path = texts.get(inputs[0]?.split(':')[0] ?? '');
        if (path) add(node, /Restore/.test(operator) ? 'reads-file' : 'writes-file', path);
      } else if (operator === 'PrintV2' && node.texts.get('output_stream')?.startsWith('file:')) {
        add(node, 'writes-file', node.texts.get('output_stream'));
      } else if (!known.has(operator) && unknown.size < 10_000 && !unknown.has(operator)) {
        unknown.set(operator, byteOffset);
      }
    },
    asset(fileName, byteOffset) {
      const problem = judgeReference(fileName);
      const fact = {
        kind: 'external-reference',
        format: 'tensorflow',
        purpose: 'asset-file',
        target: shown(fileName),
        problem,
      } as const;
      tally.add(problem, fact, { byteOffset });
    },
  };
  /** Functions may stand after the nodes that call them by name. */
  function finish(): void {
    for (const [operator, byteOffset] of unknown) {
      if (functions.has(operator)) continue;
      tally.add(
        operator,
        { kind: 'operator-use', format: 'tensorflow', operator: shown(operator), effect: 'custom' },
        { byteOffset },
      );
    }
  }
  return { visitor, finish };
}

const MAX_TEXT_GRAPH_BYTES = 64 * 1024 * 1024;

function inspectText(subject: FileSubject, report: FileReport): void {
  const { source } = subject;
  const length = Math.min(source.size, MAX_TEXT_GRAPH_BYTES);
  if (length < source.size) {
    report.notCovered({
      what: whatOf(subject),
      why: `E_LIMIT: a text graph of ${source.size} bytes`,
    });
  }
  const tally = new Tally(subject);
  const text = Buffer.from(source.read(0, length)).toString('latin1');
  for (const match of text.matchAll(/\bop\s{0,8}:\s{0,8}["']([\w>]{1,200})["']/g)) {
    const operator = match[1] ?? '';
    const effect = effectOf(subject, operator);
    if (effect === undefined) continue;
    tally.add(
      operator,
      { kind: 'operator-use', format: 'tensorflow', operator, effect },
      { byteOffset: match.index },
    );
  }
  tally.flush(report);
}

function inspectTflite(subject: FileSubject, report: FileReport): void {
  const tally = new Tally(subject);
  try {
    const model = readTflite(subject.source, problemSink(subject, report, tally));
    for (const { customName, byteOffset, uses } of model.operators) {
      subject.budget.check();
      if (customName === undefined) continue;
      // Flex operators are TensorFlow's own, run by the TensorFlow delegate.
      const flex = customName.startsWith('Flex') ? customName.slice(4) : undefined;
      const effect = flex === undefined ? undefined : effectOf(subject, flex);
      const isKnown =
        flex === undefined
          ? subject.list('custom-operator/tflite-operators').has(customName)
          : subject.list('custom-operator/tensorflow-operators').has(flex);
      if (effect === undefined && isKnown) continue;
      const fact = {
        kind: 'operator-use',
        format: 'tflite',
        operator: shown(customName),
        effect: effect ?? 'custom',
      } as const;
      for (let i = 0; i < Math.min(Math.max(uses, 1), 1000); i++)
        tally.add(customName, fact, { byteOffset });
    }
  } finally {
    tally.flush(report);
  }
}
