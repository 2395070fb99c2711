/**
 * Which models a run looks at: those that a pull request touches, or all of them. A file in a model folder stands for
 * the folder, because a new chat template or tokenizer changes the model as much as new weights do.
 */

import { extensionOf } from '../artifact/recognise.ts';
import { ScanError } from '../errors.ts';
import type { PullRequest } from './event.ts';
import {
  commitOf,
  decodePath,
  type Git,
  gitBytes,
  mergeBase,
  splitAtNul,
  type Tree,
} from './git.ts';

/** Weights and containers that loaders open. */
const MODEL_EXTENSIONS: ReadonlySet<string> = new Set(
  `safetensors gguf ggml onnx ort pt pth ckpt bin pkl pickle joblib dill cloudpickle npy npz h5 hdf5 keras pb tflite
   mlmodel mlpackage nemo mar pmml msgpack llamafile engine plan model skops t7 pdparams pdmodel pte torchscript`.split(
    /\s+/,
  ),
);

export interface Range {
  readonly base: string;
  readonly head: string;
}

/**
 * The commits to compare. GitHub checks out a merge of the pull request into its base: its first parent is then the
 * exact base, and two commits of history are enough.
 * @throws ScanError `E_USAGE` when the checkout is too shallow.
 */
export function rangeOf(git: Git, base: string, request: PullRequest | undefined): Range {
  const head = commitOf(git, 'HEAD');
  if (head === undefined) throw new ScanError('E_USAGE', 'there is no commit checked out');
  if (request !== undefined && commitOf(git, 'HEAD^2') === request.headSha) {
    const merged = commitOf(git, 'HEAD^1');
    if (merged !== undefined) return { base: merged, head };
  }
  const known = commitOf(git, base) ?? commitOf(git, `refs/remotes/origin/${base}`);
  const shared = known === undefined ? undefined : mergeBase(git, known, head);
  if (shared === undefined) {
    throw new ScanError('E_USAGE', `the checkout does not reach back to ${base}`, {
      hint: 'Give actions/checkout fetch-depth: 2 (pull requests) or 0.',
    });
  }
  return { base: shared, head };
}

export interface Changes {
  /** Paths that exist at the head, new names of renamed files included. */
  readonly changed: ReadonlySet<string>;
  readonly deleted: ReadonlySet<string>;
  readonly unnamed: number;
}

export function changesIn(git: Git, { base, head }: Range): Changes {
  const args = ['diff', '--name-status', '-z', '--no-ext-diff', '--find-renames', base, head];
  const fields = splitAtNul(gitBytes(git, args));
  const changed = new Set<string>();
  const deleted = new Set<string>();
  let unnamed = 0;
  const add = (to: Set<string>, bytes: Buffer | undefined) => {
    const path = bytes === undefined ? undefined : decodePath(bytes);
    if (path === undefined) unnamed += 1;
    else to.add(path);
  };
  for (let index = 0; index < fields.length; ) {
    const status = fields[index]?.toString('latin1')[0] ?? '';
    if (status === 'R' || status === 'C') {
      if (status === 'R') add(deleted, fields[index + 1]);
      add(changed, fields[index + 2]);
      index += 3;
    } else {
      add(status === 'D' ? deleted : changed, fields[index + 1]);
      index += 2;
    }
  }
  return { changed, deleted, unnamed };
}

/** What one scan is given: a file, or a folder with all that lies in it. */
export interface ModelTarget {
  /** POSIX path from the top of the repository; `.` for the top itself. */
  readonly path: string;
  readonly files: readonly string[];
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const inside = (path: string, folder: string): boolean =>
  folder === '' || path === folder || path.startsWith(`${folder}/`);

/** Folders that hold a config.json and a model file side by side: not every config.json is a model's. */
function modelFolders(tree: Tree, isModel: (path: string) => boolean): ReadonlySet<string> {
  const withModel = new Set<string>();
  for (const path of tree.entries.keys()) if (isModel(path)) withModel.add(parentOf(path));
  return new Set(
    [...withModel].filter((folder) =>
      tree.entries.has(folder === '' ? 'config.json' : `${folder}/config.json`),
    ),
  );
}

function* foldersAbove(path: string): Iterable<string> {
  for (let folder = path; folder !== ''; ) {
    folder = parentOf(folder);
    yield folder;
  }
}

export interface Selection {
  /** Undefined takes every model of the tree. */
  readonly changes: Changes | undefined;
  /** Folders and files to stay within; empty for all. */
  readonly paths: readonly string[];
  /** Says of a file without a model's extension whether its content is one. */
  readonly looksLikeModel: (path: string) => boolean;
}

/** Sorted, and no target inside another. */
export function selectModels(tree: Tree, selection: Selection): readonly ModelTarget[] {
  const { changes, paths, looksLikeModel } = selection;
  const wanted = (path: string) => paths.length === 0 || paths.some((one) => inside(path, one));
  const candidates = [...tree.entries.keys()].filter(
    (path) => wanted(path) && (changes === undefined || changes.changed.has(path)),
  );
  // A file that went missing can change what a model folder means.
  const gone = [...(changes?.deleted ?? [])].filter(wanted);
  const named = (path: string) => MODEL_EXTENSIONS.has(extensionOf(path));
  const folders = modelFolders(tree, named);
  const chosen = new Set<string>();
  for (const path of [...candidates, ...gone]) {
    // The topmost folder: a model's parts lie below its config.json.
    const folder = [...foldersAbove(path)].findLast((above) => folders.has(above));
    if (folder !== undefined) chosen.add(folder);
    else if (tree.entries.has(path) && (named(path) || looksLikeModel(path))) chosen.add(path);
  }
  const everything = [...tree.entries.keys()];
  return [...chosen].toSorted().map((path) => ({
    path: path === '' ? '.' : path,
    files: everything.filter((file) => inside(file, path)).toSorted(),
  }));
}
