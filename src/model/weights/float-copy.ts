/** Puts every weight that is not plain float32 on disk into the cache, streamed, and says where all of them are. */
import { FileSource } from '../../artifact/byte-source.ts';
import { readSafetensorsHeader } from '../../artifact/safetensors.ts';
import { elementCount, type LocatedTensor } from '../../artifact/tensor.ts';
import { pieces, type TensorValues } from '../../artifact/values/tensor-values.ts';
import { ScanError } from '../../errors.ts';
import { contentKey, type FloatCache } from './float-cache.ts';
import type { StoredWeights } from './stored.ts';

/** Raised when the numbers that come out of the same bytes change. */
const RECIPE_VERSION = 1;
const DATA_ALIGNMENT = 64;

/**
 * float32 tensors keep their place; the others are copied once.
 * @throws ScanError `E_LIMIT`, `E_IO`, and what reading the source throws
 */
export function locateFloats(
  stored: StoredWeights,
  cache: FloatCache,
): ReadonlyMap<string, LocatedTensor> {
  const located = new Map<string, LocatedTensor>();
  const toCopy: TensorValues[] = [];
  for (const tensor of stored.tensors.values()) {
    if (tensor.values === undefined || tensor.located?.dtype === 'f32') {
      if (tensor.located !== undefined) located.set(tensor.name, tensor.located);
    } else {
      toCopy.push(tensor.values);
    }
  }
  if (toCopy.length === 0) return located;
  const key = contentKey(
    `float32 ${RECIPE_VERSION} ${stored.format} ${stored.recipe}`,
    stored.files.map((file) => file.path),
  );
  for (const tensor of cachedTensors(cache, key, toCopy)) located.set(tensor.name, tensor);
  return located;
}

function cachedTensors(
  cache: FloatCache,
  key: string,
  wanted: readonly TensorValues[],
): readonly LocatedTensor[] {
  const path = cache.find(key);
  const found = path === undefined ? undefined : readEntry(path, wanted);
  return found ?? readFresh(writeEntry(cache, key, wanted), wanted);
}

function readFresh(path: string, wanted: readonly TensorValues[]): readonly LocatedTensor[] {
  const tensors = readEntry(path, wanted);
  if (tensors !== undefined) return tensors;
  throw new ScanError('E_INTERNAL', 'a cache entry just written cannot be read', { file: path });
}

/** Undefined when the entry is damaged or holds something else; it is then written anew. */
function readEntry(
  path: string,
  wanted: readonly TensorValues[],
): readonly LocatedTensor[] | undefined {
  try {
    using source = new FileSource(path);
    const entries = new Map(readSafetensorsHeader(source).tensors.map((e) => [e.name, e]));
    if (entries.size !== wanted.length) return undefined;
    const located: LocatedTensor[] = [];
    for (const [index, { name, shape }] of wanted.entries()) {
      const entry = entries.get(entryName(index));
      if (entry?.dtype !== 'f32' || entry.shape.join() !== shape.join()) return undefined;
      located.push({ ...entry, name, file: path });
    }
    return located;
  } catch (error) {
    if (error instanceof ScanError) return undefined;
    throw error;
  }
}

/** Names from untrusted files do not become keys of our own header. */
function entryName(index: number): string {
  return `t${index}`;
}

function writeEntry(cache: FloatCache, key: string, wanted: readonly TensorValues[]): string {
  const header: Record<string, unknown> = {};
  let dataBytes = 0;
  for (const [index, { shape }] of wanted.entries()) {
    const begin = dataBytes;
    dataBytes += elementCount(shape) * 4;
    header[entryName(index)] = { dtype: 'F32', shape, data_offsets: [begin, dataBytes] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const headerBytes = Math.ceil((json.byteLength + 8) / DATA_ALIGNMENT) * DATA_ALIGNMENT;
  const head = Buffer.alloc(headerBytes, ' ');
  head.writeBigUInt64LE(BigInt(headerBytes - 8));
  json.copy(head, 8);
  return cache.create(key, headerBytes + dataBytes, (append) => {
    append(head);
    for (const values of wanted) {
      for (const { data } of pieces(values)) {
        append(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      }
    }
  });
}
