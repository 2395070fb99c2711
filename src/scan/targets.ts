/** What the user typed, as targets: model folders, other folders, files, glob patterns over them, and remote addresses. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import fastGlob from 'fast-glob';
import { ScanError, type SerializedError, serializeError, toScanError } from '../errors.ts';
import { isRemoteAddress, remoteTarget } from './remote-stage.ts';
import type { Target } from './stage.ts';

/** A path that led nowhere: it is reported beside the targets that were found. */
export interface MissingTarget {
  readonly given: string;
  readonly error: SerializedError;
}

export interface FoundTargets {
  readonly targets: readonly Target[];
  readonly missing: readonly MissingTarget[];
}

/** A path that exists. @throws ScanError `E_NOT_FOUND` */
export function targetOf(given: string): Target {
  const root = realpathSync(given);
  const kind = !statSync(root).isDirectory()
    ? 'file'
    : existsSync(join(root, 'config.json'))
      ? 'model-folder'
      : 'folder';
  // A file keeps the name it was given under: in a hub cache the real one is only a digest.
  const name = basename(kind === 'file' ? given : root) || 'root';
  return { given, root, name, kind };
}

/** A path that exists is taken as it is, even with glob characters in its name; a pattern must match something. */
export async function findTargets(paths: readonly string[]): Promise<FoundTargets> {
  const byRoot = new Map<string, Target>();
  const missing: MissingTarget[] = [];
  for (const given of paths) {
    try {
      if (isRemoteAddress(given)) {
        byRoot.set(given, remoteTarget(given));
        continue;
      }
      for (const match of existsSync(given) ? [given] : await expand(given)) {
        const target = targetOf(match);
        if (!byRoot.has(target.root)) byRoot.set(target.root, target);
      }
    } catch (error) {
      missing.push({ given, error: serializeError(toScanError(error, given)) });
    }
  }
  return { targets: [...byRoot.values()], missing };
}

async function expand(pattern: string): Promise<readonly string[]> {
  if (!fastGlob.isDynamicPattern(pattern)) {
    throw new ScanError('E_NOT_FOUND', 'no such file or folder', { file: pattern });
  }
  const matches = await fastGlob(pattern, { onlyFiles: false, followSymbolicLinks: false });
  if (matches.length === 0) {
    throw new ScanError('E_NOTHING_TO_SCAN', 'no file or folder matches', { file: pattern });
  }
  return matches.toSorted();
}
