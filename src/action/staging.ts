/**
 * A copy of what is committed, apart from the checkout: the scan sees committed bytes only, and the user's folder keeps
 * its pointers. Links of all models are made last, so that no file is written through one.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ScanError, type SerializedError, serializeError, toScanError } from '../errors.ts';
import type { ModelTarget } from './changed-models.ts';
import { type Git, readBlob, type Tree, type TreeEntry } from './git.ts';
import { fetchObject, takeFromCheckout } from './lfs.ts';
import { type LfsPointer, mayBePointer, parsePointer } from './lfs-pointer.ts';

export interface PointerFile {
  readonly path: string;
  readonly pointer: LfsPointer;
}

export interface LinkFile {
  readonly path: string;
  readonly to: Uint8Array;
}

export interface Staged {
  readonly target: ModelTarget;
  /** Path, mode and SHA-256 of every file; that of an LFS file is its oid. */
  readonly contents: readonly (readonly [path: string, mode: string, sha256: string])[];
  readonly pointers: readonly PointerFile[];
  readonly links: readonly LinkFile[];
  /** What could not be put in place; the scan is then incomplete. */
  readonly problems: readonly SerializedError[];
}

/** Git refuses such names in a checkout, but a tree object can hold them. */
function isSafe(path: string): boolean {
  const parts = path.split('/');
  if (process.platform === 'win32' && /[\\:*?"<>|]/.test(path)) return false;
  return parts.every(
    (part) => part !== '' && part !== '.' && part !== '..' && !/^\.git$/i.test(part),
  );
}

function put(root: string, path: string, bytes: Uint8Array): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes, { flag: 'wx' });
}

/** Writes all files of a target but LFS pointers and links. */
export function stage(git: Git, tree: Tree, target: ModelTarget, root: string): Staged {
  const contents: [string, string, string][] = [];
  const pointers: PointerFile[] = [];
  const problems: SerializedError[] = [];
  const links: LinkFile[] = [];
  const place = (entry: TreeEntry) => {
    const { path, mode } = entry;
    if (!isSafe(path)) throw new ScanError('E_OUTSIDE', 'a name that no checkout may have');
    if (mode === '160000') throw new ScanError('E_NOT_REGULAR', 'a submodule is not followed');
    const bytes = readBlob(git, entry.blob);
    const pointer = mayBePointer(entry) ? parsePointer(bytes) : undefined;
    const sha256 = pointer?.sha256 ?? createHash('sha256').update(bytes).digest('hex');
    contents.push([path, pointer === undefined ? mode : 'lfs', sha256]);
    if (pointer !== undefined) pointers.push({ path, pointer });
    else if (mode === '120000') links.push({ path, to: bytes });
    else put(root, path, bytes);
  };
  const attempt = (path: string, action: () => void) => {
    try {
      action();
    } catch (error) {
      problems.push(serializeError(toScanError(error, path)));
    }
  };
  for (const path of target.files) {
    const entry = tree.entries.get(path);
    if (entry !== undefined) attempt(path, () => place(entry));
  }
  return { target, contents, pointers, links, problems };
}

/** The last step of all: on a file system that ignores case, a name could otherwise lead through a link. */
export function stageLinks(staged: Staged, root: string): readonly SerializedError[] {
  const problems: SerializedError[] = [];
  for (const { path, to } of staged.links) {
    try {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      symlinkSync(Buffer.from(to), join(root, path));
    } catch (error) {
      problems.push(serializeError(toScanError(error, path)));
    }
  }
  return problems;
}

export interface LfsOptions {
  /** Why nothing may be fetched; undefined when it may. */
  readonly refused: string | undefined;
  /** What is left of the download limit; counted down. */
  readonly budget: { bytesLeft: number };
}

/** Puts the LFS files in place; a pointer stays where the file cannot be had, and the scanner sees it as one. */
export async function stagePointers(
  git: Git,
  staged: Staged,
  root: string,
  options: LfsOptions,
): Promise<readonly SerializedError[]> {
  const problems: SerializedError[] = [];
  for (const { path, pointer } of staged.pointers) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    try {
      if (await takeFromCheckout(join(git.folder, path), pointer, file)) continue;
      if (options.refused !== undefined) throw new ScanError('E_NOT_FOUND', options.refused);
      if (pointer.byteLength > options.budget.bytesLeft) {
        throw new ScanError(
          'E_LIMIT',
          `not fetched: ${pointer.byteLength} bytes, ${options.budget.bytesLeft} are left of max-download-bytes`,
        );
      }
      options.budget.bytesLeft -= pointer.byteLength;
      await fetchObject(git, pointer, file);
    } catch (error) {
      problems.push(serializeError(toScanError(error, path)));
      writePointer(file, pointer);
    }
  }
  return problems;
}

function writePointer(file: string, pointer: LfsPointer): void {
  rmSync(file, { force: true });
  writeFileSync(
    file,
    `version https://git-lfs.github.com/spec/v1\noid sha256:${pointer.sha256}\nsize ${pointer.byteLength}\n`,
    { flag: 'wx' },
  );
}
