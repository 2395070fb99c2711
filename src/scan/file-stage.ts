/** Stage 0: every file of a target, judged from its bytes alone. Nothing is run, imported or rendered. */
import { basename } from 'node:path';
import { FileSource } from '../artifact/byte-source.ts';
import { type WalkedFile, walkFolder } from '../artifact/repository.ts';
import type { FileLimits } from '../detect/files/budget.ts';
import { type Inspection, inspect } from '../detect/files/inspect.ts';
import { type SerializedError, serializeError, toScanError } from '../errors.ts';
import type { Evidence, NotCovered } from '../evidence/evidence.ts';
import { listLookup, loadLists, type RuleLists } from '../judge/lists.ts';
import type { CancelSignal, ProgressEvent, StageOutcome, Target } from './stage.ts';

export interface FileStageOptions {
  /** Defaults to the lists in this installation's `rules/`. */
  readonly lists?: RuleLists;
  readonly limits?: Partial<FileLimits>;
  readonly cancel?: CancelSignal;
  onProgress?(event: ProgressEvent): void;
}

export async function runFileStage(
  target: Target,
  options: FileStageOptions = {},
): Promise<StageOutcome> {
  const lists = options.lists ?? loadLists();
  const evidence: Evidence[] = [];
  const notCovered: NotCovered[] = [];
  const errors: SerializedError[] = [];
  let files: readonly WalkedFile[] = [];
  try {
    const walk = filesOf(target);
    files = walk.files;
    for (const item of walk.notCovered) {
      notCovered.push({ what: pathOf(target, item.what), why: item.why });
    }
  } catch (error) {
    errors.push(serializeError(toScanError(error, target.given)));
  }
  const list = listLookup(lists);
  for (const [index, file] of files.entries()) {
    if (options.cancel?.cancelled) {
      notCovered.push({ what: target.name, why: 'E_INTERRUPTED: the scan was cancelled' });
      break;
    }
    const path = pathOf(target, file.relative);
    const inspection = inspectFile(file.absolute, path, { list, limits: options.limits ?? {} });
    evidence.push(...inspection.evidence);
    notCovered.push(...inspection.notCovered);
    options.onProgress?.({
      target: target.name,
      stage: 'files',
      label: file.relative,
      done: index + 1,
      total: files.length,
      unit: 'files',
    });
    // Lets progress, signals and other targets have a turn.
    if (index % 16 === 15) await new Promise((resolve) => setImmediate(resolve));
  }
  return { evidence, notCovered, errors, tokens: 0 };
}

/** Opens, inspects and closes one file; a file that cannot be opened is not covered. */
export function inspectFile(
  absolute: string,
  path: string,
  options: Parameters<typeof inspect>[2],
): Inspection {
  try {
    using source = new FileSource(absolute, path);
    return inspect(source, path, options);
  } catch (thrown) {
    const error = toScanError(thrown);
    return { evidence: [], notCovered: [{ what: path, why: `${error.code}: ${error.message}` }] };
  }
}

function filesOf(target: Target): ReturnType<typeof walkFolder> {
  if (target.kind !== 'file') return walkFolder(target.root);
  return {
    files: [{ relative: basename(target.root), absolute: target.root, byteLength: 0 }],
    notCovered: [],
  };
}

function pathOf(target: Target, relative: string): string {
  return target.kind === 'file' ? target.name : `${target.name}/${relative}`;
}
