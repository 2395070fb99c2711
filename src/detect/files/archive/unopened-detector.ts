/** Containers that cannot be opened here: said aloud, so that a verdict never covers what nobody read. */
import type { FileDetector } from '../detector.ts';

const UNOPENED = new Set(['rar']);

export const unopenedDetector: FileDetector = {
  name: 'unopened-container',
  accepts: ({ format }) => UNOPENED.has(format),
  inspect({ path, member, format }, report) {
    const what = member === undefined ? path : `${path}!/${member}`;
    report.notCovered({ what, why: `E_LIMIT: ${format} archives cannot be opened here` });
  },
};
