/** Finds packed weights among stored tensors by their parts' names, and puts what they stand for in their place. */
import type { ByteSource } from '../../../artifact/byte-source.ts';
import { elementCount } from '../../../artifact/tensor.ts';
import { readAll, readScalars } from '../../../artifact/values/tensor-values.ts';
import type { StoredTensor } from '../stored.ts';
import { unpackInt8Rows, unpackNibbles } from './bitsandbytes.ts';
import { unpackCompressed, unpackScaledBytes } from './compressed-tensors.ts';
import { unpackIntegerGroups } from './integer-groups.ts';
import { MAX_PACKED_ELEMENTS, type PackedGroup, type PackingSettings } from './packing.ts';
import { unpackScaledFloats } from './scaled-floats.ts';

/** A part that only a packed weight has. */
const MARK = /^(.+)\.(qweight|SCB|weight\.absmax|weight_packed|weight_scale|weight_scale_inv)$/;

const UNPACKERS = [
  unpackIntegerGroups,
  unpackNibbles,
  unpackInt8Rows,
  unpackCompressed,
  unpackScaledBytes,
  unpackScaledFloats,
];

/** @throws ScanError when the parts of a packed weight contradict each other */
export function unpackTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  sourceOf: (file: string) => ByteSource,
  settings: PackingSettings,
): ReadonlyMap<string, StoredTensor> {
  const modules = new Set([...tensors.keys()].map((name) => MARK.exec(name)?.[1] ?? ''));
  modules.delete('');
  if (modules.size === 0) return tensors;
  const result = new Map(tensors);
  for (const module of modules) {
    const group = groupOf(module, tensors, sourceOf);
    for (const unpack of UNPACKERS) {
      const unpacked = unpack(group, settings);
      if (unpacked === undefined) continue;
      const { values, used } = unpacked;
      const file = tensors.get(used.find((name) => tensors.has(name)) ?? '')?.file ?? '';
      for (const name of used) result.delete(name);
      result.set(values.name, { name: values.name, shape: values.shape, values, file });
      break;
    }
  }
  return result;
}

function groupOf(
  module: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  sourceOf: (file: string) => ByteSource,
): PackedGroup {
  const bounded = (part: StoredTensor) => {
    if (elementCount(part.shape) > MAX_PACKED_ELEMENTS)
      throw new Error(`${part.name} is not bounded`);
  };
  return {
    module,
    part: (suffix) => tensors.get(`${module}.${suffix}`),
    bytes: (part) => {
      bounded(part);
      const { located } = part;
      if (located === undefined) throw new Error(`${part.name} has no place`);
      return sourceOf(located.file).read(located.byteOffset, located.byteLength);
    },
    floats: (part) => {
      bounded(part);
      if (part.values !== undefined) return readAll(part.values);
      const { located } = part;
      if (located === undefined) throw new Error(`${part.name} has no place`);
      return readScalars(sourceOf(located.file), located, 0, elementCount(part.shape));
    },
  };
}

/** @param config `quantization_config` of config.json, of any shape */
export function packingSettings(config: unknown): PackingSettings {
  const text = (key: string): string => {
    if (typeof config !== 'object' || config === null) return '';
    const value = (config as Readonly<Record<string, unknown>>)[key];
    return typeof value === 'string' ? value : '';
  };
  return {
    method: text('quant_method'),
    zeroPointsAsStored: text('checkpoint_format') === 'gptq_v2',
  };
}
