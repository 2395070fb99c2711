/** Piscina worker of the file stage: plain data in, plain data out. Started from `dist/`. */
import { workerData } from 'piscina';
import type { FileLimits } from '../detect/files/budget.ts';
import type { Inspection } from '../detect/files/inspect.ts';
import { lazyLists, listLookup, type RuleLists } from '../judge/lists.ts';
import { inspectFile } from './inspect-file.ts';

export interface FileWorkerSettings {
  readonly lists?: RuleLists;
  readonly limits: Partial<FileLimits>;
}

export interface FileTask {
  readonly absolute: string;
  readonly path: string;
}

const settings = workerData as FileWorkerSettings;
const list = settings.lists === undefined ? lazyLists() : listLookup(settings.lists);

/** piscina calls it by name. */
export function fileTask({ absolute, path }: FileTask): Inspection {
  return inspectFile(absolute, path, { list, limits: settings.limits });
}
