/**
 * Tells protobuf models apart by their top-level field numbers, since protobuf has no magic: ONNX
 * `ModelProto`, TensorFlow `SavedModel`, Core ML `Model`. Reads field headers only.
 */
import type { ByteSource } from './byte-source.ts';

const MAX_FIELDS = 64;

interface Field {
  readonly number: number;
  readonly wire: number;
  /** Of a varint field. */
  readonly value: number;
}

/** `ir_version` counts from 1; other messages begin with dates or checksums. */
const MAX_ONNX_VERSION = 1000;

/**
 * `onnx`, `savedmodel`, `graphdef`, `coreml`, `protobuf`, or nothing when the bytes are not one sequence of fields.
 * Bytes after a complete ONNX graph do not change what it is: loaders differ in whether they mind.
 */
export function protobufModelKind(source: ByteSource, extension: string): string | undefined {
  const { fields, whole } = topLevelFields(source);
  if (fields.length === 0) return undefined;
  const has = (number: number, wire: number): boolean =>
    fields.some((field) => field.number === number && field.wire === wire);
  const first = fields[0];
  const isVersion = first?.number === 1 && first.wire === 0 && first.value <= MAX_ONNX_VERSION;
  const onnxOnly = fields.every(({ number }) => number <= 8 || [14, 20, 25, 26].includes(number));
  if (has(7, 2) && (isVersion ? has(8, 2) || onnxOnly : onnxOnly && has(8, 2))) return 'onnx';
  if (!whole) return has(7, 2) && extension === 'onnx' ? 'onnx' : undefined;
  if (has(1, 0) && has(2, 2) && fields.every(({ number }) => number <= 2)) return 'savedmodel';
  if (has(1, 0) && fields.some(({ number }) => number >= 200 && number <= 3000)) return 'coreml';
  if (extension === 'onnx') return 'onnx';
  if (has(1, 2) && fields.every(({ number }) => number <= 5) && startsWithNode(source)) {
    return 'graphdef';
  }
  return ['pb', 'meta', 'mlmodel', 'proto'].includes(extension) ? 'protobuf' : undefined;
}

/** A `NodeDef` begins with its name and then its operator, both short text. */
function startsWithNode(source: ByteSource): boolean {
  const head = Buffer.from(source.read(0, Math.min(600, source.size)));
  if (head[0] !== 0x0a) return false;
  const node = varint(source, 1);
  if (node === undefined || head[node.next] !== 0x0a) return false;
  const nameLength = head[node.next + 1] ?? 0;
  const operatorAt = node.next + 2 + nameLength;
  const operatorLength = head[operatorAt + 1] ?? 0;
  const operator = head.toString('latin1', operatorAt + 2, operatorAt + 2 + operatorLength);
  return head[operatorAt] === 0x12 && /^[A-Z_][A-Za-z0-9_>]+$/.test(operator);
}

interface TopLevel {
  readonly fields: readonly Field[];
  /** False when bytes follow that are no complete field. */
  readonly whole: boolean;
}

function topLevelFields(source: ByteSource): TopLevel {
  const fields: Field[] = [];
  let at = 0;
  while (at < source.size && fields.length < MAX_FIELDS) {
    const tag = varint(source, at);
    if (tag === undefined) return { fields, whole: false };
    at = tag.next;
    const number = Math.floor(tag.value / 8);
    const wire = tag.value % 8;
    if (number === 0 || number > 20_000) return { fields, whole: false };
    let value = 0;
    if (wire === 0 || wire === 2) {
      const read = varint(source, at);
      if (read === undefined) return { fields, whole: false };
      value = read.value;
      at = wire === 0 ? read.next : read.next + read.value;
    } else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else return { fields, whole: false };
    if (at > source.size) return { fields, whole: false };
    fields.push({ number, wire, value });
  }
  return { fields, whole: true };
}

function varint(source: ByteSource, at: number): { value: number; next: number } | undefined {
  const bytes = source.read(at, Math.min(10, source.size - at));
  let value = 0;
  for (let i = 0; i < bytes.byteLength; i++) {
    const byte = bytes[i] as number;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, next: at + i + 1 };
  }
  return undefined;
}
