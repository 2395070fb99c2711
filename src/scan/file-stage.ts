/** Stage 0: every file of a target, judged from its bytes alone. Nothing is run, imported or rendered. */
import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { FileSource } from '../artifact/byte-source.ts';
import { type Walk, walkFolder } from '../artifact/repository.ts';
import type { FileLimits } from '../detect/files/budget.ts';
import type { Inspection } from '../detect/files/inspect.ts';
import { inspectRepository } from '../detect/files/repository/inspect.ts';
import { viewRepository } from '../detect/files/repository/view.ts';
import { ScanError, type SerializedError, serializeError, toScanError } from '../errors.ts';
import type { Evidence, NotCovered } from '../evidence/evidence.ts';
import type { ArtifactFile } from '../finding/finding.ts';
import { installedLists, type ListLookup, listLookup, type RuleLists } from '../judge/lists.ts';
import { digestFiles } from './file-digests.ts';
import { inspectInPool, worthThreads } from './file-pool.ts';
import { inspectFile } from './inspect-file.ts';
import type { CancelSignal, ProgressEvent, StageOutcome, Target } from './stage.ts';

export interface FileStageOptions {
  /** Defaults to the lists in this installation's `rules/`. */
  readonly lists?: RuleLists;
  readonly limits?: Partial<FileLimits>;
  readonly cancel?: CancelSignal;
  /** Lists the target's files, with digests of those up to this size; nothing is listed without. */
  readonly digestBytes?: number;
  /** Threads for large targets; 1 keeps everything in this one. Defaults to the processors at hand. */
  readonly workers?: number;
  onProgress?(event: ProgressEvent): void;
}

export async function runFileStage(
  target: Target,
  options: FileStageOptions = {},
): Promise<StageOutcome> {
  const evidence: Evidence[] = [];
  const notCovered: NotCovered[] = [];
  const errors: SerializedError[] = [];
  let walk: Walk = { files: [], leavingLinks: [], notCovered: [] };
  try {
    walk = filesOf(target);
    for (const item of walk.notCovered) {
      notCovered.push({ what: pathOf(target, item.what), why: item.why });
    }
  } catch (error) {
    errors.push(serializeError(toScanError(error, target.given)));
  }
  if (errors.length === 0 && isEmpty(walk)) {
    const nothing = new ScanError('E_NOTHING_TO_SCAN', 'the folder holds no files', {
      file: target.given,
    });
    errors.push(serializeError(nothing));
  }
  const list = options.lists === undefined ? installedLists() : listLookup(options.lists);
  const files = walk.files.filter(({ aliasOf }) => aliasOf === undefined);
  for (const inspection of await inspectFiles(target, files, list, options)) {
    evidence.push(...inspection.evidence);
    notCovered.push(...inspection.notCovered);
  }
  const whole = inspectWhole(target, walk, list);
  evidence.push(...whole.evidence);
  notCovered.push(...whole.notCovered);
  const listed = await listFiles(target, files, options);
  return { evidence, notCovered, errors, tokens: 0, ...(listed && { files: listed }) };
}

function listFiles(
  target: Target,
  files: Walk['files'],
  { digestBytes, cancel }: FileStageOptions,
): Promise<readonly ArtifactFile[]> | undefined {
  if (digestBytes === undefined) return undefined;
  const listed = files.map(({ relative, absolute, byteLength }) => ({
    ...{ absolute, byteLength, path: pathOf(target, relative) },
  }));
  return digestFiles(listed, digestBytes, cancel ?? { cancelled: false });
}

/** In the files' order, on threads where that is faster. */
async function inspectFiles(
  target: Target,
  files: Walk['files'],
  list: ListLookup,
  options: FileStageOptions,
): Promise<readonly Inspection[]> {
  const tasks = files.map((file) => ({
    absolute: file.absolute,
    path: pathOf(target, file.relative),
  }));
  let done = 0;
  const progress = (index: number): void =>
    options.onProgress?.({
      target: target.name,
      stage: 'files',
      label: files[index]?.relative ?? '',
      done: ++done,
      total: files.length,
      unit: 'files',
    });
  const limits = options.limits ?? {};
  const workers = options.workers ?? availableParallelism();
  if (workers > 1 && worthThreads(files)) {
    const settings = { limits, ...(options.lists !== undefined && { lists: options.lists }) };
    return inspectInPool(tasks, settings, workers, progress, options.cancel);
  }
  const results: Inspection[] = [];
  for (const [index, { absolute, path }] of tasks.entries()) {
    if (options.cancel?.cancelled) {
      const why = 'E_INTERRUPTED: the scan was cancelled';
      results.push({ evidence: [], notCovered: [{ what: target.name, why }] });
      break;
    }
    results.push(inspectFile(absolute, path, { list, limits }));
    progress(index);
    // Lets progress, signals and other targets have a turn.
    if (index % 16 === 15) await new Promise((resolve) => setImmediate(resolve));
  }
  return results;
}

function isEmpty(walk: Walk): boolean {
  return walk.files.length + walk.leavingLinks.length + walk.notCovered.length === 0;
}

/** Facts that need more than one file. */
function inspectWhole(
  target: Target,
  walk: Walk,
  list: (name: string) => ReadonlySet<string>,
): Inspection {
  const absolute = new Map(walk.files.map((file) => [file.relative, file.absolute]));
  const repository = viewRepository({
    files: walk.files,
    leavingLinks: walk.leavingLinks,
    alone: target.kind === 'file',
    open: (relative) => new FileSource(absolute.get(relative) ?? relative, relative),
    pathOf: (relative) => (relative === '' ? target.name : pathOf(target, relative)),
    list,
  });
  return inspectRepository(repository);
}

function filesOf(target: Target): ReturnType<typeof walkFolder> {
  if (target.kind !== 'file') return walkFolder(target.root);
  return {
    files: [
      { relative: target.name, absolute: target.root, byteLength: statSync(target.root).size },
    ],
    leavingLinks: [],
    notCovered: [],
  };
}

function pathOf(target: Target, relative: string): string {
  return target.kind === 'file' ? target.name : `${target.name}/${relative}`;
}
