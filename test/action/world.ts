/** Real repositories for the action: commits with Git LFS pointers, a file-protocol LFS remote, a runner's files. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runAction } from '../../src/action/run-action.ts';

export const HAS_GIT_LFS = spawnSync('git', ['lfs', 'version']).status === 0;

/** A pickle that would run a command, and one that would not. */
export const EVIL = Buffer.from("cos\nsystem\n(S'echo narrowfire'\ntR.");
export const GOOD = Buffer.from('\x80\x02}q\x00X\x01\x00\x00\x00aq\x01K\x01s.', 'latin1');

export function git(folder: string, ...args: readonly string[]): string {
  return execFileSync('git', args, {
    cwd: folder,
    encoding: 'utf8',
    env: {
      ...process.env,
      GIT_LFS_SKIP_SMUDGE: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@example.org',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@example.org',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}

export type Files = Readonly<
  Record<string, string | Uint8Array | { readonly linkTo: string } | null>
>;

/** An author's repository with a bare remote beside it. */
export class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'narrowfire-action-'));
  readonly author = join(this.folder, 'author');
  readonly remote = join(this.folder, 'remote.git');
  #clones = 0;

  constructor() {
    mkdirSync(this.author);
    git(this.folder, 'init', '--quiet', '--bare', '-b', 'main', this.remote);
    git(this.author, 'init', '--quiet', '-b', 'main');
    git(this.author, 'lfs', 'install', '--local', '--skip-smudge');
    git(this.author, 'config', 'lfs.locksverify', 'false');
    git(this.author, 'remote', 'add', 'origin', `file://${this.remote}`);
    const lfs = ['pkl', 'safetensors', 'weights'].map(
      (name) => `*.${name} filter=lfs diff=lfs merge=lfs -text`,
    );
    writeFileSync(join(this.author, '.gitattributes'), `${lfs.join('\n')}\n`);
  }

  commit(files: Files, message = 'change'): string {
    for (const [path, bytes] of Object.entries(files)) {
      const file = join(this.author, path);
      if (bytes === null) {
        rmSync(file);
        continue;
      }
      mkdirSync(dirname(file), { recursive: true });
      if (typeof bytes === 'object' && 'linkTo' in bytes) symlinkSync(bytes.linkTo, file);
      else writeFileSync(file, bytes);
    }
    git(this.author, 'add', '-A');
    git(this.author, 'commit', '--quiet', '-m', message);
    return git(this.author, 'rev-parse', 'HEAD');
  }

  /** Pushes every branch and LFS object. */
  push(): void {
    git(this.author, 'push', '--quiet', '--force', 'origin', '--all');
  }

  /** A new branch from main with these changes; main stays checked out afterwards. */
  branch(name: string, files: Files): string {
    git(this.author, 'checkout', '--quiet', '-b', name, 'main');
    const head = this.commit(files);
    this.push();
    git(this.author, 'checkout', '--quiet', 'main');
    return head;
  }

  /** What actions/checkout leaves for a pull request: a merge of the head into main, pointers not smudged. */
  pullRequest(head: string): string {
    const clone = this.clone();
    git(clone, 'merge', '--quiet', '--no-ff', '-m', 'merge', head);
    return clone;
  }

  clone(): string {
    this.#clones += 1;
    const clone = join(this.folder, `clone-${this.#clones}`, 'repository');
    mkdirSync(dirname(clone));
    git(this.folder, 'clone', '--quiet', `file://${this.remote}`, clone);
    return clone;
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** SHA-256 of the LFS objects that a clone has fetched. */
export function fetched(clone: string): readonly string[] {
  try {
    return readdirSync(join(clone, '.git/lfs/objects'), { recursive: true, encoding: 'utf8' })
      .map((name) => name.slice(name.lastIndexOf('/') + 1))
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .toSorted();
  } catch {
    return [];
  }
}

/** Reads `name<<delimiter` blocks as the runner does. */
export function readOutputs(file: string): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  const lines = readFileSync(file, 'utf8').split('\n');
  for (let index = 0; index < lines.length; index += 1) {
    const start = /^([\w-]+)<<(.+)$/.exec(lines[index] ?? '');
    if (start === null) continue;
    const end = lines.indexOf(start[2] ?? '', index + 1);
    values[start[1] ?? ''] = lines.slice(index + 1, end).join('\n');
    index = end;
  }
  return values;
}

export interface Runner {
  readonly env: Record<string, string>;
  readonly temp: string;
  readonly outputFile: string;
  readonly summaryFile: string;
}

export interface PullRequestOptions {
  readonly base: string;
  readonly head: string;
  readonly fork?: boolean;
}

/** The files and variables of a step on a runner. */
export function runnerFor(clone: string, request?: PullRequestOptions, temp?: string): Runner {
  const folder = mkdtempSync(join(dirname(clone), 'runner-'));
  const runnerTemp = temp ?? folder;
  const outputFile = join(folder, 'output');
  const summaryFile = join(folder, 'summary');
  const event = join(folder, 'event.json');
  writeFileSync(outputFile, '');
  writeFileSync(summaryFile, '');
  const home = { full_name: 'owner/repository' };
  const pullRequest = request && {
    base: { sha: request.base, repo: home },
    head: {
      sha: request.head,
      repo: request.fork === true ? { full_name: 'stranger/repository' } : home,
    },
  };
  writeFileSync(event, JSON.stringify({ ...(pullRequest && { pull_request: pullRequest }) }));
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: dirname(clone),
    GIT_CONFIG_GLOBAL: '/dev/null',
    GITHUB_WORKSPACE: clone,
    GITHUB_OUTPUT: outputFile,
    GITHUB_STEP_SUMMARY: summaryFile,
    GITHUB_EVENT_NAME: request === undefined ? 'push' : 'pull_request',
    GITHUB_EVENT_PATH: event,
    GITHUB_TOKEN: 'secret-token-of-the-job',
    RUNNER_TEMP: runnerTemp,
    INPUT_PROFILE: 'files',
  };
  return { env, temp: runnerTemp, outputFile, summaryFile };
}

export interface Ran {
  readonly code: number;
  readonly log: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly summary: string;
}

export async function act(runner: Runner, inputs: Record<string, string> = {}): Promise<Ran> {
  let log = '';
  const stdout = (text: string) => {
    log += text;
  };
  const env = { ...runner.env, ...inputs };
  const code = await runAction(env, { stdout, today: () => '2026-11-21' });
  return {
    code,
    log,
    outputs: readOutputs(runner.outputFile),
    summary: readFileSync(runner.summaryFile, 'utf8'),
  };
}
