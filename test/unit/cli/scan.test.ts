import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ScanResult } from '../../../src/finding/finding.ts';
import { run } from './run.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-cli-'));
  mkdirSync(join(folder, 'plain'));
  writeFileSync(join(folder, 'plain', 'notes.txt'), 'hello\n');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const scan = (...args: string[]) => run(['scan', '--profile', 'files', ...args], { cwd: folder });

describe('scan', () => {
  it('prints JSON as data on stdout and nothing else', async () => {
    const ran = await scan(join(folder, 'plain'), '--format', 'json');
    expect(JSON.parse(ran.stdout)).toMatchObject({ schema: 'narrowfire/result/v1', exitCode: 0 });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
  });

  it('ends with 3 for a path that is not there, in every format, and still writes the report', async () => {
    const report = join(folder, 'out/result.json');
    const ran = await scan('/no/such/model', '--output', `json=${report}`);
    expect(ran.code).toBe(3);
    expect(ran.stdout).toContain('E_NOT_FOUND /no/such/model');
    expect(JSON.parse(readFileSync(report, 'utf8'))).toMatchObject({ exitCode: 3 });
  });

  it('lists files with their digests, and accepts findings by digest', async () => {
    const model = join(folder, 'model');
    mkdirSync(model);
    const evil = Buffer.from('\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R.', 'latin1');
    writeFileSync(join(model, 'weights.pkl'), evil);
    const sha256 = createHash('sha256').update(evil).digest('hex');
    const plain = JSON.parse((await scan(model, '--format', 'json')).stdout) as ScanResult;
    expect(plain.exitCode).toBe(1);
    expect(plain.targets[0]?.files).toEqual([
      { path: 'model/weights.pkl', byteLength: evil.length, sha256 },
    ]);
    writeFileSync(
      join(folder, 'own.yaml'),
      `ignore:\n  - digest: ${sha256}\n    reason: read by hand\n`,
    );
    const accepted = await scan(model, '--format', 'json', '--config', join(folder, 'own.yaml'));
    const findings = (JSON.parse(accepted.stdout) as ScanResult).targets[0]?.findings ?? [];
    expect(accepted.code).toBe(0);
    expect(findings.length).toBeGreaterThan(0);
    for (const finding of findings) expect(finding.suppression?.reason).toBe('read by hand');
  });

  it('gives a single file its digest, and leaves large ones unread in profile files', async () => {
    const file = join(folder, 'large.bin');
    writeFileSync(file, '');
    truncateSync(file, 20_000_000);
    const small = join(folder, 'plain/notes.txt');
    const { targets } = JSON.parse(
      (await scan(file, small, '--format', 'json')).stdout,
    ) as ScanResult;
    expect(targets[0]).toMatchObject({ files: [{ path: 'large.bin', byteLength: 20_000_000 }] });
    expect(targets[0]?.files?.[0]?.sha256).toBeUndefined();
    expect(targets[1]?.sha256).toBe(createHash('sha256').update('hello\n').digest('hex'));
  });

  it('reports the other targets beside a missing one, and is incomplete', async () => {
    const ran = await scan('/no/such/model', join(folder, 'plain'), '--format', 'json');
    expect(ran.code).toBe(4);
    expect(JSON.parse(ran.stdout).targets).toHaveLength(2);
    expect(ran.stderr).toContain('E_NOT_FOUND');
  });

  it('writes the other reports when one cannot be written, and does not end with 0', async () => {
    const good = join(folder, 'good.json');
    const ran = await scan(join(folder, 'plain'), '-o', 'json=/dev/full', '-o', `json=${good}`);
    expect(ran.code).toBe(4);
    expect(ran.stderr).toMatch(/^E_OUTPUT \/dev\/full: ENOSPC/);
    expect(existsSync(good)).toBe(true);
  });

  it('leaves no partial file behind', async () => {
    writeFileSync(join(folder, 'file'), '');
    const ran = await scan(join(folder, 'plain'), '-o', `json=${join(folder, 'file/x.json')}`);
    expect(ran.stderr).toContain('E_OUTPUT');
    expect(readdirSync(folder).toSorted()).toEqual(['file', 'plain']);
  });

  it.each([
    [['--output', 'json'], 'FORMAT=FILE'],
    [['--output', 'pdf=x'], 'no report format pdf'],
    [['--format', 'pdf'], 'no report format pdf'],
    [['--budget', 'soon'], 'no duration'],
    [['--workers', '0'], 'at least 1'],
    [['--profile', 'all'], 'Allowed choices'],
    [['--unknown'], 'unknown option'],
    [['--config', '/no/such.yaml'], 'E_CONFIG'],
    [['--baseline', '/no/such.json'], 'E_CONFIG'],
    [['--calibration', '/no/such.json'], 'E_CONFIG /no/such.json: calibration: no such file'],
    [['--rules', '/no/such'], 'E_RULE /no/such'],
  ])('ends with 2 for %j', async (args, message) => {
    const ran = await scan(join(folder, 'plain'), ...args);
    expect(ran.stderr).toContain(message);
    expect(ran.code).toBe(2);
    expect(ran.stdout).toBe('');
  });

  it('says what gives the same result again', async () => {
    const ran = await scan(join(folder, 'plain'), '--format', 'json', '--seed', '7');
    expect(JSON.parse(ran.stdout).commandLine).toEqual([
      'scan',
      join(folder, 'plain'),
      '--profile',
      'files',
      '--seed',
      '7',
    ]);
  });
});

describe('configuration', () => {
  it('is found upward and names file and line of a mistake', async () => {
    writeFileSync(join(folder, 'narrowfire.yaml'), 'profile: files\nfailOn: always\n');
    mkdirSync(join(folder, 'deep/er'), { recursive: true });
    const ran = await run(['scan', join(folder, 'plain')], { cwd: join(folder, 'deep/er') });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/^E_CONFIG \.\.\/\.\.\/narrowfire\.yaml:2: failOn/);
  });

  it('is not taken from inside a target', async () => {
    writeFileSync(join(folder, 'plain/narrowfire.yaml'), 'failOn: none\n');
    const inside = await run(['scan', join(folder, 'plain'), '--profile', 'files'], {
      cwd: join(folder, 'plain'),
    });
    expect(inside.stderr).toContain('lies inside a scanned target');
  });

  it('gives outputs, rule changes and folders relative to itself', async () => {
    writeFileSync(
      join(folder, 'narrowfire.yaml'),
      `output: { json: ${folder}/from-config.json }\nrules: { NF9: { enabled: false } }\n`,
    );
    const wrong = await run(['scan', join(folder, 'plain')], { cwd: folder });
    expect(wrong.stderr).toContain('rules.NF9: there is no such rule');
    writeFileSync(
      join(folder, 'narrowfire.yaml'),
      `profile: files\noutput: { json: ${folder}/from-config.json }\n`,
    );
    const right = await run(['scan', join(folder, 'plain')], { cwd: folder });
    expect(right.code).toBe(0);
    expect(existsSync(join(folder, 'from-config.json'))).toBe(true);
  });

  it('warns about expired ignore entries', async () => {
    writeFileSync(
      join(folder, 'narrowfire.yaml'),
      'ignore:\n  - { rule: NF1000, reason: known, until: 2026-01-01 }\n',
    );
    const ran = await scan(join(folder, 'plain'));
    expect(ran.stderr).toContain('narrowfire.yaml:2: this ignore entry expired on 2026-01-01');
  });
});
