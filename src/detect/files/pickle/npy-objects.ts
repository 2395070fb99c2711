/** Arrays of Python objects in `.npy` files are pickles after the header: `numpy.load(allow_pickle=True)` runs them. */
import { SliceSource } from '../../../artifact/byte-source.ts';
import { ScanError } from '../../../errors.ts';
import { holdsObjects } from '../archive/unpack.ts';
import type { FileDetector } from '../detector.ts';

export const npyObjectDetector: FileDetector = {
  name: 'npy-objects',
  accepts: ({ format }) => format === 'npy',
  inspect({ source }, report) {
    const head = source.read(0, Math.min(source.size, 65_536));
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    if (head.byteLength < 12) {
      throw new ScanError('E_TRUNCATED', 'the header is cut', { byteOffset: head.byteLength });
    }
    const wide = (head[6] as number) >= 2;
    const start = wide ? 12 + view.getUint32(8, true) : 10 + view.getUint16(8, true);
    if (start > source.size) {
      throw new ScanError('E_TRUNCATED', 'the header is longer than the file', { byteOffset: 8 });
    }
    if (!holdsObjects(head) || start === source.size) return;
    report.nested('objects', new SliceSource(source, start, source.size - start, 'objects'));
  },
};
