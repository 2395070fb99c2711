/** Follows one pickle of a checkpoint symbolically and keeps what it sets on instances. */
import { ScanError } from '../../errors.ts';
import { PickleMachine } from '../pickle/machine.ts';
import type { PickleObserver } from '../pickle/observer.ts';
import type { PickleReader } from '../pickle/reader.ts';
import type { Value } from '../pickle/values.ts';

/** What was set on an instance, such as an OrderedDict, by key and value in turn. */
export type Filled = ReadonlyMap<Value, readonly Value[]>;

/** @param persistent is told of each persistent id @throws ScanError `E_LIMIT`, `E_FORMAT`, `E_TRUNCATED` */
export function runPickle(
  reader: PickleReader,
  maxInstructions: number,
  persistent?: (id: Value) => void,
): { readonly top: Value; readonly filled: Filled } {
  const filled = new Map<Value, Value[]>();
  let ticks = 0;
  const ignore = () => undefined;
  const observer: PickleObserver = {
    imported: ignore,
    called: ignore,
    written: ignore,
    anomaly: ignore,
    expansion: ignore,
    bytesConstant: ignore,
    built: ignore,
    ...(persistent !== undefined && { persistent }),
    tick: () => {
      ticks += 4096;
      if (ticks > maxInstructions) throw new ScanError('E_LIMIT', 'the pickle is too long');
    },
    filled: (target, items) => {
      const known = filled.get(target);
      if (known === undefined) filled.set(target, [...items]);
      else for (const item of items) known.push(item);
    },
  };
  return { top: new PickleMachine(reader, observer).run(), filled };
}
