/**
 * Streams an ONNX model through a visitor: graphs, nodes, tensors, functions. Nothing is kept, tensor bytes are
 * skipped, and graphs inside attributes are entered up to a depth limit. Source: onnx/onnx.proto (IR version 13).
 */
import { ScanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import {
  fieldsOf,
  int64Of,
  type Message,
  messageOf,
  repeatedInt64,
  textOf,
  type WireField,
  wholeMessage,
} from '../protobuf.ts';

export interface OnnxTensor {
  readonly name: string;
  readonly dataType: number;
  readonly dims: readonly number[];
  readonly byteOffset: number;
  /** Bytes of `raw_data`; undefined when the values stand elsewhere. */
  readonly rawBytes: number | undefined;
  /** True for `data_location: EXTERNAL`. */
  readonly external: boolean;
  /** Keys of `external_data` in file order, repeated keys included. */
  readonly externalData: readonly (readonly [key: string, value: string])[];
}

export interface OnnxAttribute {
  readonly name: string;
  /** String value, cut at 4 KiB; absent for other types. */
  readonly text?: string;
  readonly graphs: readonly Message[];
}

export interface OnnxNode {
  readonly opType: string;
  /** Empty for the standard operators. */
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly OnnxAttribute[];
  readonly byteOffset: number;
}

export interface OnnxInput {
  readonly name: string;
  /** Elements when every dimension is a number; undefined for symbolic or unknown shapes. */
  readonly elementCount: number | undefined;
}

export interface OnnxVisitor {
  /** Called between messages; throws to stop. */
  check(): void;
  beginGraph(kind: 'graph' | 'function' | 'training', name: string, depth: number): void;
  endGraph(outputs: readonly string[]): void;
  input(input: OnnxInput): void;
  tensor(tensor: OnnxTensor): void;
  /** Nodes come in file order; the graphs of a node's attributes follow it. */
  node(node: OnnxNode): void;
  functionDefined(domain: string, name: string, byteOffset: number): void;
  opset(domain: string, version: number): void;
  metadata(key: string, value: string): void;
  unknownField(message: 'model', number: number, byteOffset: number, byteLength: number): void;
  /** Bytes after a complete graph that are no protobuf field. */
  trailing(byteOffset: number): void;
}

const MAX_GRAPH_DEPTH = 16;
const MAX_NAMES = 100_000;
const MAX_TEXT_BYTES = 4096;
const MAX_METADATA_BYTES = 262_144;
const MAX_DIMS = 64;

const MODEL_FIELDS = new Set([1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26]);

/** @throws ScanError `E_FORMAT` or `E_TRUNCATED` for bad wire data, `E_LIMIT` past a depth or count limit. */
export function visitOnnx(source: ByteSource, visitor: OnnxVisitor): void {
  const model = wholeMessage(source);
  const fields = fieldsOf(model);
  let end = 0;
  let sawGraph = false;
  for (;;) {
    let step: IteratorResult<WireField, void>;
    try {
      step = fields.next();
    } catch (error) {
      if (!sawGraph || !(error instanceof ScanError)) throw error;
      visitor.trailing(end);
      return;
    }
    if (step.done) return;
    const field = step.value;
    end = field.offset + field.length;
    sawGraph ||= field.number === 7;
    visitor.check();
    if (field.wire !== 2) {
      if (!MODEL_FIELDS.has(field.number)) unknownField(visitor, field);
      continue;
    }
    const inner = messageOf(model, field);
    if (field.number === 7) visitGraph(inner, 'graph', visitor, 0);
    else if (field.number === 8) visitOpset(inner, visitor);
    else if (field.number === 14) visitMetadata(inner, visitor);
    else if (field.number === 20) visitTraining(inner, visitor);
    else if (field.number === 25) visitFunction(inner, visitor);
    else if (field.number === 6)
      visitor.metadata('doc_string', textOf(model, field, MAX_TEXT_BYTES));
    else if (!MODEL_FIELDS.has(field.number)) unknownField(visitor, field);
  }
}

function unknownField(visitor: OnnxVisitor, field: WireField): void {
  const end = field.offset + field.length;
  visitor.unknownField('model', field.number, field.tagOffset, end - field.tagOffset);
}

/** Walks a graph that an attribute holds. */
export function visitGraph(
  graph: Message,
  kind: 'graph' | 'training',
  visitor: OnnxVisitor,
  depth: number,
): void {
  if (depth > MAX_GRAPH_DEPTH) {
    throw new ScanError('E_LIMIT', `graphs nested deeper than ${MAX_GRAPH_DEPTH}`, {
      byteOffset: graph.offset,
    });
  }
  // Protobuf allows any field order, so names, inputs and constants are read before the nodes that use them.
  let name = '';
  const outputs: string[] = [];
  for (const field of fieldsOf(graph)) {
    if (field.number === 2 && field.wire === 2) name = textOf(graph, field, MAX_TEXT_BYTES);
    if (field.number === 12 && field.wire === 2 && outputs.length < MAX_NAMES) {
      outputs.push(readInput(messageOf(graph, field)).name);
    }
  }
  visitor.beginGraph(kind, name, depth);
  for (const field of fieldsOf(graph)) {
    if (field.wire !== 2) continue;
    if (field.number === 11) visitor.input(readInput(messageOf(graph, field)));
    if (field.number === 5) visitor.tensor(readTensor(messageOf(graph, field)));
    if (field.number === 15) visitSparse(messageOf(graph, field), visitor);
    if (field.number === 16) visitMetadata(messageOf(graph, field), visitor);
  }
  for (const field of fieldsOf(graph)) {
    visitor.check();
    if (field.number === 1 && field.wire === 2) visitNode(messageOf(graph, field), visitor, depth);
  }
  visitor.endGraph(outputs);
}

function visitNode(message: Message, visitor: OnnxVisitor, depth: number): void {
  let opType = '';
  let domain = '';
  let name = '';
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: OnnxAttribute[] = [];
  const tensors: OnnxTensor[] = [];
  for (const field of fieldsOf(message)) {
    if (field.wire !== 2) continue;
    if (field.number === 1 || field.number === 2) {
      const names = field.number === 1 ? inputs : outputs;
      if (names.length < MAX_NAMES) names.push(textOf(message, field, MAX_TEXT_BYTES));
    } else if (field.number === 3) name = textOf(message, field, MAX_TEXT_BYTES);
    else if (field.number === 4) opType = textOf(message, field, MAX_TEXT_BYTES);
    else if (field.number === 7) domain = textOf(message, field, MAX_TEXT_BYTES);
    else if (field.number === 5) attributes.push(readAttribute(messageOf(message, field), tensors));
  }
  visitor.node({ opType, domain, name, inputs, outputs, attributes, byteOffset: message.offset });
  for (const tensor of tensors) visitor.tensor(tensor);
  for (const { graphs } of attributes) {
    for (const graph of graphs) visitGraph(graph, 'graph', visitor, depth + 1);
  }
}

function readAttribute(message: Message, tensors: OnnxTensor[]): OnnxAttribute {
  let name = '';
  let text: string | undefined;
  const graphs: Message[] = [];
  for (const field of fieldsOf(message)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) name = textOf(message, field, MAX_TEXT_BYTES);
    else if (field.number === 4) text = textOf(message, field, MAX_TEXT_BYTES);
    else if (field.number === 6 || field.number === 11) graphs.push(messageOf(message, field));
    else if (field.number === 5 || field.number === 10) {
      tensors.push(readTensor(messageOf(message, field)));
    } else if (field.number === 22 || field.number === 23) {
      for (const part of sparseParts(messageOf(message, field))) tensors.push(part);
    }
  }
  return { name, graphs, ...(text !== undefined && { text }) };
}

function visitSparse(message: Message, visitor: OnnxVisitor): void {
  for (const tensor of sparseParts(message)) visitor.tensor(tensor);
}

function* sparseParts(message: Message): Generator<OnnxTensor> {
  for (const field of fieldsOf(message)) {
    if (field.wire === 2 && field.number <= 2) yield readTensor(messageOf(message, field));
  }
}

function readTensor(message: Message): OnnxTensor {
  let name = '';
  let dataType = 0;
  let rawBytes: number | undefined;
  let external = false;
  const dims: number[] = [];
  const externalData: (readonly [string, string])[] = [];
  for (const field of fieldsOf(message)) {
    if (field.number === 1 && dims.length < MAX_DIMS) {
      dims.push(...repeatedInt64(message, field, MAX_DIMS));
    } else if (field.number === 2 && field.wire === 0) dataType = int64Of(field);
    else if (field.number === 8 && field.wire === 2) name = textOf(message, field, MAX_TEXT_BYTES);
    else if (field.number === 14 && field.wire === 0) external = int64Of(field) === 1;
    else if (field.number === 13 && field.wire === 2 && externalData.length < 64) {
      externalData.push(readPair(messageOf(message, field), MAX_TEXT_BYTES));
    } else if (field.number === 9 && field.wire === 2) rawBytes = field.length;
  }
  const byteOffset = message.offset;
  return { name, dataType, dims, byteOffset, rawBytes, external, externalData };
}

function readPair(message: Message, maxBytes: number): readonly [string, string] {
  let key = '';
  let value = '';
  for (const field of fieldsOf(message)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) key = textOf(message, field, MAX_TEXT_BYTES);
    if (field.number === 2) value = textOf(message, field, maxBytes);
  }
  return [key, value];
}

/** A `ValueInfoProto`: its name, and its size when the shape is all numbers. */
function readInput(message: Message): OnnxInput {
  let name = '';
  let elementCount: number | undefined;
  for (const field of fieldsOf(message)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) name = textOf(message, field, MAX_TEXT_BYTES);
    if (field.number === 2) elementCount = elementsOfType(messageOf(message, field));
  }
  return { name, elementCount };
}

function elementsOfType(type: Message): number | undefined {
  const shape = firstInner(firstInner(type, 1), 2);
  if (shape === undefined) return undefined;
  let elements: number | undefined = 1;
  for (const dimension of fieldsOf(shape)) {
    if (dimension.number !== 1 || dimension.wire !== 2) continue;
    let size: number | undefined;
    for (const field of fieldsOf(messageOf(shape, dimension))) {
      if (field.number === 1 && field.wire === 0) size = int64Of(field);
    }
    elements = size === undefined || elements === undefined ? undefined : elements * size;
  }
  return elements;
}

function firstInner(message: Message | undefined, number: number): Message | undefined {
  if (message === undefined) return undefined;
  for (const field of fieldsOf(message)) {
    if (field.number === number && field.wire === 2) return messageOf(message, field);
  }
  return undefined;
}

function visitOpset(message: Message, visitor: OnnxVisitor): void {
  let domain = '';
  let version = 0;
  for (const field of fieldsOf(message)) {
    if (field.number === 1 && field.wire === 2) domain = textOf(message, field, MAX_TEXT_BYTES);
    if (field.number === 2 && field.wire === 0) version = int64Of(field);
  }
  visitor.opset(domain, version);
}

function visitMetadata(message: Message, visitor: OnnxVisitor): void {
  const [key, value] = readPair(message, MAX_METADATA_BYTES);
  visitor.metadata(key, value);
}

function visitTraining(message: Message, visitor: OnnxVisitor): void {
  for (const field of fieldsOf(message)) {
    if (field.wire === 2 && field.number <= 2) {
      visitGraph(messageOf(message, field), 'training', visitor, 1);
    }
  }
}

function visitFunction(message: Message, visitor: OnnxVisitor): void {
  let name = '';
  let domain = '';
  for (const field of fieldsOf(message)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) name = textOf(message, field, MAX_TEXT_BYTES);
    if (field.number === 10) domain = textOf(message, field, MAX_TEXT_BYTES);
  }
  visitor.functionDefined(domain, name, message.offset);
  visitor.beginGraph('function', name, 1);
  for (const field of fieldsOf(message)) {
    visitor.check();
    if (field.wire !== 2) continue;
    if (field.number === 4) {
      visitor.input({ name: textOf(message, field, MAX_TEXT_BYTES), elementCount: undefined });
    }
    if (field.number === 7) visitNode(messageOf(message, field), visitor, 1);
    if (field.number === 9) visitOpset(messageOf(message, field), visitor);
    if (field.number === 11) {
      const tensors: OnnxTensor[] = [];
      const { graphs } = readAttribute(messageOf(message, field), tensors);
      for (const tensor of tensors) visitor.tensor(tensor);
      for (const graph of graphs) visitGraph(graph, 'graph', visitor, 2);
    }
  }
  visitor.endGraph([]);
}
