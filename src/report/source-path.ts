/** Paths as a checkout sees them: what code hosts need to find the file of a finding. */
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { TargetResult } from '../finding/finding.ts';

/** `path` as seen from the source root when it lies inside; otherwise relative to the target's parent, as it came. */
export function pathFromRoot(path: string, target: TargetResult, sourceRoot: string): string {
  const parent = dirname(resolve(sourceRoot, target.path));
  const fromRoot = relative(sourceRoot, join(parent, path));
  const outside = fromRoot === '..' || fromRoot.startsWith(`..${sep}`) || isAbsolute(fromRoot);
  return outside || fromRoot === '' ? path : fromRoot.split(sep).join('/');
}

/** One file stands for a folder, because viewers open files: config.json, which every model folder has. */
export function fileOf(path: string, target: TargetResult): string {
  const isFolder = target.kind === 'model-folder' && !path.includes('/');
  return isFolder ? `${path}/config.json` : path;
}
