/**
 * Walks a model folder in sorted order. No link is followed out of it, and pipes, sockets and devices are never
 * opened. The one layout in which links are ordinary is the Hugging Face cache: `snapshots/<revision>/file` points
 * to `../../blobs/<hash>` of the same cached model.
 */
import { lstatSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join, relative as relativePath, sep } from 'node:path';
import { toScanError } from '../errors.ts';
import type { NotCovered } from '../evidence/evidence.ts';

export interface WalkedFile {
  /** POSIX path below the root. */
  readonly relative: string;
  /** What to open; for a link the file that it leads to. */
  readonly absolute: string;
  readonly byteLength: number;
  /** Another walked file with the same bytes and the same kind of name: nothing new to inspect. */
  readonly aliasOf?: string;
  /** More names lead to these bytes than this one. */
  readonly hardLinked?: boolean;
}

/** A link whose target lies outside the folder and outside the cache that the folder belongs to. */
export interface LeavingLink {
  readonly relative: string;
  /** As stored in the link's real path. */
  readonly target: string;
}

export interface Walk {
  readonly files: readonly WalkedFile[];
  readonly leavingLinks: readonly LeavingLink[];
  readonly notCovered: readonly NotCovered[];
}

export const WALK_LIMITS = { maxFiles: 1_000_000, maxDepth: 64 };

export function walkFolder(root: string, limits = WALK_LIMITS): Walk {
  return new Walker(realpathSync(root), limits).run();
}

/** The cache folder (`models--owner--name`) that a snapshot folder belongs to. */
export function cacheRootOf(real: string): string | undefined {
  const parts = real.split(sep);
  const at = parts.lastIndexOf('snapshots');
  const owner = parts[at - 1] ?? '';
  return at > 0 && /^(models|datasets|spaces)--/.test(owner)
    ? parts.slice(0, at).join(sep)
    : undefined;
}

class Walker {
  readonly #root: string;
  readonly #limits: typeof WALK_LIMITS;
  readonly #blobs: string;
  readonly #files: WalkedFile[] = [];
  readonly #links: WalkedFile[] = [];
  readonly #leaving: LeavingLink[] = [];
  readonly #notCovered: NotCovered[] = [];
  #full = false;

  constructor(root: string, limits: typeof WALK_LIMITS) {
    this.#root = root;
    this.#limits = limits;
    this.#blobs = join(cacheRootOf(root) ?? root, 'blobs') + sep;
  }

  run(): Walk {
    this.#visit(this.#root, '', 0);
    // A blob that a snapshot names is inspected under the name that loaders see.
    const named = new Set(this.#links.map(({ absolute }) => absolute));
    const files = this.#files.filter(
      ({ absolute }) => !(absolute.startsWith(this.#blobs) && named.has(absolute)),
    );
    const seen = new Map(files.map((file) => [file.absolute, file]));
    for (const link of this.#links) {
      const first = seen.get(link.absolute);
      if (first === undefined) seen.set(link.absolute, link);
      const same = first !== undefined && suffix(first.relative) === suffix(link.relative);
      files.push(same ? { ...link, aliasOf: first.relative } : link);
    }
    files.sort((a, b) => (a.relative < b.relative ? -1 : 1));
    return { files, leavingLinks: this.#leaving, notCovered: this.#notCovered };
  }

  #visit(folder: string, relative: string, depth: number): void {
    let names: string[];
    try {
      names = readdirSync(folder).sort();
    } catch (error) {
      this.#skip(relative || '.', reason(error));
      return;
    }
    for (const name of names) {
      if (this.#files.length + this.#links.length >= this.#limits.maxFiles) {
        if (!this.#full)
          this.#skip(relative || '.', `E_LIMIT: more than ${this.#limits.maxFiles} files`);
        this.#full = true;
        return;
      }
      this.#visitEntry(join(folder, name), relative === '' ? name : `${relative}/${name}`, depth);
    }
  }

  #visitEntry(absolute: string, relative: string, depth: number): void {
    try {
      const stat = lstatSync(absolute);
      if (stat.isFile()) this.#files.push(walked(relative, absolute, stat));
      else if (stat.isSymbolicLink()) this.#visitLink(absolute, relative);
      else if (!stat.isDirectory()) {
        this.#skip(relative, 'E_NOT_REGULAR: a pipe, socket or device');
      } else if (depth >= this.#limits.maxDepth) {
        this.#skip(relative, `E_LIMIT: folders deeper than ${this.#limits.maxDepth}`);
      } else if (basename(absolute) !== '.git') this.#visit(absolute, relative, depth + 1);
    } catch (error) {
      this.#skip(relative, reason(error));
    }
  }

  #visitLink(absolute: string, relative: string): void {
    const target = realpathSync(absolute);
    const inside = target === this.#root || target.startsWith(this.#root + sep);
    if (!inside && !this.#isOwnBlob(target)) {
      this.#leaving.push({ relative, target: relativePath(dirname(absolute), target) });
      this.#skip(relative, 'E_OUTSIDE: a link that leaves the folder');
      return;
    }
    const stat = statSync(target);
    // A link to a folder inside leads to files that the walk meets under their own names.
    if (stat.isFile()) this.#links.push(walked(relative, target, stat));
    else if (!stat.isDirectory()) this.#skip(relative, 'E_NOT_REGULAR: a pipe, socket or device');
  }

  #isOwnBlob(target: string): boolean {
    return (
      cacheRootOf(this.#root) !== undefined &&
      target.startsWith(this.#blobs) &&
      /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(basename(target))
    );
  }

  #skip(what: string, why: string): void {
    this.#notCovered.push({ what, why });
  }
}

function walked(relative: string, absolute: string, stat: Stats): WalkedFile {
  const file = { relative, absolute, byteLength: stat.size };
  return stat.nlink > 1 ? { ...file, hardLinked: true } : file;
}

function suffix(path: string): string {
  const base = path.slice(path.lastIndexOf('/') + 1);
  // Names decide for text formats, so only names of weights are alike enough to skip the second.
  return /\.(safetensors|bin|gguf|onnx|pt|pth|h5|npz|npy|msgpack)$/.exec(base)?.[0] ?? base;
}

function reason(thrown: unknown): string {
  const error = toScanError(thrown);
  return `${error.code}: ${error.message}`;
}
