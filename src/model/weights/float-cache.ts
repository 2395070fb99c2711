/**
 * Folder of float32 copies of weights that are stored in another form. An entry is named by the content it was
 * made from, written under a temporary name and renamed, so a reader sees a whole entry or none.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { ScanError, toScanError } from '../../errors.ts';

const GIB = 2 ** 30;
const DEFAULT_MAX_BYTES = 64 * GIB;
/** An entry used this recently may be mapped by a scan that runs now, so pruning leaves it. */
const IN_USE_MS = 3_600_000;
const ENTRY = /^[0-9a-f]{64}\.safetensors$/;
const TEMPORARY = /^\.[0-9a-f-]+\.partial$/;

export interface CacheEntry {
  readonly key: string;
  readonly path: string;
  readonly byteLength: number;
  /** Milliseconds since the epoch. */
  readonly lastUsedMs: number;
}

export class FloatCache {
  readonly folder: string;
  readonly maxBytes: number;

  constructor(folder: string, maxBytes = DEFAULT_MAX_BYTES) {
    // The engine maps files by absolute paths only.
    this.folder = resolve(folder);
    this.maxBytes = maxBytes;
  }

  /** Most recently used first. Empty when the folder does not exist. */
  entries(): readonly CacheEntry[] {
    let names: string[];
    try {
      names = readdirSync(this.folder);
    } catch (error) {
      const failure = toScanError(error, this.folder);
      if (failure.code === 'E_NOT_FOUND') return [];
      throw failure;
    }
    const entries: CacheEntry[] = [];
    for (const name of names) {
      if (!ENTRY.test(name)) continue;
      const path = join(this.folder, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat?.isFile() !== true) continue;
      entries.push({
        key: name.slice(0, 64),
        path,
        byteLength: stat.size,
        lastUsedMs: stat.mtimeMs,
      });
    }
    return entries.sort((a, b) => b.lastUsedMs - a.lastUsedMs || (a.key < b.key ? -1 : 1));
  }

  /** Path of an entry, marked as used; undefined when there is none. */
  find(key: string): string | undefined {
    const path = this.#pathOf(key);
    if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
    this.#prepare();
    const now = new Date();
    utimesSync(path, now, now);
    return path;
  }

  /**
   * Makes an entry of exactly `byteLength` bytes.
   * @param write is given a function that appends bytes
   * @throws ScanError `E_LIMIT` when it can never fit, `E_IO` when the disk is full or the folder is not safe
   */
  create(key: string, byteLength: number, write: (append: (bytes: Uint8Array) => void) => void) {
    if (byteLength > this.maxBytes) {
      throw new ScanError(
        'E_LIMIT',
        `the float32 copy needs ${byteLength} bytes, the cache may hold ${this.maxBytes}`,
        { file: this.folder, hint: 'Raise NARROWFIRE_CACHE_BYTES.' },
      );
    }
    this.#prepare();
    this.prune(this.maxBytes - byteLength);
    this.#checkSpace(byteLength);
    const temporary = join(this.folder, `.${randomUUID()}.partial`);
    const path = this.#pathOf(key);
    try {
      const descriptor = openSync(temporary, 'wx', 0o600);
      try {
        let written = 0;
        write((bytes) => {
          let done = 0;
          while (done < bytes.byteLength) {
            done += writeSync(descriptor, bytes, done, bytes.byteLength - done);
          }
          written += done;
        });
        if (written !== byteLength) {
          throw new Error(`${written} bytes written to the cache, ${byteLength} announced`);
        }
      } finally {
        closeSync(descriptor);
      }
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw toScanError(error, this.folder);
    }
    return path;
  }

  /** Removes least recently used entries until `maxBytes` are kept; entries in use stay. Returns what went. */
  prune(maxBytes = this.maxBytes, now = Date.now()): readonly CacheEntry[] {
    this.#removePartial(now);
    const removed: CacheEntry[] = [];
    let kept = 0;
    for (const entry of this.entries()) {
      const inUse = now - entry.lastUsedMs < IN_USE_MS;
      if (inUse || kept + entry.byteLength <= maxBytes) {
        kept += entry.byteLength;
        continue;
      }
      rmSync(entry.path, { force: true });
      removed.push(entry);
    }
    return removed;
  }

  /** Removes every entry. */
  clear(): readonly CacheEntry[] {
    const entries = this.entries();
    for (const entry of entries) rmSync(entry.path, { force: true });
    this.#removePartial(Number.POSITIVE_INFINITY);
    return entries;
  }

  #pathOf(key: string): string {
    return join(this.folder, `${key}.safetensors`);
  }

  /** Makes the folder, and refuses one in which another user could place weights that the scan then trusts. */
  #prepare(): void {
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      const stat = lstatSync(this.folder);
      const user = process.getuid?.();
      if (user === undefined) return;
      if (!stat.isDirectory() || stat.uid !== user) {
        throw new ScanError('E_IO', 'the cache folder belongs to another user or is a link', {
          file: this.folder,
          hint: 'Set NARROWFIRE_CACHE to a folder of your own.',
        });
      }
      if ((stat.mode & 0o022) !== 0) chmodSync(this.folder, stat.mode & 0o755);
    } catch (error) {
      throw toScanError(error, this.folder);
    }
  }

  #checkSpace(byteLength: number): void {
    const { bavail, bsize } = statfsSync(this.folder);
    const free = bavail * bsize;
    if (byteLength + 256 * 2 ** 20 <= free) return;
    throw new ScanError('E_IO', `the float32 copy needs ${byteLength} bytes, ${free} are free`, {
      file: this.folder,
      hint: 'Run "narrowfire cache clear", or set NARROWFIRE_CACHE to a larger disk.',
    });
  }

  /** What a killed process left behind. */
  #removePartial(now: number): void {
    let names: string[] = [];
    try {
      names = readdirSync(this.folder);
    } catch {
      return;
    }
    for (const name of names) {
      if (!TEMPORARY.test(name)) continue;
      const path = join(this.folder, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat !== undefined && now - stat.mtimeMs > IN_USE_MS) rmSync(path, { force: true });
    }
  }
}

/** `NARROWFIRE_CACHE`, else the XDG cache folder; `NARROWFIRE_CACHE_BYTES` bounds it. */
export function defaultCache(env: NodeJS.ProcessEnv = process.env): FloatCache {
  const folder = env['NARROWFIRE_CACHE'] || join(cacheRoot(env), 'narrowfire', 'float32');
  return new FloatCache(folder, maxBytesFrom(env['NARROWFIRE_CACHE_BYTES']));
}

function cacheRoot(env: NodeJS.ProcessEnv): string {
  if (env['XDG_CACHE_HOME']) return env['XDG_CACHE_HOME'];
  if (process.platform === 'win32' && env['LOCALAPPDATA']) return env['LOCALAPPDATA'];
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches');
  return join(homedir(), '.cache');
}

function maxBytesFrom(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_MAX_BYTES;
  const bytes = Number(text);
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    throw new ScanError('E_USAGE', `NARROWFIRE_CACHE_BYTES is ${JSON.stringify(text)}`, {
      hint: 'Give a whole number of bytes.',
    });
  }
  return bytes;
}

/** SHA-256 over the whole contents of files, in order, with a label for what is made of them. */
export function contentKey(label: string, paths: readonly string[]): string {
  const hash = createHash('sha256').update(`${label}\n`);
  const buffer = new Uint8Array(4 * 2 ** 20);
  for (const path of paths) {
    const descriptor = openSync(path, 'r');
    try {
      hash.update(`${fstatSync(descriptor).size}\n`);
      for (;;) {
        const count = readSync(descriptor, buffer, 0, buffer.byteLength, null);
        if (count === 0) break;
        hash.update(buffer.subarray(0, count));
      }
    } finally {
      closeSync(descriptor);
    }
  }
  return hash.digest('hex');
}
