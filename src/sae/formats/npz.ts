/** Arrays of a .npz file (a zip of .npy files): stored ones stay where they are, compressed ones are expanded. */

import type { ArchiveMember } from '../../artifact/archive/member.ts';
import { readZip } from '../../artifact/archive/zip.ts';
import { type ByteSource, FileSource } from '../../artifact/byte-source.ts';
import { expand } from '../../artifact/compression/expand.ts';
import { readNpyHeader } from '../../artifact/numpy/npy.ts';
import {
  elementBytes,
  elementCount,
  type LocatedTensor,
  type TensorDtype,
} from '../../artifact/tensor.ts';
import { storedValues } from '../../artifact/values/tensor-values.ts';
import { ScanError, toScanError } from '../../errors.ts';
import type { StoredTensor } from '../../model/weights/stored.ts';

const MAX_ARRAYS = 1024;
/** Of all compressed arrays together, expanded. */
const MAX_EXPANDED_BYTES = 8 * 2 ** 30;

const DTYPES: Readonly<Record<string, TensorDtype>> = { '<f4': 'f32', '<f2': 'f16', '<f8': 'f64' };

/** @throws ScanError with the file */
export function openNpz(
  file: string,
): Disposable & { readonly tensors: ReadonlyMap<string, StoredTensor> } {
  const source = new FileSource(file);
  const tensors = new Map<string, StoredTensor>();
  let expandedBytes = 0;
  const spend = (bytes: number) => {
    expandedBytes += bytes;
    if (expandedBytes > MAX_EXPANDED_BYTES) {
      throw new ScanError('E_LIMIT', `the arrays expand to more than ${MAX_EXPANDED_BYTES} bytes`);
    }
  };
  try {
    const members = readZip(source).members.filter(({ name }) => name.endsWith('.npy'));
    if (members.length > MAX_ARRAYS) throw new ScanError('E_LIMIT', `${members.length} arrays`);
    for (const member of members) {
      const tensor = readArray(member, file, spend);
      tensors.set(tensor.name, tensor);
    }
  } catch (thrown) {
    source.close();
    throw toScanError(thrown, file);
  }
  return { tensors, [Symbol.dispose]: () => source.close() };
}

function readArray(
  member: ArchiveMember,
  file: string,
  spend: (bytes: number) => void,
): StoredTensor {
  const name = member.name.slice(0, -'.npy'.length);
  const bytes = bytesOf(member, spend);
  const header = readNpyHeader(bytes);
  const { shape, descr } = header;
  const dtype = descr === undefined ? undefined : DTYPES[descr];
  if (dtype === undefined || header.fortranOrder) {
    const why = `E_DTYPE: ${header.fortranOrder ? 'column order' : `type ${descr ?? 'structured'}`} is not read`;
    return { name, shape, file, unread: why };
  }
  const byteLength = elementCount(shape) * elementBytes(dtype);
  const inMember = { name, dtype, shape, byteOffset: header.dataOffset, byteLength, file };
  const values = storedValues(bytes, inMember);
  if (member.open !== undefined) {
    return { name, shape, file, ...(values !== undefined && { values }) };
  }
  const located: LocatedTensor = { ...inMember, byteOffset: member.byteOffset + header.dataOffset };
  return { name, shape, file, located, ...(values !== undefined && { values }) };
}

function bytesOf(member: ArchiveMember, spend: (bytes: number) => void): ByteSource {
  if (member.unreadable !== undefined) throw new ScanError('E_FORMAT', member.unreadable);
  if (member.open === undefined) return member.packed;
  const { source, error } = expand(member.open, member.name, { spend });
  if (error !== undefined) throw error;
  return source;
}
