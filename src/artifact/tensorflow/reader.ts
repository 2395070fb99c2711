/**
 * Streams the nodes of a TensorFlow SavedModel, MetaGraph or GraphDef, function bodies included. Constants keep only
 * short text values, so that a file name can be followed to the operator that opens it.
 * Source: tensorflow/core/protobuf/{saved_model,meta_graph}.proto and tensorflow/core/framework/*.proto.
 */
import type { ByteSource } from '../byte-source.ts';
import { fieldsOf, type Message, messageOf, textOf, wholeMessage } from '../protobuf.ts';

export interface TensorFlowNode {
  readonly name: string;
  readonly operator: string;
  readonly inputs: readonly string[];
  /** Text attributes by name, cut at 1 KiB. */
  readonly texts: ReadonlyMap<string, string>;
  readonly byteOffset: number;
}

export interface TensorFlowVisitor {
  check(): void;
  /** Nodes up to the next call belong to this graph or function; names are unique inside it. */
  scope(name: string, kind: 'graph' | 'function'): void;
  node(node: TensorFlowNode): void;
  asset(fileName: string, byteOffset: number): void;
}

const MAX_TEXT_BYTES = 1024;
const MAX_INPUTS = 4096;

export function visitSavedModel(source: ByteSource, visitor: TensorFlowVisitor): void {
  const model = wholeMessage(source);
  for (const field of fieldsOf(model)) {
    if (field.number === 2 && field.wire === 2) visitMetaGraph(messageOf(model, field), visitor);
  }
}

export function visitMetaGraph(message: Message, visitor: TensorFlowVisitor): void {
  for (const field of fieldsOf(message)) {
    visitor.check();
    if (field.wire !== 2) continue;
    if (field.number === 2) visitGraphDef(messageOf(message, field), visitor);
    if (field.number === 6) visitAsset(messageOf(message, field), visitor);
  }
}

export function visitGraphDef(message: Message, visitor: TensorFlowVisitor): void {
  visitor.scope('', 'graph');
  visitNodes(message, 1, visitor);
  for (const field of fieldsOf(message)) {
    if (field.number !== 2 || field.wire !== 2) continue;
    const library = messageOf(message, field);
    for (const item of fieldsOf(library)) {
      visitor.check();
      if (item.number === 1 && item.wire === 2) visitFunction(messageOf(library, item), visitor);
    }
  }
}

function visitFunction(message: Message, visitor: TensorFlowVisitor): void {
  let name = '';
  for (const field of fieldsOf(message)) {
    if (field.number !== 1 || field.wire !== 2) continue;
    const signature = messageOf(message, field);
    for (const part of fieldsOf(signature)) {
      if (part.number === 1 && part.wire === 2) name = textOf(signature, part, MAX_TEXT_BYTES);
    }
  }
  visitor.scope(name, 'function');
  visitNodes(message, 3, visitor);
}

function visitNodes(message: Message, fieldNumber: number, visitor: TensorFlowVisitor): void {
  for (const field of fieldsOf(message)) {
    if (field.number !== fieldNumber || field.wire !== 2) continue;
    visitor.check();
    visitor.node(readNode(messageOf(message, field)));
  }
}

function readNode(message: Message): TensorFlowNode {
  let name = '';
  let operator = '';
  const inputs: string[] = [];
  const texts = new Map<string, string>();
  for (const field of fieldsOf(message)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) name = textOf(message, field, MAX_TEXT_BYTES);
    else if (field.number === 2) operator = textOf(message, field, MAX_TEXT_BYTES);
    else if (field.number === 3 && inputs.length < MAX_INPUTS) {
      inputs.push(textOf(message, field, MAX_TEXT_BYTES));
    } else if (field.number === 5) readAttribute(messageOf(message, field), texts);
  }
  return { name, operator, inputs, texts, byteOffset: message.offset };
}

/** Keeps `s`, and the first string of a `tensor`. */
function readAttribute(entry: Message, texts: Map<string, string>): void {
  let key = '';
  let text: string | undefined;
  for (const field of fieldsOf(entry)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) key = textOf(entry, field, MAX_TEXT_BYTES);
    if (field.number !== 2) continue;
    const value = messageOf(entry, field);
    for (const part of fieldsOf(value)) {
      if (part.wire !== 2) continue;
      if (part.number === 2) text = textOf(value, part, MAX_TEXT_BYTES);
      if (part.number === 8) text = firstString(messageOf(value, part));
    }
  }
  if (text !== undefined && texts.size < 256) texts.set(key, text);
}

function firstString(tensor: Message): string | undefined {
  for (const field of fieldsOf(tensor)) {
    if (field.number === 8 && field.wire === 2) return textOf(tensor, field, MAX_TEXT_BYTES);
  }
  return undefined;
}

function visitAsset(message: Message, visitor: TensorFlowVisitor): void {
  for (const field of fieldsOf(message)) {
    if (field.number === 2 && field.wire === 2) {
      visitor.asset(textOf(message, field, MAX_TEXT_BYTES), message.offset);
    }
  }
}
