/** Git as the action needs it: committed bytes and names, exactly as stored, whatever the checkout did to them. */
import { spawnSync } from 'node:child_process';
import { ScanError } from '../errors.ts';

const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

export interface TreeEntry {
  /** `100644`, `100755`, `120000` for a link, `160000` for a submodule. */
  readonly mode: string;
  readonly blob: string;
  readonly byteLength: number;
  /** POSIX path from the top of the repository. */
  readonly path: string;
}

export interface Git {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Names that are not UTF-8 cannot be given to other programs exactly; they are listed, not scanned. */
const strict = new TextDecoder('utf-8', { fatal: true });

export function decodePath(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

export function splitAtNul(bytes: Buffer): readonly Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    const stop = end === -1 ? bytes.length : end;
    parts.push(bytes.subarray(start, stop));
    start = stop + 1;
  }
  return parts;
}

/** Arguments before the command: the checkout may belong to another user when the job runs in a container. */
export function gitArguments(git: Git, args: readonly string[]): string[] {
  return ['-c', `safe.directory=${git.folder}`, '-c', 'core.fsmonitor=false', ...args];
}

function run(git: Git, args: readonly string[]) {
  const result = spawnSync('git', gitArguments(git, args), {
    cwd: git.folder,
    env: git.env,
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  if (result.error !== undefined) {
    throw new ScanError('E_IO', `git did not run: ${result.error.message}`, { file: git.folder });
  }
  return result;
}

/** @throws ScanError `E_IO` with git's first line of complaint. */
export function gitBytes(git: Git, args: readonly string[]): Buffer {
  const result = run(git, args);
  if (result.status === 0) return result.stdout;
  const complaint = result.stderr.toString('utf8').trim().split('\n')[0] ?? '';
  throw new ScanError('E_IO', `git ${args[0]} failed: ${complaint}`, { file: git.folder });
}

/** The commit that `revision` names, if it is here. */
export function commitOf(git: Git, revision: string): string | undefined {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`];
  const result = run(git, args);
  return result.status === 0 ? result.stdout.toString('utf8').trim() : undefined;
}

export function mergeBase(git: Git, one: string, other: string): string | undefined {
  const result = run(git, ['merge-base', one, other]);
  return result.status === 0 ? result.stdout.toString('utf8').trim() : undefined;
}

export interface Tree {
  readonly entries: ReadonlyMap<string, TreeEntry>;
  /** How many names are not UTF-8. */
  readonly unnamed: number;
}

export function readTree(git: Git, commit: string): Tree {
  const entries = new Map<string, TreeEntry>();
  let unnamed = 0;
  for (const record of splitAtNul(
    gitBytes(git, ['ls-tree', '-r', '-z', '-l', '--full-tree', commit]),
  )) {
    const tab = record.indexOf(0x09);
    const [mode = '', , blob = '', size = ''] = record
      .subarray(0, tab)
      .toString('latin1')
      .split(/ +/);
    const path = decodePath(record.subarray(tab + 1));
    if (path === undefined) unnamed += 1;
    else entries.set(path, { mode, blob, byteLength: Number(size) || 0, path });
  }
  return { entries, unnamed };
}

export function readBlob(git: Git, blob: string): Buffer {
  return gitBytes(git, ['cat-file', 'blob', blob]);
}

/** Several small blobs by one process. Blobs that are not here are left out. */
export function readBlobs(git: Git, blobs: readonly string[]): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  if (blobs.length === 0) return found;
  const result = spawnSync('git', gitArguments(git, ['cat-file', '--batch']), {
    cwd: git.folder,
    env: git.env,
    input: `${blobs.join('\n')}\n`,
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  if (result.status !== 0) throw new ScanError('E_IO', 'git cat-file failed', { file: git.folder });
  for (let at = 0; at < result.stdout.length; ) {
    const lineEnd = result.stdout.indexOf(0x0a, at);
    if (lineEnd === -1) break;
    const [blob = '', kind, size] = result.stdout.toString('latin1', at, lineEnd).split(' ');
    at = lineEnd + 1;
    if (kind !== 'blob') continue;
    found.set(blob, result.stdout.subarray(at, at + Number(size)));
    at += Number(size) + 1;
  }
  return found;
}
