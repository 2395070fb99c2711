/** A Git LFS pointer is a promise of a file, not the file: never covered, but its digest can be known as bad. */
import { decodeText } from '../../artifact/text.ts';
import type { FileDetector } from './detector.ts';
import { whatOf } from './tally.ts';

const MAX_POINTER_BYTES = 1024;

export const lfsPointerDetector: FileDetector = {
  name: 'lfs-pointer',
  accepts: ({ format }) => format === 'lfs-pointer',
  inspect(subject, report) {
    const bytes = subject.source.read(0, Math.min(subject.source.size, MAX_POINTER_BYTES));
    const text = decodeText(bytes);
    const sha256 = /^oid sha256:([0-9a-f]{64})$/m.exec(text)?.[1];
    const size = /^size (\d{1,18})$/m.exec(text)?.[1];
    const facts = [size && `${size} bytes`, sha256 && `sha256 ${sha256}`]
      .filter(Boolean)
      .join(', ');
    report.notCovered({
      what: whatOf(subject),
      why: `E_NOT_FOUND: only a Git LFS pointer is here, not the file (${facts || 'no digest'})`,
    });
    if (sha256 !== undefined && subject.list('known-bad-file/hashes').has(sha256)) {
      report.evidence({ kind: 'known-bad-file', path: subject.path, sha256, by: 'pointer' });
    }
  },
};
