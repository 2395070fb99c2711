/** Pull requests over real git and Git LFS: what is chosen, fetched, known already, and refused. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScanResult } from '../../src/finding/finding.ts';
import { act, EVIL, fetched, GOOD, git, HAS_GIT_LFS, type Ran, runnerFor, World } from './world.ts';

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');
const WEIRD = 'models/a "quoted"\nname,*.pkl';
const jsonOf = (ran: Ran): ScanResult =>
  JSON.parse(readFileSync(ran.outputs['report-json'] ?? '', 'utf8'));
const ruleIds = (ran: Ran) =>
  jsonOf(ran).targets.flatMap((target) => target.findings.map(({ ruleName }) => ruleName));

describe.skipIf(!HAS_GIT_LFS)('a pull request (needs git-lfs)', () => {
  let world: World;
  let base: string;
  beforeAll(() => {
    world = new World();
    base = world.commit({
      'README.md': 'text\n',
      'package.json': '{}\n',
      'models/untouched.pkl': Buffer.concat([EVIL, Buffer.from('untouched')]),
      'models/old-name.pkl': Buffer.concat([GOOD, Buffer.from('renamed')]),
      'models/gone.pkl': Buffer.concat([GOOD, Buffer.from('gone')]),
      'models/net/config.json': '{"model_type":"none"}',
      'models/net/weights.pkl': Buffer.concat([GOOD, Buffer.from('net')]),
    });
    world.push();
  });
  afterAll(() => world.close());

  const run = (head: string, inputs: Record<string, string> = {}, fork = false) => {
    const clone = world.pullRequest(head);
    const ran = act(runnerFor(clone, { base, head, fork }), inputs);
    return ran.then((result) => ({ ...result, clone }));
  };

  it('scans what changed, fetches nothing else, and fails for it', async () => {
    const head = world.branch('evil', { 'models/new.pkl': EVIL, 'README.md': 'more\n' });
    const ran = await run(head);
    expect(ran.log).toContain('1 to look at');
    expect(ran.code).toBe(1);
    expect(fetched(ran.clone)).toEqual([sha256(EVIL)]);
    expect(jsonOf(ran).targets.map(({ path }) => path)).toEqual(['models/new.pkl']);
    expect(ran.outputs).toMatchObject({
      verdict: 'fail',
      'exit-code': '1',
      'highest-severity': 'error',
      'scanned-models': '1',
      upload: 'true',
      artifact: 'false',
    });
    expect(ran.summary).toContain('models&#47;new&#46;pkl');
    expect(ran.log).toMatch(/^::error file=models\/new\.pkl,line=2,/m);
    const sarif = JSON.parse(readFileSync(ran.outputs['sarif-file'] ?? '', 'utf8'));
    const [result] = sarif.runs[0].results;
    expect(result.locations[0].physicalLocation).toMatchObject({
      artifactLocation: { uri: 'models/new.pkl' },
      region: { startLine: 2 },
    });
    expect(result.partialFingerprints.primaryLocationLineHash).toMatch(/^\S+:1$/);
    expect(sarif.runs[0].automationDetails.id).toContain('narrowfire');
    // The checkout keeps its pointers; the upload gets an empty folder inside it.
    expect(readFileSync(join(ran.clone, 'models/new.pkl'), 'utf8')).toContain('oid sha256:');
    const checkout = ran.outputs['upload-checkout'] ?? '';
    expect(checkout.startsWith(`${ran.clone}/`)).toBe(true);
    expect(readdirSync(checkout)).toEqual([]);
  });

  it('says nothing of models when none changed', async () => {
    const ran = await run(world.branch('text', { 'README.md': 'only text\n' }));
    expect(ran.code).toBe(0);
    expect(ran.outputs).toMatchObject({ verdict: 'none', 'scanned-models': '0' });
    expect(fetched(ran.clone)).toEqual([]);
    expect(JSON.parse(readFileSync(ran.outputs['sarif-file'] ?? '', 'utf8')).runs).toHaveLength(1);
  });

  it('follows renames, leaves out the deleted, and takes any file name', async () => {
    const head = world.branch('names', {
      'models/old-name.pkl': null,
      'models/new-name.pkl': Buffer.concat([GOOD, Buffer.from('renamed')]),
      'models/gone.pkl': null,
      [WEIRD]: Buffer.concat([EVIL, Buffer.from('weird')]),
      'models/::error::%0A.pkl': Buffer.concat([EVIL, Buffer.from('command')]),
    });
    const ran = await run(head);
    expect(jsonOf(ran).targets.map(({ path, verdict }) => [path, verdict])).toEqual([
      ['models/::error::%0A.pkl', 'fail'],
      [WEIRD, 'fail'],
      ['models/new-name.pkl', 'pass'],
    ]);
    for (const line of ran.log.split('\n'))
      expect(line).toMatch(/^(narrowfire: |::(error|notice) file=|$)/);
  });

  it('takes a folder for a model when any part of it changes', async () => {
    const ran = await run(world.branch('part', { 'models/net/config.json': '{"model_type":"x"}' }));
    expect(jsonOf(ran).targets.map(({ path, kind }) => [path, kind])).toEqual([
      ['models/net', 'model-folder'],
    ]);
    expect(fetched(ran.clone)).toEqual([sha256(Buffer.concat([GOOD, Buffer.from('net')]))]);
  });

  it('knows a model again by its digest and does not fetch it', async () => {
    const head = world.branch('again', {
      'models/again.pkl': Buffer.concat([EVIL, Buffer.from('again')]),
    });
    const first = world.pullRequest(head);
    const runner = runnerFor(first, { base, head });
    const before = await act(runner);
    expect(before.outputs).toMatchObject({ 'cached-models': '0', 'new-verdicts': 'true' });

    const second = world.pullRequest(head);
    const after = await act(runnerFor(second, { base, head }, runner.temp));
    expect(after.outputs).toMatchObject({
      'cached-models': '1',
      'scanned-models': '0',
      'new-verdicts': 'false',
      verdict: 'fail',
    });
    expect(after.code).toBe(1);
    expect(fetched(second)).toEqual([]);
    expect(ruleIds(after)).toEqual(ruleIds(before));

    const otherSettings = await act(runnerFor(second, { base, head }, runner.temp), {
      INPUT_FAIL_ON: 'warning',
    });
    expect(otherSettings.outputs['cached-models']).toBe('0');

    const folder = join(runner.temp, 'narrowfire-verdicts');
    for (const name of readdirSync(folder))
      writeFileSync(join(folder, name), '{"schema":"damaged"}');
    const damaged = await act(runnerFor(second, { base, head }, runner.temp));
    expect(damaged.outputs).toMatchObject({ 'cached-models': '0', verdict: 'fail' });
  });

  it('fetches no more bytes than allowed, and says so', async () => {
    const head = world.branch('large', {
      'models/large.pkl': Buffer.concat([GOOD, Buffer.alloc(5000)]),
    });
    const ran = await run(head, { INPUT_MAX_DOWNLOAD_BYTES: '4000' });
    expect(fetched(ran.clone)).toEqual([]);
    expect(ran.code).toBe(4);
    expect(ran.outputs).toMatchObject({
      verdict: 'incomplete',
      'skipped-files': '1',
      'new-verdicts': 'false',
    });
    expect(jsonOf(ran).targets[0]?.errors[0]).toMatchObject({
      code: 'E_LIMIT',
      file: 'models/large.pkl',
    });
    const never = await run(head, { INPUT_LFS: 'never', INPUT_FAIL_ON_INCOMPLETE: 'false' });
    expect(never.outputs).toMatchObject({ verdict: 'incomplete', 'exit-code': '0' });
    expect(never.summary).toContain('lfs is set to never');
  });

  it('does not take other bytes for those that a pointer promises', async () => {
    const honest = Buffer.concat([GOOD, Buffer.alloc(100)]);
    const oid = sha256(honest);
    const head = world.branch('lie', { 'models/lie.pkl': honest });
    // The store is changed behind the pointer's back.
    const stored = join(world.remote, 'lfs/objects', oid.slice(0, 2), oid.slice(2, 4), oid);
    expect(existsSync(stored)).toBe(true);
    rmSync(stored);
    mkdirSync(join(stored, '..'), { recursive: true });
    writeFileSync(stored, Buffer.concat([EVIL, Buffer.alloc(honest.length - EVIL.length)]));
    const ran = await run(head);
    expect(ran.code).toBe(4);
    expect(jsonOf(ran).targets[0]?.errors[0]?.code).toBe('E_NETWORK'); // git-lfs refuses them
    expect(ran.outputs['new-verdicts']).toBe('false');
    rmSync(stored);
    const absent = await run(head);
    expect(absent.code).toBe(4);
    expect(jsonOf(absent).targets[0]?.errors[0]?.code).toBe('E_NETWORK');
  });

  it('uses what the checkout fetched already, once its digest is right', async () => {
    const bytes = Buffer.concat([EVIL, Buffer.from('smudged')]);
    const head = world.branch('smudged', { 'models/smudged.pkl': bytes });
    const clone = world.pullRequest(head);
    writeFileSync(join(clone, 'models/smudged.pkl'), bytes);
    const ran = await act(runnerFor(clone, { base, head }), { INPUT_LFS: 'never' });
    expect(ran.outputs['verdict']).toBe('fail');
    writeFileSync(join(clone, 'models/smudged.pkl'), Buffer.alloc(bytes.length));
    const other = await act(runnerFor(clone, { base, head }), {
      INPUT_LFS: 'never',
      INPUT_CACHE: 'false',
    });
    expect(other.outputs['verdict']).toBe('incomplete');
  });

  it('does not ask a store that the pull request names', async () => {
    const head = world.branch('store', {
      'models/store.pkl': Buffer.concat([GOOD, Buffer.from('store')]),
      '.lfsconfig': `[lfs]\n\turl = file://${world.remote}\n`,
    });
    const ran = await run(head);
    expect(ran.code).toBe(4);
    expect(fetched(ran.clone)).toEqual([]);
    expect(jsonOf(ran).targets[0]?.errors[0]?.message).toContain('.lfsconfig');
  });

  it('does not let a pull request excuse itself', async () => {
    const head = world.branch('excuse', {
      'models/excuse.pkl': Buffer.concat([EVIL, Buffer.from('excuse')]),
      'narrowfire.yaml': "ignore:\n  - path: '**'\n    reason: trust me\n",
    });
    const ran = await run(head);
    expect(ran.code).toBe(1);
    expect(ran.summary).toContain('is not applied until it is merged');
  });

  it('does not let a pull request bring its own thresholds', async () => {
    const head = world.branch('thresholds', {
      'models/thresholds.pkl': Buffer.concat([EVIL, Buffer.from('thresholds')]),
      'calibration.json': '{"schema":"narrowfire/calibration/v1"}',
    });
    const ran = await run(head, { INPUT_CALIBRATION: 'calibration.json' });
    expect(ran.code).toBe(1);
    expect(ran.summary).toContain('calibration&#46;json is changed by this pull request');
    expect(jsonOf(ran).calibration?.name).toBe('shipped');
  });

  it('ends with 2 for settings that cannot be read, and scans nothing', async () => {
    const head = world.branch('settings', {
      'models/settings.pkl': Buffer.concat([EVIL, Buffer.from('settings')]),
    });
    const absent = await run(head, { INPUT_CALIBRATION: 'none.json' });
    expect(absent.code).toBe(2);
    expect(absent.log).toContain('E_CONFIG');
    const threads = await run(head, { INPUT_THREADS: 'many' });
    expect(threads.code).toBe(2);
    expect(threads.log).toContain('input threads: must be a number of threads');
  });

  it('gives a fork a summary and an artifact, no upload', async () => {
    const head = world.branch('fork', {
      'models/fork.pkl': Buffer.concat([EVIL, Buffer.from('fork')]),
    });
    const ran = await run(head, {}, true);
    expect(ran.outputs).toMatchObject({ upload: 'false', artifact: 'true', 'upload-checkout': '' });
    expect(readdirSync(ran.outputs['reports'] ?? '').toSorted()).toEqual([
      'narrowfire.html',
      'narrowfire.json',
      'narrowfire.sarif',
    ]);
    expect(ran.summary).toContain('read-only token');
  });

  it('finds weights under any name', async () => {
    const head = world.branch('hidden', {
      'assets/notes.weights': Buffer.concat([EVIL, Buffer.from('hidden')]),
      'assets/data.dat': EVIL,
    });
    const ran = await run(head);
    expect(jsonOf(ran).targets.map(({ path, verdict }) => [path, verdict])).toEqual([
      ['assets/data.dat', 'fail'],
      ['assets/notes.weights', 'fail'],
    ]);
  });

  it('stages links as links, and follows none out of the model', async () => {
    const head = world.branch('link', { 'models/net/vocab.json': { linkTo: '/etc/passwd' } });
    const ran = await run(head);
    expect(ran.code).not.toBe(0);
    expect(JSON.stringify(jsonOf(ran))).toContain('vocab.json');
    expect(JSON.stringify(jsonOf(ran))).not.toContain('root:');
  });

  it('needs only two commits of history, and says when it has one', async () => {
    const head = world.branch('shallow', { 'models/shallow.pkl': EVIL });
    const merged = world.pullRequest(head);
    git(merged, 'push', '--quiet', 'origin', 'HEAD:refs/heads/merged');
    const clone = world.clone();
    const shallow = `${clone}-shallow/repository`;
    git(
      world.folder,
      'clone',
      '--quiet',
      '--depth=2',
      '-b',
      'merged',
      `file://${world.remote}`,
      shallow,
    );
    const ran = await act(runnerFor(shallow, { base, head }));
    expect(ran.outputs['scanned-models']).toBe('1');
    const single = `${clone}-single/repository`;
    git(
      world.folder,
      'clone',
      '--quiet',
      '--depth=1',
      '-b',
      'merged',
      `file://${world.remote}`,
      single,
    );
    const refused = await act(runnerFor(single, { base, head }));
    expect(refused.code).toBe(2);
    expect(refused.log).toContain('fetch-depth');
  });

  it('looks at every model on other events, or those under paths', async () => {
    const clone = world.clone();
    const all = await act(runnerFor(clone));
    expect(jsonOf(all).targets.map(({ path }) => path)).toEqual([
      'models/gone.pkl',
      'models/net',
      'models/old-name.pkl',
      'models/untouched.pkl',
    ]);
    const some = await act(runnerFor(clone), { INPUT_PATHS: './models/net/\n' });
    expect(jsonOf(some).targets.map(({ path }) => path)).toEqual(['models/net']);
  });
});
