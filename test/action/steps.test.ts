/** The steps of action.yml, run with bash over a real repository. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { performAction, readActionFile, type Step } from './composite.ts';
import { EVIL, fetched, GOOD, HAS_GIT_LFS, runnerFor, World } from './world.ts';

const action = readActionFile();
const scratch = mkdtempSync(join(tmpdir(), 'narrowfire-steps-'));

/** A folder with an `npm` that only writes down how it was called: no test may touch the real node_modules. */
function noNpm(): { readonly folder: string; readonly calls: () => string } {
  const folder = mkdtempSync(join(scratch, 'npm-'));
  const file = join(folder, 'calls');
  writeFileSync(file, '');
  writeFileSync(
    join(folder, 'npm'),
    `#!/bin/sh\necho "$* $ONNXRUNTIME_NODE_INSTALL $npm_config_ignore_scripts" >> '${file}'\n`,
  );
  chmodSync(join(folder, 'npm'), 0o755);
  return { folder, calls: () => readFileSync(file, 'utf8') };
}

describe('the step that prepares the action', () => {
  const prepare = {
    ...action,
    outputs: {},
    runs: { ...action.runs, steps: [action.runs.steps[1] as Step] },
  };
  const perform = async (folder: string, npm: string) => {
    const env = { PATH: `${npm}:${process.env['PATH']}`, RUNNER_TEMP: scratch };
    return performAction(
      prepare,
      {},
      { ...env, GITHUB_WORKSPACE: scratch, GITHUB_ACTION_PATH: folder },
    );
  };
  const checkout = () => {
    const folder = mkdtempSync(join(scratch, 'checkout-'));
    for (const part of ['bin', 'package.json', 'package-lock.json'])
      cpSync(part, join(folder, part), { recursive: true });
    mkdirSync(join(folder, 'src'));
    return folder;
  };

  it('installs what is locked, runs no install script, downloads no CUDA, and builds', async () => {
    const npm = noNpm();
    expect((await perform(checkout(), npm.folder)).code).toBe(0);
    expect(npm.calls()).toBe(
      'ci --no-audit --no-fund --loglevel=error skip true\nrun --silent build skip true\n',
    );
  });

  it('never installs into a linked node_modules', async () => {
    const npm = noNpm();
    const folder = checkout();
    const shared = mkdtempSync(join(scratch, 'shared-'));
    writeFileSync(join(shared, '.package-lock.json'), '{}');
    symlinkSync(shared, join(folder, 'node_modules'));
    await perform(folder, npm.folder);
    expect(npm.calls()).not.toContain('ci ');
    expect(existsSync(join(shared, '.package-lock.json'))).toBe(true);
  });
});

describe.skipIf(!HAS_GIT_LFS)('the steps of the action (needs git-lfs)', () => {
  let world: World;
  let base: string;
  beforeAll(() => {
    world = new World();
    base = world.commit({ 'README.md': 'text\n', 'models/old.pkl': GOOD });
    world.push();
  });
  afterAll(() => world.close());

  const perform = async (head: string, fork: boolean, inputs: Record<string, string> = {}) => {
    const clone = world.pullRequest(head);
    const runner = runnerFor(clone, { base, head, fork });
    const { INPUT_PROFILE: _profile, ...env } = runner.env;
    const performed = await performAction(
      action,
      { profile: 'files', ...inputs },
      {
        ...env,
        PATH: `${noNpm().folder}:${env['PATH']}`,
        GITHUB_ACTION_PATH: resolve('.'),
        GITHUB_RUN_ID: '7',
        GITHUB_JOB: 'models',
      },
    );
    return { ...performed, clone, summary: readFileSync(runner.summaryFile, 'utf8') };
  };

  it('uploads first and then fails', async () => {
    const head = world.branch('bad', { 'models/bad.pkl': EVIL });
    const performed = await perform(head, false);
    expect(performed.code).toBe(1);
    expect(performed.steps).toEqual([
      'Set up Node.js',
      'Prepare narrowfire',
      'Plan',
      'Restore known verdicts',
      'Scan',
      'Keep new verdicts',
      'Upload to code scanning',
      'Verdict',
    ]);
    const restored = performed.used['Restore known verdicts'] ?? {};
    expect(performed.used['Keep new verdicts']).toEqual({
      path: restored['path'],
      key: restored['key'],
    });
    expect(restored['key']?.startsWith(restored['restore-keys'] ?? '-')).toBe(true);
    expect(existsSync(restored['path'] ?? '')).toBe(true);
    const upload = performed.used['Upload to code scanning'] ?? {};
    expect(existsSync(upload['sarif_file'] ?? '')).toBe(true);
    // The last step takes the empty folder away again.
    expect(upload['checkout_path']).toContain(join(performed.clone, '.narrowfire-upload-'));
    expect(existsSync(upload['checkout_path'] ?? '')).toBe(false);
    expect(performed.outputs).toMatchObject({
      verdict: 'fail',
      'exit-code': '1',
      'scanned-models': '1',
    });
    expect(fetched(performed.clone)).toEqual([createHash('sha256').update(EVIL).digest('hex')]);
    expect(performed.log).not.toContain('secret-token-of-the-job');
  });

  it('keeps an artifact for a fork, and passes what is good', async () => {
    const head = world.branch('good', {
      'models/good.pkl': Buffer.concat([GOOD.subarray(0, -1), Buffer.from('.')]),
      'models/old.pkl': null,
    });
    const performed = await perform(head, true, { cache: 'false' });
    expect(performed.steps).toEqual([
      'Set up Node.js',
      'Prepare narrowfire',
      'Plan',
      'Scan',
      'Keep reports as an artifact',
      'Verdict',
    ]);
    expect(performed.code).toBe(0);
    expect(performed.outputs['verdict']).toBe('pass');
    expect(performed.summary).toContain('read-only token');
  });

  it('runs no input as a command and fails for a wrong one', async () => {
    const head = world.branch('inputs', { 'README.md': 'more\n' });
    const mark = join(world.folder, 'mark');
    const hostile = `$(touch ${mark})\`touch ${mark}\`"; touch ${mark}; '`;
    const performed = await perform(head, false, { paths: hostile, category: hostile });
    expect(existsSync(mark)).toBe(false);
    expect(performed.code).toBe(2);
    expect(performed.log).toContain('input category');
    expect(performed.steps.at(-1)).toBe('Plan');
  });
});
