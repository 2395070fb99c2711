/** ONNX: external data, injected fields, operators that run code, unknown domains, redefined operators, exact-input branches. */
import { SliceSource } from '../../../artifact/byte-source.ts';
import { type OnnxTensor, type OnnxVisitor, visitOnnx } from '../../../artifact/onnx/reader.ts';
import { judgeReference } from '../../../artifact/reference-path.ts';
import type { FileDetector, FileReport, FileSubject } from '../detector.ts';
import { shown, Tally } from '../tally.ts';
import { addPayload } from '../tensor-table.ts';
import { ExactBranchTracer } from './exact-branch.ts';

export const onnxDetector: FileDetector = {
  name: 'onnx',
  accepts: ({ format }) => format === 'onnx',
  inspect,
};

const EXTERNAL_KEYS = new Set(['location', 'offset', 'length', 'checksum', 'basepath']);
/** Protobuf itself ends at 2 GiB; a tensor that claims more inside the file cannot be loaded by anyone. */
const MAX_ELEMENTS = 2 ** 45;

function inspect(subject: FileSubject, report: FileReport): void {
  const tally = new Tally(subject);
  const { visitor, finish } = visitorOf(subject, report, tally);
  try {
    visitOnnx(subject.source, visitor);
  } finally {
    finish();
    tally.flush(report);
  }
}

function visitorOf(
  subject: FileSubject,
  report: FileReport,
  tally: Tally,
): { visitor: OnnxVisitor; finish(): void } {
  const tracer = new ExactBranchTracer();
  const standardDomains = subject.list('custom-operator/onnx-domains');
  const codeOperators = subject.list('operator-runs-code/onnx');
  const fileOperators = subject.list('operator-touches-files/onnx');
  const localFunctions = new Set<string>();
  const usedDomains: { domain: string; operator: string; byteOffset: number }[] = [];
  const kinds: string[] = [];
  let passedOn = 0;
  const isModel = (): boolean => kinds.length === 1 && kinds[0] === 'graph';

  function passOn(name: string, byteOffset: number, byteLength: number): void {
    if (byteLength < 16 || passedOn++ >= 8) return;
    report.nested(name, new SliceSource(subject.source, byteOffset, byteLength, name));
  }

  /** Functions follow the graph that calls them, so operators are judged at the end. */
  function finish(): void {
    for (const { domain, operator, byteOffset } of usedDomains) {
      if (localFunctions.has(operator)) continue;
      const fact = {
        kind: 'operator-use',
        format: 'onnx',
        operator: shown(operator),
        effect: 'custom',
      } as const;
      tally.add(domain, fact, { byteOffset });
    }
    for (const { input, comparison, branch, byteOffset, nodeName } of tracer.found) {
      const fact = {
        kind: 'exact-input-branch',
        format: 'onnx',
        input: shown(input),
        comparison,
        branch,
      } as const;
      tally.add(`${input}\0${branch}`, fact, { byteOffset, key: shown(nodeName) });
    }
  }

  const visitor: OnnxVisitor = {
    check: () => subject.budget.check(),
    beginGraph(kind) {
      kinds.push(kind);
      tracer.beginGraph();
    },
    endGraph(outputs) {
      tracer.endGraph(outputs, isModel());
      kinds.pop();
    },
    input: (input) => tracer.input(input, isModel()),
    tensor(tensor) {
      tracer.constant(tensor.name);
      addTensor(tensor, tally);
    },
    node(node) {
      tracer.node(node);
      const { opType, domain, byteOffset } = node;
      const operator = domain === '' || domain === 'ai.onnx' ? opType : `${domain}::${opType}`;
      const effect = codeOperators.has(opType)
        ? 'runs-code'
        : fileOperators.has(opType)
          ? 'reads-file'
          : undefined;
      if (effect) {
        const argument = node.attributes.find(({ text }) => text !== undefined)?.text;
        const fact = {
          kind: 'operator-use',
          format: 'onnx',
          operator: shown(operator),
          effect,
        } as const;
        const withArgument = argument === undefined ? fact : { ...fact, argument: shown(argument) };
        tally.add(operator, withArgument, { byteOffset, key: shown(node.name) });
      } else if (!standardDomains.has(domain) && usedDomains.length < 10_000) {
        usedDomains.push({ domain, operator, byteOffset });
      }
      for (const { name, text } of node.attributes) {
        if (text !== undefined) addPayload(tally, 'onnx', shown(`${node.name}/${name}`), text);
      }
    },
    functionDefined(domain, name, byteOffset) {
      localFunctions.add(`${domain}::${name}`);
      if (!standardDomains.has(domain)) return;
      const operator = domain === '' ? name : `${domain}::${name}`;
      tally.add(
        operator,
        { kind: 'operator-redefined', format: 'onnx', operator: shown(operator) },
        { byteOffset },
      );
    },
    opset: () => undefined,
    metadata: (key, value) => addPayload(tally, 'onnx', shown(key), `${key}\n${value}`),
    unknownField(_message, number, byteOffset, byteLength) {
      const detail = `the model has a field ${number} that ONNX does not define, ${byteLength} bytes`;
      const fact = {
        kind: 'format-problem',
        format: 'onnx',
        problem: 'unknown-field',
        detail,
        content: 'none',
      } as const;
      tally.add('unknown-field', fact, { byteOffset, byteLength });
      passOn(`field-${number}@${byteOffset}`, byteOffset, byteLength);
    },
    trailing(byteOffset) {
      const byteLength = subject.source.size - byteOffset;
      const detail = `${byteLength} bytes after the model are no field of it`;
      tally.add(
        'trailing-bytes',
        {
          kind: 'format-problem',
          format: 'onnx',
          problem: 'trailing-bytes',
          detail,
          content: 'data',
        },
        { byteOffset, byteLength },
      );
      passOn(`trailing-bytes@${byteOffset}`, byteOffset, byteLength);
    },
  };
  return { visitor, finish };
}

/** Bits of one element by `TensorProto.DataType`. */
const ELEMENT_BITS: readonly (number | undefined)[] = [
  undefined,
  32,
  8,
  8,
  16,
  16,
  32,
  64,
  undefined,
  8,
  16,
  64,
  32,
  64,
  64,
  128,
  16,
  8,
  8,
  8,
  8,
  4,
  4,
  4,
  8,
];

function addTensor(tensor: OnnxTensor, tally: Tally): void {
  const place = { byteOffset: tensor.byteOffset, tensor: shown(tensor.name) };
  const elements = tensor.dims.reduce((product, n) => product * n, 1);
  if (tensor.dims.some((n) => n < 0) || elements > MAX_ELEMENTS) {
    const detail = `tensor ${JSON.stringify(shown(tensor.name))} has the shape [${tensor.dims.join(',')}]`;
    const fact = {
      kind: 'format-problem',
      format: 'onnx',
      problem: 'shape-overflow',
      detail,
      content: 'none',
    } as const;
    tally.add('shape-overflow', fact, place);
  }
  const bits = ELEMENT_BITS[tensor.dataType];
  if (bits !== undefined && tensor.rawBytes !== undefined && !tensor.external) {
    const needed = Math.ceil((elements * bits) / 8);
    if (needed !== tensor.rawBytes) {
      const detail = `tensor ${JSON.stringify(shown(tensor.name))} needs ${needed} bytes, ${tensor.rawBytes} are stored`;
      const fact = {
        kind: 'format-problem',
        format: 'onnx',
        problem: 'tensor-size',
        detail,
        content: 'none',
      } as const;
      tally.add('tensor-size', fact, place);
    }
  }
  const seen = new Set<string>();
  for (const [key, value] of tensor.externalData) {
    if (!EXTERNAL_KEYS.has(key) || seen.has(key)) {
      const fact = {
        kind: 'external-data-key',
        key: shown(key, 80),
        value: shown(value, 80),
      } as const;
      tally.add(shown(key, 80), fact, place);
    }
    seen.add(key);
    if (key !== 'location' && key !== 'basepath') continue;
    const problem = judgeReference(value);
    const fact = {
      kind: 'external-reference',
      format: 'onnx',
      purpose: 'external-data',
      target: shown(value),
      problem,
    } as const;
    // Hundreds of tensors share one side file.
    tally.add(problem === 'inside' ? value : problem, fact, place);
  }
}
