/**
 * An eight-bit copy of a model's matrices for screening: about three times as fast, and never what a number in a report
 * comes from. One scale an output; embeddings, norms, biases and routers stay float32.
 */
import { FileSource } from '../../artifact/byte-source.ts';
import { readSafetensorsHeader } from '../../artifact/safetensors.ts';
import { elementCount, type LocatedTensor } from '../../artifact/tensor.ts';
import { readScalars } from '../../artifact/values/tensor-values.ts';
import { ScanError } from '../../errors.ts';
import type { LinearSpec, ModelSpec } from '../spec.ts';
import { contentKey, type FloatCache } from './float-cache.ts';

/** Raised when other codes come out of the same bytes. */
const RECIPE_VERSION = 1;
/** Seven bits: the sum of two products of bytes must fit 16 bits on processors without VNNI. */
const LEVELS = 63;
/** A larger matrix is held whole while it is turned, and stays float32. */
const MAX_ELEMENTS = 2 ** 28;
const ALIGNMENT = 64;

/** The same model with `int8` copies beside its matrices. @throws ScanError `E_LIMIT`, `E_IO` */
export function withInt8(spec: ModelSpec, cache: FloatCache): ModelSpec {
  const matrices = new Map<string, LinearSpec>();
  visitLinears(spec, (linear) => {
    if (elementCount(linear.weight.shape) <= MAX_ELEMENTS) matrices.set(keyOf(linear), linear);
    return linear;
  });
  const list = [...matrices.values()];
  const files = [...new Set(list.map(({ weight }) => weight.file))];
  const key = contentKey(`int8 ${RECIPE_VERSION} ${[...matrices.keys()].join(' ')}`, files);
  const path = cache.find(key) ?? writeCopy(cache, key, list);
  const located = locate(path, list);
  const places = new Map(list.map((linear, index) => [keyOf(linear), index]));
  return visitLinears(spec, (linear) => {
    const index = places.get(keyOf(linear));
    const codes = located.get(`c${index}`);
    const scales = located.get(`s${index}`);
    return codes === undefined || scales === undefined
      ? linear
      : { ...linear, int8: { codes, scales } };
  });
}

function keyOf({ weight, layout }: LinearSpec): string {
  return `${layout} ${weight.byteOffset} ${weight.shape.join('x')} ${weight.file}`;
}

/** Attention, MLP and head; a router chooses, so it stays exact. */
function visitLinears(spec: ModelSpec, change: (linear: LinearSpec) => LinearSpec): ModelSpec {
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit);
    if (typeof value !== 'object' || value === null) return value;
    if (isLinear(value)) return change(value);
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, name === 'router' ? item : visit(item)]),
    );
  };
  const { blocks, head } = spec;
  return {
    ...spec,
    blocks: visit(blocks) as ModelSpec['blocks'],
    ...(head !== undefined && { head: visit(head) as NonNullable<ModelSpec['head']> }),
  };
}

function isLinear(value: object): value is LinearSpec {
  return 'layout' in value && 'weight' in value;
}

function sizeOf({ weight, layout }: LinearSpec): { inputs: number; outputs: number } {
  const [rows = 0, columns = 0] = weight.shape;
  return layout === 'out-in'
    ? { inputs: columns, outputs: rows }
    : { inputs: rows, outputs: columns };
}

function writeCopy(cache: FloatCache, key: string, list: readonly LinearSpec[]): string {
  const header: Record<string, unknown> = {};
  let end = 0;
  const place = (name: string, dtype: string, shape: number[], bytes: number) => {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes] };
    end += bytes;
  };
  for (const [index, linear] of list.entries()) {
    const { inputs, outputs } = sizeOf(linear);
    place(`s${index}`, 'F32', [outputs], 4 * outputs);
    place(`c${index}`, 'I8', [inputs, outputs], inputs * outputs);
  }
  const json = Buffer.from(JSON.stringify(header));
  const headerBytes = Math.ceil((json.byteLength + 8) / ALIGNMENT) * ALIGNMENT;
  const head = Buffer.alloc(headerBytes, ' ');
  head.writeBigUInt64LE(BigInt(headerBytes - 8));
  json.copy(head, 8);
  return cache.create(key, headerBytes + end, (append) => {
    append(head);
    for (const linear of list) {
      const { codes, scales } = quantised(linear);
      append(new Uint8Array(scales.buffer));
      append(new Uint8Array(codes.buffer));
    }
  });
}

function quantised(linear: LinearSpec): { codes: Int8Array; scales: Float32Array } {
  const { inputs, outputs } = sizeOf(linear);
  using source = new FileSource(linear.weight.file);
  const weights = readScalars(source, linear.weight, 0, inputs * outputs);
  const [byOutput, byInput] = linear.layout === 'out-in' ? [inputs, 1] : [1, outputs];
  const codes = new Int8Array(inputs * outputs);
  const scales = new Float32Array(outputs);
  for (let o = 0; o < outputs; o++) {
    let peak = 0;
    for (let i = 0; i < inputs; i++) {
      peak = Math.max(peak, Math.abs(weights[o * byOutput + i * byInput] as number));
    }
    const scale = peak > 0 ? peak / LEVELS : 1;
    scales[o] = scale;
    for (let i = 0; i < inputs; i++) {
      codes[i * outputs + o] = Math.round((weights[o * byOutput + i * byInput] as number) / scale);
    }
  }
  return { codes, scales };
}

function locate(path: string, list: readonly LinearSpec[]): ReadonlyMap<string, LocatedTensor> {
  using source = new FileSource(path);
  const found = new Map<string, LocatedTensor>();
  for (const entry of readSafetensorsHeader(source).tensors) {
    found.set(entry.name, { ...entry, file: path });
  }
  list.forEach((linear, index) => {
    const { inputs, outputs } = sizeOf(linear);
    const codes = found.get(`c${index}`);
    const fits =
      codes?.dtype === 'i8' &&
      codes.shape.join() === `${inputs},${outputs}` &&
      found.get(`s${index}`)?.shape.join() === `${outputs}`;
    if (fits) return;
    throw new ScanError('E_IO', 'the cached eight-bit copy does not fit the model', {
      file: path,
      hint: 'Run "narrowfire cache clear".',
    });
  });
  return found;
}
