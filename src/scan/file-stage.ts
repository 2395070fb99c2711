/** Stage 0: every file of a target, judged from its bytes alone. Nothing is run, imported or rendered. */
import { FileSource } from '../artifact/byte-source.ts';
import { type Walk, walkFolder } from '../artifact/repository.ts';
import type { FileLimits } from '../detect/files/budget.ts';
import { type Inspection, inspect } from '../detect/files/inspect.ts';
import { inspectRepository } from '../detect/files/repository/inspect.ts';
import { viewRepository } from '../detect/files/repository/view.ts';
import { type SerializedError, serializeError, toScanError } from '../errors.ts';
import type { Evidence, NotCovered } from '../evidence/evidence.ts';
import { lazyLists, listLookup, type RuleLists } from '../judge/lists.ts';
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
  const list = options.lists === undefined ? lazyLists() : listLookup(options.lists);
  const files = walk.files.filter(({ aliasOf }) => aliasOf === undefined);
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
  const whole = inspectWhole(target, walk, list);
  evidence.push(...whole.evidence);
  notCovered.push(...whole.notCovered);
  return { evidence, notCovered, errors, tokens: 0 };
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
    files: [{ relative: target.name, absolute: target.root, byteLength: 0 }],
    leavingLinks: [],
    notCovered: [],
  };
}

function pathOf(target: Target, relative: string): string {
  return target.kind === 'file' ? target.name : `${target.name}/${relative}`;
}
