/** Runs the scanner as a process of its own over staged models, without any secret of the job in its environment. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ScanError } from '../errors.ts';
import type { ScanResult } from '../finding/finding.ts';
import { readResult } from '../report/read-result.ts';

const ENTRY = resolve(dirname(fileURLToPath(import.meta.url)), '../../bin/narrowfire.js');

export interface ScannerRun {
  /** Where the targets are; they are given relative to it. */
  readonly folder: string;
  readonly targets: readonly string[];
  readonly arguments: readonly string[];
  readonly resultFile: string;
  readonly env: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
}

/** @throws ScanError `E_WORKER` when it ended without a result. */
export async function runScanner(run: ScannerRun): Promise<ScanResult> {
  const args = [
    ...['scan', '--quiet', '--no-progress', '--format', 'json'],
    ...run.arguments,
    ...['--output', `json=${run.resultFile}`, '--', ...run.targets],
  ];
  const child = spawn(process.execPath, [ENTRY, ...args], {
    cwd: run.folder,
    env: run.env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  createInterface({ input: child.stderr }).on('line', run.log);
  const code = await new Promise<number | null>((resolvePromise, reject) => {
    child.on('error', reject);
    child.on('close', resolvePromise);
  });
  if (!existsSync(run.resultFile)) {
    throw new ScanError('E_WORKER', `the scanner ended with ${code} and without a result`, {
      file: join(run.folder, run.targets[0] ?? ''),
    });
  }
  return readResult(run.resultFile);
}
