/** The command as a user starts it: a process with real streams, built code, and a full disk. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const bin = resolve('bin/narrowfire.js');
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-process-'));
  mkdirSync(join(folder, 'fine'));
  writeFileSync(join(folder, 'fine/notes.txt'), 'hello\n');
  mkdirSync(join(folder, 'broken'));
  // A safetensors header that says more than the file holds.
  const bytes = Buffer.alloc(20);
  bytes.writeBigUInt64LE(900n);
  bytes.write('{"a":1}', 8);
  writeFileSync(join(folder, 'broken/model.safetensors'), bytes);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function narrowfire(args: readonly string[], shellSuffix = '') {
  const command = `"${process.execPath}" "${bin}" ${args.map((arg) => `'${arg}'`).join(' ')} ${shellSuffix}`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `set -o pipefail; ${command}`], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, FORCE_COLOR: '', NO_COLOR: '', CI: '1' },
  });
  return { code: status, stdout, stderr };
}

describe('the command', () => {
  it('ends with 0 and plain text for a folder without findings', () => {
    const ran = narrowfire(['scan', 'fine', '--profile', 'files']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('PASS');
    expect(ran.stdout).not.toContain('\u001b');
    expect(ran.stderr).toBe('');
  });

  it('ends with the same code in every format', () => {
    const codes = ['pretty', 'json', 'sarif', 'html', 'markdown', 'junit', 'github'].map(
      (format) => narrowfire(['scan', 'broken', '--profile', 'files', '--format', format]).code,
    );
    expect(new Set(codes).size).toBe(1);
    expect(codes[0]).not.toBe(0);
  });

  it('gives equal bytes when run twice', () => {
    for (const format of ['json', 'sarif', 'html']) {
      const args = ['scan', 'broken', 'fine', '--profile', 'files', '--format', format];
      expect(narrowfire(args).stdout).toBe(narrowfire(args).stdout);
    }
  });

  it('says so when stdout is full, and does not end with 0', () => {
    const ran = narrowfire(['scan', 'fine', '--profile', 'files'], '> /dev/full');
    expect(ran.code).toBe(4);
    expect(ran.stderr).toMatch(/^E_OUTPUT stdout: .*ENOSPC/);
  });

  it('bears a reader that goes away', () => {
    const ran = narrowfire(['rules', 'list'], '| head -1');
    expect(ran.code).toBe(0);
    expect(ran.stdout.split('\n')).toHaveLength(2);
    expect(ran.stderr).toBe('');
  });

  it('leaves no partial report in a folder it may not fill', () => {
    mkdirSync(join(folder, 'out'));
    writeFileSync(join(folder, 'out/blocked'), '');
    const ran = narrowfire([
      'scan',
      'fine',
      '--profile',
      'files',
      '-o',
      'sarif=out/blocked/x.sarif',
      '-o',
      'html=out/report.html',
    ]);
    expect(ran.code).toBe(4);
    expect(ran.stderr).toContain('E_OUTPUT out/blocked/x.sarif');
    expect(readdirSync(join(folder, 'out')).toSorted()).toEqual(['blocked', 'report.html']);
  });

  it('replaces an older report in one step', () => {
    writeFileSync(join(folder, 'old.json'), 'x'.repeat(1_000_000));
    narrowfire(['scan', 'fine', '--profile', 'files', '-q', '-o', 'json=old.json']);
    expect(JSON.parse(readFileSync(join(folder, 'old.json'), 'utf8'))).toMatchObject({
      exitCode: 0,
    });
    expect(existsSync(join(folder, 'old.json.partial'))).toBe(false);
  });

  it.each([
    [[], 2],
    [['scan'], 2],
    [['frobnicate'], 2],
    [['scan', 'no-such-folder'], 3],
    [['--version'], 0],
    [['help', 'scan'], 0],
  ])('ends %j with %i', (args, code) => {
    expect(narrowfire(args).code).toBe(code);
  });
});
