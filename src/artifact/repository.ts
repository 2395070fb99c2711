/**
 * Walks a model folder: regular files in sorted order. Links are not followed, pipes, sockets and devices
 * are never opened; both are listed so that a verdict can say so.
 */
import { lstatSync, readdirSync, realpathSync } from 'node:fs';
import { join, sep } from 'node:path';
import { toScanError } from '../errors.ts';
import type { NotCovered } from '../evidence/evidence.ts';

export interface WalkedFile {
  /** POSIX path below the root. */
  readonly relative: string;
  readonly absolute: string;
  readonly byteLength: number;
}

export interface Walk {
  readonly files: readonly WalkedFile[];
  readonly notCovered: readonly NotCovered[];
}

export const WALK_LIMITS = { maxFiles: 1_000_000, maxDepth: 64 };

export function walkFolder(root: string, limits = WALK_LIMITS): Walk {
  const files: WalkedFile[] = [];
  const notCovered: NotCovered[] = [];
  const real = realpathSync(root);

  function visit(folder: string, relative: string, depth: number): void {
    let names: string[];
    try {
      names = readdirSync(folder).sort();
    } catch (error) {
      notCovered.push({ what: relative || '.', why: reason(error) });
      return;
    }
    for (const name of names) {
      if (files.length >= limits.maxFiles) {
        notCovered.push({
          what: relative || '.',
          why: `E_LIMIT: more than ${limits.maxFiles} files`,
        });
        return;
      }
      visitEntry(join(folder, name), relative === '' ? name : `${relative}/${name}`, depth);
    }
  }

  function visitEntry(absolute: string, relative: string, depth: number): void {
    try {
      const stat = lstatSync(absolute);
      if (stat.isFile()) files.push({ relative, absolute, byteLength: stat.size });
      else if (stat.isDirectory()) {
        if (depth >= limits.maxDepth)
          notCovered.push({
            what: relative,
            why: `E_LIMIT: folders deeper than ${limits.maxDepth}`,
          });
        else if (relative.split('/').at(-1) !== '.git') visit(absolute, relative, depth + 1);
      } else if (stat.isSymbolicLink()) {
        const target = realpathSync(absolute);
        // A link inside the folder leads to a file that the walk meets under its own name.
        if (target !== real && !target.startsWith(real + sep))
          notCovered.push({ what: relative, why: 'E_OUTSIDE: a link that leaves the folder' });
      } else notCovered.push({ what: relative, why: 'E_NOT_REGULAR: a pipe, socket or device' });
    } catch (error) {
      notCovered.push({ what: relative, why: reason(error) });
    }
  }

  visit(real, '', 0);
  return { files, notCovered };
}

function reason(thrown: unknown): string {
  const error = toScanError(thrown);
  return `${error.code}: ${error.message}`;
}
