/** The text that Git stores in place of a Git LFS file (git-lfs specification, version 1). */
import type { TreeEntry } from './git.ts';

export interface LfsPointer {
  /** SHA-256 of the file, which is its LFS oid. */
  readonly sha256: string;
  readonly byteLength: number;
}

/** The specification's limit. */
export const MAX_POINTER_BYTES = 1024;

export function mayBePointer(entry: TreeEntry): boolean {
  const isFile = entry.mode === '100644' || entry.mode === '100755';
  return isFile && entry.byteLength > 0 && entry.byteLength < MAX_POINTER_BYTES;
}

/** Undefined for anything but a pointer with one SHA-256 and one size. */
export function parsePointer(bytes: Uint8Array): LfsPointer | undefined {
  if (bytes.length >= MAX_POINTER_BYTES) return undefined;
  const [version, ...lines] = Buffer.from(bytes).toString('utf8').split('\n');
  if (version !== 'version https://git-lfs.github.com/spec/v1') return undefined;
  const oids = lines.filter((line) => line.startsWith('oid '));
  const sizes = lines.filter((line) => line.startsWith('size '));
  const sha256 = /^oid sha256:([0-9a-f]{64})$/.exec(oids[0] ?? '')?.[1];
  const size = /^size (\d{1,15})$/.exec(sizes[0] ?? '')?.[1];
  if (sha256 === undefined || size === undefined || oids.length + sizes.length !== 2)
    return undefined;
  return { sha256, byteLength: Number(size) };
}
