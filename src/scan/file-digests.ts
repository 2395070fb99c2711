/** SHA-256 of a target's files: what reports name, what an ignore entry or an attestation can hold on to. */
import { createHash } from 'node:crypto';
import { FileSource } from '../artifact/byte-source.ts';
import type { ArtifactFile, Sha256 } from '../finding/finding.ts';
import type { CancelSignal } from './stage.ts';

/** A scan of files alone answers in less than a second whatever their size: it reads only small files whole. */
export const SMALL_FILE_BYTES = 16_000_000;
/** Reports stay readable; what lies beyond is scanned like the rest and not listed. */
const MAX_LISTED_FILES = 10_000;
const CHUNK_BYTES = 4_000_000;

export interface ListedFile {
  readonly path: string;
  readonly absolute: string;
  readonly byteLength: number;
}

/** @param maxBytes larger files are listed without a digest */
export async function digestFiles(
  files: readonly ListedFile[],
  maxBytes: number,
  cancel: CancelSignal,
): Promise<ArtifactFile[]> {
  const listed: ArtifactFile[] = [];
  for (const { path, absolute, byteLength } of files.slice(0, MAX_LISTED_FILES)) {
    const sha256 =
      byteLength > maxBytes || cancel.cancelled ? undefined : await digestOf(absolute, cancel);
    listed.push({ path, byteLength, ...(sha256 !== undefined && { sha256 }) });
  }
  return listed;
}

/** Undefined when the file cannot be read: the stages that needed it say why. */
async function digestOf(absolute: string, cancel: CancelSignal): Promise<Sha256 | undefined> {
  try {
    using source = new FileSource(absolute);
    const hash = createHash('sha256');
    for (let offset = 0; offset < source.size; offset += CHUNK_BYTES) {
      hash.update(source.read(offset, Math.min(CHUNK_BYTES, source.size - offset)));
      // Lets a cancel message through.
      await new Promise((resolve) => setImmediate(resolve));
      if (cancel.cancelled) return undefined;
    }
    return hash.digest('hex') as Sha256;
  } catch {
    return undefined;
  }
}
