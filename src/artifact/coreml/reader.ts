/**
 * Core ML models: custom layers and models, linked files and weight files, through pipelines, branches and blocks.
 * Source: apple/coremltools, mlmodel/format/*.proto.
 */
import { ScanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { fieldsOf, type Message, messageOf, textOf, wholeMessage } from '../protobuf.ts';

export interface CoremlVisitor {
  check(): void;
  /** A layer or model whose code the app must bring. */
  custom(kind: 'layer' | 'model', className: string, byteOffset: number): void;
  /** A file that the model reads. */
  file(purpose: 'linked-model' | 'weights', name: string, byteOffset: number): void;
  metadata(key: string, value: string, byteOffset: number): void;
}

const MAX_DEPTH = 24;
const MAX_TEXT_BYTES = 4096;
const PIPELINES = new Map([
  [200, 1],
  [201, 1],
]);
const NETWORKS = new Set([303, 403, 500]);

export function visitCoreml(source: ByteSource, visitor: CoremlVisitor): void {
  visitModel(wholeMessage(source), visitor, 0);
}

function* inner(message: Message, number: number): Generator<Message> {
  for (const field of fieldsOf(message)) {
    if (field.number === number && field.wire === 2) yield messageOf(message, field);
  }
}

function text(message: Message, number: number): string {
  for (const field of fieldsOf(message)) {
    if (field.number === number && field.wire === 2) return textOf(message, field, MAX_TEXT_BYTES);
  }
  return '';
}

function checkDepth(message: Message, depth: number): void {
  if (depth > MAX_DEPTH) {
    throw new ScanError('E_LIMIT', `models nested deeper than ${MAX_DEPTH}`, {
      byteOffset: message.offset,
    });
  }
}

function visitModel(model: Message, visitor: CoremlVisitor, depth: number): void {
  checkDepth(model, depth);
  for (const field of fieldsOf(model)) {
    visitor.check();
    if (field.wire !== 2) continue;
    const body = messageOf(model, field);
    if (field.number === 2) visitDescription(body, visitor);
    else if (field.number === 202) visitPipeline(body, visitor, depth);
    else if (PIPELINES.has(field.number)) {
      for (const pipeline of inner(body, 1)) visitPipeline(pipeline, visitor, depth);
    } else if (NETWORKS.has(field.number)) visitNetwork(body, visitor, depth + 1);
    else if (field.number === 502) visitProgram(body, visitor);
    else if (field.number === 555) visitor.custom('model', text(body, 10), body.offset);
    else if (field.number === 556) {
      for (const file of inner(body, 1)) visitLinkedFile(file, visitor);
    }
  }
}

function visitPipeline(pipeline: Message, visitor: CoremlVisitor, depth: number): void {
  for (const model of inner(pipeline, 1)) visitModel(model, visitor, depth + 1);
}

/** A linked file name is a parameter with a default value. */
function visitLinkedFile(file: Message, visitor: CoremlVisitor): void {
  for (const number of [1, 2]) {
    for (const parameter of inner(file, number)) {
      visitor.file('linked-model', text(parameter, 1), parameter.offset);
    }
  }
}

function visitDescription(description: Message, visitor: CoremlVisitor): void {
  for (const metadata of inner(description, 100)) {
    for (const field of fieldsOf(metadata)) {
      if (field.wire !== 2) continue;
      const isPair = field.number === 100;
      const body = messageOf(metadata, field);
      if (isPair) visitor.metadata(text(body, 1), text(body, 2), body.offset);
      else
        visitor.metadata(
          `metadata.${field.number}`,
          textOf(metadata, field, MAX_TEXT_BYTES),
          field.offset,
        );
    }
  }
}

function visitNetwork(network: Message, visitor: CoremlVisitor, depth: number): void {
  checkDepth(network, depth);
  for (const layer of inner(network, 1)) {
    visitor.check();
    for (const field of fieldsOf(layer)) {
      if (field.wire !== 2) continue;
      const body = messageOf(layer, field);
      if (field.number === 500) visitor.custom('layer', text(body, 10), layer.offset);
      const networks = field.number === 605 ? [1, 2] : field.number === 615 ? [3, 4] : [];
      for (const number of networks) {
        for (const nested of inner(body, number)) visitNetwork(nested, visitor, depth + 1);
      }
    }
  }
}

/** ML programs: functions, blocks and operations; values in files lie in attributes and arguments. */
function visitProgram(program: Message, visitor: CoremlVisitor): void {
  for (const entry of inner(program, 2)) {
    for (const body of inner(entry, 2)) {
      for (const specialization of inner(body, 3)) {
        for (const block of inner(specialization, 2)) visitBlock(block, visitor, 0);
      }
    }
  }
}

function visitBlock(block: Message, visitor: CoremlVisitor, depth: number): void {
  checkDepth(block, depth);
  for (const operation of inner(block, 3)) {
    visitor.check();
    if (/custom/i.test(text(operation, 1)))
      visitor.custom('layer', text(operation, 1), operation.offset);
    for (const attribute of inner(operation, 5)) {
      for (const value of inner(attribute, 2)) {
        for (const file of inner(value, 5)) visitor.file('weights', text(file, 1), file.offset);
      }
    }
    for (const nested of inner(operation, 4)) visitBlock(nested, visitor, depth + 1);
  }
}
