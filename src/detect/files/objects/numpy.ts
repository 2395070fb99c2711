/** NumPy arrays: header literals, sizes, and the pickle that an array of objects is. */
import { HeadSource, SliceSource } from '../../../artifact/byte-source.ts';
import { readNpyHeader } from '../../../artifact/numpy/npy.ts';
import type { FileDetector } from '../detector.ts';
import { Tally } from '../tally.ts';
import { problemSink } from '../tensor-table.ts';

export const npyDetector: FileDetector = {
  name: 'npy',
  accepts: ({ format }) => format === 'npy',
  inspect(subject, report) {
    const tally = new Tally(subject);
    const { source } = subject;
    try {
      const totalBytes = source instanceof HeadSource ? source.declaredBytes : source.size;
      const header = readNpyHeader(source, problemSink(subject, report, tally), totalBytes);
      if (!header.holdsObjects || header.dataOffset >= source.size) return;
      const length = source.size - header.dataOffset;
      report.nested(
        'objects.pkl',
        new SliceSource(source, header.dataOffset, length, 'objects.pkl'),
      );
    } finally {
      tally.flush(report);
    }
  },
};
