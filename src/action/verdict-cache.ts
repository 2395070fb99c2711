/**
 * Verdicts of earlier runs, by what was scanned: the SHA-256 of every file (the LFS oid, so a known model is not even
 * fetched), the scanner and its rules, and the settings. Only verdicts that covered all of a model are kept, and only
 * redacted as the reports are: workflows of forks can read the cache of the base branch.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ScanResult, TargetResult } from '../finding/finding.ts';
import { isIncomplete } from '../judge/verdict.ts';
import { readResult } from '../report/read-result.ts';
import { writeReport } from '../report/write-report.ts';
import { VERSION } from '../version.ts';
import type { Staged } from './staging.ts';

const MAX_ENTRIES = 500;
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
/** What decides about findings: code as it runs, rules with their lists, probe text, and versions of the libraries. */
const TOOL_PARTS = ['dist', 'rules', 'corpora', 'package-lock.json', 'package.json'];

/** SHA-256 over names and bytes of a file or of all below a folder; of nothing when it is not there. */
export function digestOf(paths: readonly string[], skip: RegExp = /^$/): string {
  const hash = createHash('sha256');
  const add = (path: string, name: string) => {
    if (skip.test(name) || !existsSync(path)) return;
    if (statSync(path).isDirectory()) {
      for (const entry of readdirSync(path).toSorted()) add(join(path, entry), `${name}/${entry}`);
      return;
    }
    const bytes = readFileSync(path);
    hash.update(`${JSON.stringify([name, bytes.length])}\n`).update(bytes);
  };
  for (const [index, path] of paths.entries()) add(path, String(index));
  return hash.digest('hex');
}

export function toolDigest(): string {
  const parts = TOOL_PARTS.map((part) => join(ROOT, part));
  return createHash('sha256')
    .update(`${VERSION}\n${digestOf(parts, /\.(map|d\.ts)$|\/(cases|\.built)$/)}`)
    .digest('hex');
}

export interface CacheKeys {
  /** New for every run, because GitHub's caches never change. */
  readonly key: string;
  /** Start of the keys of earlier runs. */
  readonly restoreKey: string;
}

export function cacheKeys(tool: string, run: string): CacheKeys {
  const restoreKey = `narrowfire-verdicts-${tool.slice(0, 16)}-`;
  return { key: `${restoreKey}${run}`, restoreKey };
}

/** The name of a verdict: everything that could change it. */
export function verdictKey(staged: Staged, tool: string, settings: unknown): string {
  const { target, contents } = staged;
  return createHash('sha256')
    .update(JSON.stringify(['v1', tool, settings, target.path, contents]))
    .digest('hex');
}

/** @returns the stored verdict, or undefined; a damaged entry counts as none. */
export function readVerdict(folder: string, key: string, path: string): TargetResult | undefined {
  const file = join(folder, `${key}.json`);
  if (!existsSync(file)) return undefined;
  try {
    const [target, ...others] = readResult(file).targets;
    if (target === undefined || others.length > 0 || target.path !== path) return undefined;
    const now = new Date();
    utimesSync(file, now, now);
    return target;
  } catch {
    return undefined;
  }
}

/** @returns whether it was kept: a verdict over less than the whole model is worth nothing tomorrow. */
export function keepVerdict(folder: string, key: string, result: ScanResult): boolean {
  const [target] = result.targets;
  if (target === undefined || isIncomplete(target.coverage, target.errors)) return false;
  mkdirSync(folder, { recursive: true });
  writeReport(join(folder, `${key}.json`), [JSON.stringify(result)]);
  return true;
}

/** Keeps the entries that were used last. */
export function pruneVerdicts(folder: string): void {
  if (!existsSync(folder)) return;
  const files = readdirSync(folder)
    .map((name) => join(folder, name))
    .map((file) => ({ file, usedMs: statSync(file).mtimeMs }))
    .toSorted((a, b) => b.usedMs - a.usedMs);
  for (const { file } of files.slice(MAX_ENTRIES)) rmSync(file, { force: true });
}
