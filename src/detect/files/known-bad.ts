/** Compares digests with a local list. Large files are only hashed when the whole file is read anyway. */
import { createHash } from 'node:crypto';
import type { FileDetector } from './detector.ts';

/** Enough for pickles, scripts and configurations; a structure verdict must not read whole weights. */
const MAX_HASHED_BYTES = 16 * 2 ** 20;
/** Of a remote file only what is read whole anyway. */
const MAX_HASHED_REMOTE_BYTES = 1 << 20;
const CHUNK_BYTES = 1 << 20;

export const knownBadDetector: FileDetector = {
  name: 'known-bad',
  // Raw tensors in an archive are not read at all: hashing them would read whole weights.
  accepts: ({ source, depth, format }) =>
    source.size > 0 &&
    (depth === 0 || format !== 'unknown') &&
    source.size <= (source.partial === true ? MAX_HASHED_REMOTE_BYTES : MAX_HASHED_BYTES),
  inspect(subject, report) {
    const hashes = subject.list('known-bad-file/hashes');
    if (hashes.size === 0) return;
    const { source } = subject;
    const hash = createHash('sha256');
    for (let at = 0; at < source.size; at += CHUNK_BYTES) {
      hash.update(source.read(at, Math.min(CHUNK_BYTES, source.size - at)));
    }
    const sha256 = hash.digest('hex');
    if (!hashes.has(sha256)) return;
    const { path, member } = subject;
    const location = member === undefined ? {} : { location: { member } };
    report.evidence({ kind: 'known-bad-file', path, ...location, sha256, by: 'content' });
  },
};
