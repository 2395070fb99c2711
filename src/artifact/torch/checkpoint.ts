/**
 * Tensors of a PyTorch checkpoint (`torch.save`, zip form and the form before 1.6), found without running its pickle: the symbolic machine
 * tells what the pickle would build, and only calls of torch's own tensor builders are understood.
 * Source: torch/serialization.py, torch/_utils.py.
 */
import { ScanError } from '../../errors.ts';
import type { ArchiveMember } from '../archive/member.ts';
import { readZip } from '../archive/zip.ts';
import type { ByteSource } from '../byte-source.ts';
import { PickleReader } from '../pickle/reader.ts';
import type { Value } from '../pickle/values.ts';
import { elementBytes, elementCount, type TensorEntry } from '../tensor.ts';
import { isLegacyCheckpoint, readLegacyCheckpoint } from './legacy.ts';
import { type Filled, runPickle } from './run-pickle.ts';
import { storageDtype } from './storage-dtype.ts';

const MAX_PICKLE_BYTES = 256 * 2 ** 20;
const MAX_INSTRUCTIONS = 20_000_000;
const MAX_TENSORS = 1_000_000;
const MAX_RANK = 16;
/** Names under which training code keeps the weights beside its own state. */
const WRAPPERS = ['state_dict', 'model_state_dict', 'model', 'module', 'net'];

export interface TorchTensor extends TensorEntry {
  /** Stored column by column: the bytes are those of the transposed matrix. */
  readonly transposed: boolean;
}

export interface TorchCheckpoint {
  readonly tensors: readonly TorchTensor[];
  /** Entries that are tensors but cannot be read, with the reason. */
  readonly unread: readonly { readonly name: string; readonly why: string }[];
}

/** Where a storage's numbers lie in the file. */
export interface StoragePlace {
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** @throws ScanError `E_FORMAT`, `E_TRUNCATED`, `E_LIMIT`, `E_DTYPE` */
export function readTorchCheckpoint(source: ByteSource): TorchCheckpoint {
  if (isLegacyCheckpoint(source)) {
    const { top, filled, storages } = readLegacyCheckpoint(source, MAX_INSTRUCTIONS);
    return tensorsIn(top, filled, storages);
  }
  const { members } = readZip(source);
  const pickle = members.find(({ name }) => /^([^/]+\/)?data\.pkl$/.test(name));
  if (pickle === undefined || pickle.open !== undefined) {
    throw new ScanError('E_DTYPE', 'not a file that torch.save wrote', {
      hint: 'Save it again with PyTorch, or convert it to safetensors.',
    });
  }
  if (pickle.packed.size > MAX_PICKLE_BYTES) {
    throw new ScanError('E_LIMIT', `the pickle has ${pickle.packed.size} bytes`);
  }
  const folder = pickle.name.slice(0, -'data.pkl'.length);
  const storages = new Map<string, StoragePlace>();
  for (const member of members) {
    if (!member.name.startsWith(`${folder}data/`) || member.open !== undefined) continue;
    const { byteOffset, packed } = member;
    const key = member.name.slice(`${folder}data/`.length);
    storages.set(key, { byteOffset, byteLength: packed.size });
  }
  if (byteOrder(members, folder) === 'big') {
    throw new ScanError('E_DTYPE', 'big-endian checkpoints are not read');
  }
  const { top, filled } = runPickle(new PickleReader(pickle.packed), MAX_INSTRUCTIONS);
  return tensorsIn(top, filled, storages);
}

function tensorsIn(
  top: Value,
  filled: Filled,
  storages: ReadonlyMap<string, StoragePlace>,
): TorchCheckpoint {
  const entries = new Map<string, Value>();
  collect(top, filled, '', entries, 0);
  const tensors: TorchTensor[] = [];
  const unread: { name: string; why: string }[] = [];
  for (const [name, value] of entries) {
    const built = builtTensor(value);
    if (built === undefined) continue;
    const result = placeTensor(name, built, storages);
    if (typeof result === 'string') unread.push({ name, why: result });
    else tensors.push(result);
  }
  return { tensors, unread };
}

function byteOrder(members: readonly ArchiveMember[], folder: string): string {
  const member = members.find(({ name }) => name === `${folder}byteorder`);
  if (member === undefined || member.open !== undefined || member.packed.size > 16) return 'little';
  return Buffer.from(member.packed.read(0, member.packed.size)).toString('latin1').trim();
}

/** Name and value pairs of a dictionary or OrderedDict, and of those that are wrapped in it. */
function collect(
  value: Value,
  filled: Filled,
  prefix: string,
  entries: Map<string, Value>,
  depth: number,
): void {
  const pairs = pairsOf(value, filled);
  const hasTensors = pairs.some(([, item]) => builtTensor(item) !== undefined);
  for (const [key, item] of pairs) {
    if (key.kind !== 'text' || !key.complete) continue;
    if (entries.size > MAX_TENSORS) throw new ScanError('E_LIMIT', 'too many tensors');
    if (builtTensor(item) !== undefined) entries.set(prefix + key.text, item);
    else if (!hasTensors && depth < 3 && WRAPPERS.includes(key.text)) {
      collect(item, filled, '', entries, depth + 1);
    }
  }
}

function pairsOf(value: Value, filled: Filled): readonly (readonly [Value, Value])[] {
  if (value.kind === 'dict') {
    if (value.count > value.entries.length) {
      throw new ScanError('E_LIMIT', `a dictionary has ${value.count} entries`);
    }
    return value.entries;
  }
  const items = filled.get(value) ?? [];
  const pairs: [Value, Value][] = [];
  for (let i = 0; i + 1 < items.length; i += 2) {
    pairs.push([items[i] as Value, items[i + 1] as Value]);
  }
  return pairs;
}

interface BuiltTensor {
  readonly storage: Value;
  readonly offset: Value | undefined;
  readonly size: Value | undefined;
  readonly stride: Value | undefined;
  readonly dtype: Value | undefined;
}

function builtTensor(value: Value): BuiltTensor | undefined {
  if (value.kind !== 'result' || value.callee.kind !== 'global') return undefined;
  const [first, offset, size, stride, , , dtype] = value.args;
  switch (value.callee.name) {
    case 'torch._utils._rebuild_parameter':
      return first === undefined ? undefined : builtTensor(first);
    case 'torch._utils._rebuild_tensor':
    case 'torch._utils._rebuild_tensor_v2':
      return first && { storage: first, offset, size, stride, dtype: undefined };
    case 'torch._utils._rebuild_tensor_v3':
      return first && { storage: first, offset, size, stride, dtype };
    default:
      return undefined;
  }
}

/** A tensor, or why there is none. */
function placeTensor(
  name: string,
  built: BuiltTensor,
  storages: ReadonlyMap<string, StoragePlace>,
): TorchTensor | string {
  const id = built.storage.kind === 'persistent' ? built.storage.id : undefined;
  if (id?.kind !== 'tuple') return 'its storage is computed';
  const [tag, type, key] = id.items;
  if (tag?.kind !== 'text' || tag.text !== 'storage') return 'its storage is of another kind';
  if (type?.kind !== 'global' || key?.kind !== 'text') return 'its storage is computed';
  const typed = built.dtype?.kind === 'global' ? built.dtype : type;
  const dtype = storageDtype(typed.name);
  if (dtype === undefined) {
    return `E_DTYPE: storage type ${typed.name.slice(typed.name.lastIndexOf('.') + 1).slice(0, 40)} is not read`;
  }
  const place = storages.get(key.text);
  if (place === undefined) return 'E_FORMAT: its storage is absent or compressed';
  const shape = countsOf(built.size);
  const strides = countsOf(built.stride);
  const offset = built.offset?.kind === 'number' ? built.offset.value : Number.NaN;
  if (shape === undefined || strides?.length !== shape.length || !isCount(offset)) {
    return 'its shape is computed';
  }
  const width = elementBytes(dtype);
  const byteLength = elementCount(shape) * width;
  if (!Number.isSafeInteger(byteLength) || offset * width + byteLength > place.byteLength) {
    return `E_TENSOR_BOUNDS: [${shape}] does not fit its storage of ${place.byteLength} bytes`;
  }
  const order = orderOf(shape, strides);
  if (order === undefined) return `E_DTYPE: strides [${strides}] are not those of a plain tensor`;
  const byteOffset = place.byteOffset + offset * width;
  return { name, dtype, shape, byteOffset, byteLength, transposed: order === 'columns' };
}

function countsOf(value: Value | undefined): number[] | undefined {
  if (value?.kind !== 'tuple' || value.count > MAX_RANK) return undefined;
  const counts = value.items.map((item) => (item.kind === 'number' ? item.value : Number.NaN));
  return counts.every(isCount) ? counts : undefined;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function orderOf(
  shape: readonly number[],
  strides: readonly number[],
): 'rows' | 'columns' | undefined {
  const follows = (dims: readonly number[], steps: readonly number[]): boolean => {
    let expected = 1;
    for (let i = dims.length - 1; i >= 0; i--) {
      const size = dims[i] as number;
      if (size !== 1 && steps[i] !== expected) return false;
      expected *= size;
    }
    return true;
  };
  if (elementCount(shape) === 0 || follows(shape, strides)) return 'rows';
  const turned = shape.length === 2 && follows(shape.toReversed(), strides.toReversed());
  return turned ? 'columns' : undefined;
}
