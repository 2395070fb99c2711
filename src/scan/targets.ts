/** What the user typed, as targets: model folders, other folders, files, and glob patterns over them. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import fastGlob from 'fast-glob';
import { ScanError, toScanError } from '../errors.ts';
import type { Target } from './stage.ts';

function targetOf(given: string): Target {
  try {
    const root = realpathSync(given);
    const stat = statSync(root);
    const kind = stat.isDirectory()
      ? existsSync(join(root, 'config.json'))
        ? 'model-folder'
        : 'folder'
      : 'file';
    return { given, root, name: basename(root) || 'root', kind };
  } catch (error) {
    throw toScanError(error, given);
  }
}

/**
 * A path that exists is taken as it is, even with glob characters in its name; anything else must match.
 * @throws ScanError `E_NOT_FOUND` for a plain path, `E_NOTHING_TO_SCAN` for a pattern without a match.
 */
export async function findTargets(paths: readonly string[]): Promise<readonly Target[]> {
  const byRoot = new Map<string, Target>();
  for (const path of paths) {
    const matches = existsSync(path) ? [path] : await expand(path);
    for (const match of matches) {
      const target = targetOf(match);
      if (!byRoot.has(target.root)) byRoot.set(target.root, target);
    }
  }
  return [...byRoot.values()];
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
