/**
 * Tells protobuf models apart by their top-level field numbers, since protobuf has no magic: ONNX
 * `ModelProto`, TensorFlow `SavedModel`, Core ML `Model`. Reads field headers only.
 */
import type { ByteSource } from './byte-source.ts';

const MAX_FIELDS = 64;

interface Field {
  readonly number: number;
  readonly wire: number;
}

/** `onnx`, `savedmodel`, `coreml`, `protobuf`, or nothing when the bytes are not one sequence of fields. */
export function protobufModelKind(source: ByteSource, extension: string): string | undefined {
  const fields = topLevelFields(source);
  if (fields === undefined || fields.length === 0) return undefined;
  const has = (number: number, wire: number): boolean =>
    fields.some((field) => field.number === number && field.wire === wire);
  const onnxOnly = fields.every(({ number }) => number <= 8 || [14, 20, 25, 26].includes(number));
  if (onnxOnly && has(7, 2) && (has(1, 0) || has(8, 2))) return 'onnx';
  if (has(1, 0) && has(2, 2) && fields.every(({ number }) => number <= 2)) return 'savedmodel';
  if (has(1, 0) && has(2, 2) && fields.some(({ number }) => number >= 200)) return 'coreml';
  if (extension === 'onnx') return 'onnx';
  return ['pb', 'mlmodel', 'proto'].includes(extension) ? 'protobuf' : undefined;
}

function topLevelFields(source: ByteSource): readonly Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  while (at < source.size && fields.length < MAX_FIELDS) {
    const tag = varint(source, at);
    if (tag === undefined) return undefined;
    at = tag.next;
    const number = Math.floor(tag.value / 8);
    const wire = tag.value % 8;
    if (number === 0 || number > 20_000) return undefined;
    fields.push({ number, wire });
    if (wire === 0 || wire === 2) {
      const value = varint(source, at);
      if (value === undefined) return undefined;
      at = wire === 0 ? value.next : value.next + value.value;
    } else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else return undefined;
    if (at > source.size) return undefined;
  }
  return fields;
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
