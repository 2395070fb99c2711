/**
 * The form that `torch.save` wrote before PyTorch 1.6: pickles of a magic number, a protocol version, facts on the
 * machine and the object, then a pickled list of storage keys, then each storage as a count of elements and its bytes.
 * Source: `_legacy_save` in torch/serialization.py.
 */
import { ScanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { PickleReader } from '../pickle/reader.ts';
import type { Value } from '../pickle/values.ts';
import { elementBytes, type TensorDtype } from '../tensor.ts';
import type { StoragePlace } from './checkpoint.ts';
import { type Filled, runPickle } from './run-pickle.ts';
import { storageDtype } from './storage-dtype.ts';

/** PROTO 2, LONG1 of ten bytes: 0x1950a86a20f9469cfc6c; STOP. */
const MAGIC = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const PROTOCOL = 1001;
const MAX_STORAGES = 1_000_000;
const COUNT_BYTES = 8;

export function isLegacyCheckpoint(source: ByteSource): boolean {
  if (source.size < MAGIC.length) return false;
  return source.read(0, MAGIC.length).every((byte, i) => byte === MAGIC[i]);
}

/** @throws ScanError `E_FORMAT`, `E_TRUNCATED`, `E_LIMIT`, `E_DTYPE` */
export function readLegacyCheckpoint(
  source: ByteSource,
  maxInstructions: number,
): {
  readonly top: Value;
  readonly filled: Filled;
  readonly storages: ReadonlyMap<string, StoragePlace>;
} {
  const reader = new PickleReader(source, MAGIC.length);
  const { top: protocol } = runPickle(reader, maxInstructions);
  if (protocol.kind !== 'number' || protocol.value !== PROTOCOL) {
    throw new ScanError('E_FORMAT', 'a checkpoint of the old form with another protocol');
  }
  const { top: system, filled: systemItems } = runPickle(reader, maxInstructions);
  if (isBigEndian(system, systemItems)) {
    throw new ScanError('E_DTYPE', 'big-endian checkpoints are not read');
  }
  const dtypes = new Map<string, TensorDtype>();
  const { top, filled } = runPickle(reader, maxInstructions, (id) => {
    if (id.kind !== 'tuple') return;
    const [tag, type, key] = id.items;
    if (tag?.kind !== 'text' || tag.text !== 'storage') return;
    if (type?.kind !== 'global' || key?.kind !== 'text') return;
    const dtype = storageDtype(type.name);
    if (dtype !== undefined) dtypes.set(key.text, dtype);
  });
  const { top: keys } = runPickle(reader, maxInstructions);
  return { top, filled, storages: placesOf(source, reader.offset, keys, dtypes) };
}

function isBigEndian(system: Value, filled: Filled): boolean {
  const pairs = system.kind === 'dict' ? system.entries : [];
  const flat = filled.get(system) ?? [];
  const isFalse = (value: Value | undefined) => value?.kind === 'number' && value.value === 0;
  const named = (value: Value | undefined) =>
    value?.kind === 'text' && value.text === 'little_endian';
  return (
    pairs.some(([key, value]) => named(key) && isFalse(value)) ||
    flat.some((key, i) => named(key) && isFalse(flat[i + 1]))
  );
}

/** Without its element type a storage's end is not known, nor where the next one begins: those are left out. */
function placesOf(
  source: ByteSource,
  from: number,
  keys: Value,
  dtypes: ReadonlyMap<string, TensorDtype>,
): Map<string, StoragePlace> {
  if (keys.kind !== 'list' || keys.count > MAX_STORAGES) {
    throw new ScanError('E_FORMAT', 'the list of storages cannot be read', { byteOffset: from });
  }
  const places = new Map<string, StoragePlace>();
  let at = from;
  for (const key of keys.items) {
    const dtype = key.kind === 'text' ? dtypes.get(key.text) : undefined;
    if (key.kind !== 'text' || dtype === undefined) return places;
    const count = countAt(source, at);
    const byteOffset = at + COUNT_BYTES;
    const byteLength = count * elementBytes(dtype);
    if (!Number.isSafeInteger(byteLength) || byteLength > source.size - byteOffset) {
      const problem = `storage ${JSON.stringify(key.text)} of ${count} elements does not fit the file`;
      throw new ScanError('E_TRUNCATED', problem, { byteOffset: at });
    }
    places.set(key.text, { byteOffset, byteLength });
    at = byteOffset + byteLength;
  }
  return places;
}

function countAt(source: ByteSource, byteOffset: number): number {
  if (byteOffset + COUNT_BYTES > source.size) {
    throw new ScanError('E_TRUNCATED', 'the file ends before its storages', { byteOffset });
  }
  const bytes = source.read(byteOffset, COUNT_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Number(view.getBigUint64(0, true));
}
