/** A list scan on worker threads: one scanner a thread, each with its own rules. */
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { compiledEntry } from '../entry-point.ts';
import { type ListRun, type ListSummary, scanList } from './list.ts';
import { checkWorkers, type ListSettings } from './list-scanner.ts';

export interface PooledListRun extends Omit<ListRun, 'scan' | 'parallel'> {
  readonly settings: ListSettings;
  readonly workers?: number;
}

export async function scanListInPool(run: PooledListRun): Promise<ListSummary> {
  const workers = checkWorkers(run.workers ?? availableParallelism());
  const pool = new Piscina({
    filename: compiledEntry('scan/list-worker'),
    name: 'scanTask',
    workerData: run.settings,
    minThreads: workers,
    maxThreads: workers,
    concurrentTasksPerWorker: run.settings.network === undefined ? 1 : 4,
    // A worker that one hostile model exhausts must not take the list with it.
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  });
  const parallel = workers * (run.settings.network === undefined ? 2 : 4);
  try {
    return await scanList({
      ...run,
      parallel,
      scan: (target, index) => pool.run({ target, index }),
    });
  } finally {
    await pool.destroy();
  }
}
