/** Threads and processes start from compiled files, also when the caller runs from source (tests, tsx). */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ScanError } from './errors.ts';

/** The folder that holds package.json, `rules/` and `corpora/`. */
export const PACKAGE_ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** @param module path below `src/` without extension, as in `engine/worker` */
export function compiledEntry(module: string): string {
  const path = join(PACKAGE_ROOT, 'dist', `${module}.js`);
  if (!existsSync(path)) {
    throw new ScanError('E_INTERNAL', `${module} is not built`, { hint: 'Run `npm run build`.' });
  }
  return path;
}
