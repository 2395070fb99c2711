/** Inspects the files of a target on worker threads. Results come back in the files' order, whatever finished first. */
import { Piscina } from 'piscina';
import type { Inspection } from '../detect/files/inspect.ts';
import { compiledEntry } from '../entry-point.ts';
import { toScanError } from '../errors.ts';
import type { FileTask, FileWorkerSettings } from './file-worker.ts';
import type { CancelSignal } from './stage.ts';

/** Formats whose check reads little, whatever their size. */
const HEADER_ONLY = /\.(safetensors|gguf|onnx|bin|h5|data|msgpack)$/i;
/** Work below this is done before threads have started. */
const MIN_BYTES = 256 * 2 ** 20;
const MIN_FILES = 512;

export interface SizedFile {
  readonly relative: string;
  readonly byteLength: number;
}

/** Threads pay off for many files, or for a few that must be read whole. */
export function worthThreads(files: readonly SizedFile[]): boolean {
  if (files.length >= MIN_FILES) return true;
  const heavy = files.filter(({ relative }) => !HEADER_ONLY.test(relative));
  const bytes = heavy.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return heavy.length > 1 && bytes >= MIN_BYTES;
}

/** A thread that dies takes one file with it: that file is not covered. */
export async function inspectInPool(
  tasks: readonly FileTask[],
  settings: FileWorkerSettings,
  workers: number,
  done: (index: number) => void,
  cancel?: CancelSignal,
): Promise<readonly Inspection[]> {
  const pool = new Piscina({
    filename: compiledEntry('scan/file-worker'),
    name: 'fileTask',
    workerData: settings,
    minThreads: workers,
    maxThreads: workers,
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  });
  async function one(task: FileTask, index: number): Promise<Inspection> {
    try {
      if (cancel?.cancelled) return missing(task, 'E_INTERRUPTED: the scan was cancelled');
      return (await pool.run(task)) as Inspection;
    } catch (thrown) {
      return missing(task, `E_WORKER: ${toScanError(thrown).message}`);
    } finally {
      done(index);
    }
  }
  try {
    const results: Inspection[] = new Array(tasks.length);
    let next = 0;
    // A few tasks a thread: a million files must not wait in the pool's queue at once.
    const lanes = Array.from({ length: workers * 2 }, async () => {
      for (let index = next++; index < tasks.length; index = next++) {
        results[index] = await one(tasks[index] as FileTask, index);
      }
    });
    await Promise.all(lanes);
    return results;
  } finally {
    await pool.destroy();
  }
}

function missing({ path }: FileTask, why: string): Inspection {
  return { evidence: [], notCovered: [{ what: path, why }] };
}
