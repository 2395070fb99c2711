/** Tensors of a GGUF file under Hugging Face names and in Hugging Face order. */
import { statSync } from 'node:fs';
import { FileSource } from '../../artifact/byte-source.ts';
import { readGguf } from '../../artifact/gguf/reader.ts';
import type { GgufTensor } from '../../artifact/gguf/types.ts';
import { ggmlValues } from '../../artifact/values/ggml.ts';
import type { TensorValues } from '../../artifact/values/tensor-values.ts';
import {
  renamed,
  reorderedRows,
  shifted,
  slice,
  transposed,
} from '../../artifact/values/transforms.ts';
import { ScanError, toScanError } from '../../errors.ts';
import type { StoredTensor, StoredWeights, WeightFile } from '../weights/stored.ts';
import { type Architecture, type Change, ggufArchitecture } from './architectures.ts';
import { GgufMetadata } from './metadata.ts';

const MAX_EXPERTS = 4096;
/** Part of the configuration, and read as such. */
const ROTARY_FACTORS = /^rope_(freqs|factors_(long|short))\.weight$/;

/**
 * An unknown architecture keeps GGUF's names and numbers.
 * @param paths one file, or the parts of a model in order; the first holds the metadata
 * @throws ScanError with file and offset
 */
export function openGguf(paths: readonly string[]): StoredWeights {
  const sources: FileSource[] = [];
  const close = () => {
    for (const source of sources) source.close();
  };
  const tensors = new Map<string, StoredTensor>();
  const files: WeightFile[] = [];
  let metadata: GgufMetadata | undefined;
  let architecture: Architecture | undefined;
  for (const path of paths) {
    try {
      const source = new FileSource(path);
      sources.push(source);
      files.push({ path, byteLength: source.size, mtimeMs: statSync(path).mtimeMs });
      if (metadata === undefined) {
        metadata = new GgufMetadata(source, path);
        const count = metadata.number('split.count') ?? 1;
        if (count > 1 && count !== paths.length) {
          const hint = 'Keep the names that the parts were split under.';
          const problem = `the model is split over ${count} files, found ${paths.length}`;
          throw new ScanError('E_NOT_FOUND', problem, { hint });
        }
        const experts = metadata.own('expert_count') ?? 0;
        architecture = ggufArchitecture(metadata.architecture, experts);
      }
      const part = metadata.path === path ? metadata.file : readGguf(source);
      for (const tensor of part.tensors) {
        if (architecture !== undefined && ROTARY_FACTORS.test(tensor.name)) continue;
        for (const stored of storedTensors(source, tensor, metadata, architecture, path)) {
          if (tensors.has(stored.name) && metadata.path !== path) {
            throw new ScanError('E_FORMAT', `tensor "${stored.name}" is in two parts`);
          }
          tensors.set(stored.name, stored);
        }
      }
    } catch (error) {
      close();
      throw toScanError(error, path);
    }
  }
  return {
    format: 'gguf',
    files,
    tensors,
    recipe: architecture?.modelType ?? 'unmapped',
    [Symbol.dispose]: close,
  };
}

function storedTensors(
  source: FileSource,
  tensor: GgufTensor,
  metadata: GgufMetadata,
  architecture: Architecture | undefined,
  file: string,
): StoredTensor[] {
  const values = ggmlValues(source, tensor, file);
  if (values === undefined) {
    const { name, dims, ggmlType } = tensor;
    const unread = `E_DTYPE: numbers of type ${ggmlType} are not read`;
    return [{ name, shape: dims.toReversed(), file, unread }];
  }
  return inHuggingFaceForm(values, metadata, architecture).map((part) => {
    const { name, shape, located } = part;
    const stored = { name, shape, values: part, file };
    return located === undefined ? stored : { ...stored, located };
  });
}

function inHuggingFaceForm(
  values: TensorValues,
  metadata: GgufMetadata,
  architecture: Architecture | undefined,
): readonly TensorValues[] {
  const parts = /^(?:blk\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(values.name);
  const [, layer, stem = '', kind = ''] = parts ?? [];
  if (architecture === undefined || parts === null) return [values];
  const { names, blockPrefix, blockNames, changes, experts } = architecture;
  const prefix = layer === undefined ? '' : blockPrefix.replace('N', layer);
  const expert = experts === undefined ? undefined : own(experts, stem);
  if (expert !== undefined && layer !== undefined) {
    const count = values.shape[0] ?? 0;
    if (values.shape.length !== 3 || count > MAX_EXPERTS) return [values];
    return Array.from({ length: count }, (_, index) =>
      slice(values, index, `${prefix}${expert.replace('E', String(index))}.${kind}`),
    );
  }
  const name = own(layer === undefined ? names : blockNames, stem);
  if (name === undefined) return [values];
  const change = changes === undefined ? undefined : own(changes, stem);
  return [undone(renamed(values, `${prefix}${name}.${kind}`), change, stem, metadata)];
}

function own<Value>(table: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function undone(
  values: TensorValues,
  change: Change | undefined,
  stem: string,
  metadata: GgufMetadata,
): TensorValues {
  const [rows = 0] = values.shape;
  switch (change) {
    case undefined:
      return values;
    case 'plus-one':
      return shifted(values, -1);
    case 'transposed':
      return values.shape.length === 2 ? transposed(values) : values;
    case 'rotary-rows': {
      const key = stem === 'attn_k' ? 'attention.head_count_kv' : 'attention.head_count';
      const size = rows / headCount(metadata, key, rows);
      return reorderedRows(values, (row) => {
        const within = row % size;
        const half = size / 2;
        return row - within + 2 * (within % half) + Math.floor(within / half);
      });
    }
    case 'gathered-qkv': {
      const heads = headCount(metadata, 'attention.head_count', rows);
      const size = rows / heads / 3;
      return reorderedRows(values, (row) => {
        const head = Math.floor(row / (3 * size));
        const part = Math.floor(row / size) % 3;
        return (part * heads + head) * size + (row % size);
      });
    }
  }
}

function headCount(metadata: GgufMetadata, key: string, rows: number): number {
  const heads = metadata.own(key) ?? metadata.own('attention.head_count') ?? 0;
  if (Number.isInteger(heads) && heads > 0 && rows % heads === 0) return heads;
  throw new ScanError('E_MODEL_CONFIG', `${heads} heads do not divide ${rows} rows`, {
    file: metadata.path,
  });
}
