/** The inventory that repository detectors see, with small files read and parsed once. */
import { type ByteSource, MissingRange } from '../../../artifact/byte-source.ts';
import { readJson } from '../../../artifact/json.ts';
import type { LeavingLink } from '../../../artifact/repository.ts';
import type { JsonFile, OpenFile, Repository, RepositoryFile } from '../repository-detector.ts';

export interface RepositoryInput {
  readonly files: readonly RepositoryFile[];
  readonly leavingLinks: readonly LeavingLink[];
  readonly open: OpenFile;
  pathOf(relative: string): string;
  list(name: string): ReadonlySet<string>;
}

const MAX_JSON_BYTES = 64 * 2 ** 20;

export function viewRepository(input: RepositoryInput): Repository {
  const byPath = new Map(input.files.map((file) => [file.relative, file]));
  const byName = new Map<string, string[]>();
  for (const { relative } of input.files) {
    const name = baseNameOf(relative);
    const known = byName.get(name);
    if (known === undefined) byName.set(name, [relative]);
    else known.push(relative);
  }
  const parsed = new Map<string, JsonFile | undefined>();

  function read(relative: string, maxBytes: number): Uint8Array | undefined {
    const file = byPath.get(relative);
    if (file === undefined || file.byteLength > maxBytes) return undefined;
    let source: (ByteSource & Partial<Disposable>) | undefined;
    try {
      source = input.open(relative);
      if (source.size > maxBytes) return undefined;
      return source.read(0, source.size);
    } catch (thrown) {
      if (thrown instanceof MissingRange) throw thrown;
      return undefined;
    } finally {
      source?.[Symbol.dispose]?.();
    }
  }

  function json(relative: string): JsonFile | undefined {
    if (parsed.has(relative)) return parsed.get(relative);
    const bytes = read(relative, MAX_JSON_BYTES);
    let file: JsonFile | undefined;
    if (bytes !== undefined) {
      try {
        file = { bytes, document: readJson(bytes, { allowNonFinite: true }) };
      } catch {
        file = undefined;
      }
    }
    parsed.set(relative, file);
    return file;
  }

  return {
    files: input.files,
    leavingLinks: input.leavingLinks,
    pathOf: input.pathOf,
    has: (relative) => byPath.has(relative),
    named: (name) => {
      if (typeof name === 'string') return byName.get(name) ?? [];
      return [...byName].filter(([base]) => name.test(base)).flatMap(([, paths]) => paths);
    },
    read,
    json,
    list: input.list,
  };
}

export function baseNameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Folder of a file, with a trailing slash; empty at the root. */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

/** Joins a folder and a reference inside the repository; undefined when it climbs out or is absolute. */
export function resolveInside(folder: string, reference: string): string | undefined {
  if (/^([/\\]|[a-zA-Z]:)/.test(reference)) return undefined;
  const out: string[] = [];
  for (const part of `${folder}${reference}`.split(/[/\\]/)) {
    if (part === '' || part === '.') continue;
    if (part !== '..') out.push(part);
    else if (out.pop() === undefined) return undefined;
  }
  return out.join('/');
}
