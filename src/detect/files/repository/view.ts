/** The inventory that repository detectors see, with small files read and parsed once. */
import type { ByteSource } from '../../../artifact/byte-source.ts';
import { readJson } from '../../../artifact/json.ts';
import type { LeavingLink } from '../../../artifact/repository.ts';
import { ScanError } from '../../../errors.ts';
import type { JsonFile, OpenFile, Repository, RepositoryFile } from '../repository-detector.ts';

export interface RepositoryInput {
  readonly files: readonly RepositoryFile[];
  readonly leavingLinks: readonly LeavingLink[];
  readonly alone?: boolean;
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

  function use<Result>(relative: string, work: (source: ByteSource) => Result): Result | undefined {
    if (!byPath.has(relative)) return undefined;
    let source: (ByteSource & Partial<Disposable>) | undefined;
    try {
      source = input.open(relative);
      return work(source);
    } catch (thrown) {
      // What cannot be opened or read is reported by the file detectors.
      if (thrown instanceof ScanError) return undefined;
      if (thrown instanceof Error && 'code' in thrown) return undefined;
      throw thrown;
    } finally {
      source?.[Symbol.dispose]?.();
    }
  }

  function read(relative: string, maxBytes: number): Uint8Array | undefined {
    return use(relative, (source) =>
      source.size <= maxBytes ? source.read(0, source.size) : undefined,
    );
  }

  function json(relative: string): JsonFile | undefined {
    if (parsed.has(relative)) return parsed.get(relative);
    const bytes = read(relative, MAX_JSON_BYTES);
    let file: JsonFile | undefined;
    if (bytes !== undefined) {
      try {
        file = { bytes, document: readJson(bytes, { allowNonFinite: true }) };
      } catch (thrown) {
        if (!(thrown instanceof ScanError)) throw thrown;
      }
    }
    parsed.set(relative, file);
    return file;
  }

  return {
    files: input.files,
    leavingLinks: input.leavingLinks,
    alone: input.alone ?? false,
    pathOf: input.pathOf,
    has: (relative) => byPath.has(relative),
    named: (name) => {
      if (typeof name === 'string') return byName.get(name) ?? [];
      return [...byName].filter(([base]) => name.test(base)).flatMap(([, paths]) => paths);
    },
    use,
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
