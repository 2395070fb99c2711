/** Opens, inspects and closes one file of a target; used in this thread and in the pool's. */
import { FileSource } from '../artifact/byte-source.ts';
import { type Inspection, type InspectOptions, inspect } from '../detect/files/inspect.ts';
import { toScanError } from '../errors.ts';

/** A file that cannot be opened is not covered. */
export function inspectFile(absolute: string, path: string, options: InspectOptions): Inspection {
  try {
    using source = new FileSource(absolute, path);
    return inspect(source, path, options);
  } catch (thrown) {
    const error = toScanError(thrown);
    return { evidence: [], notCovered: [{ what: path, why: `${error.code}: ${error.message}` }] };
  }
}
