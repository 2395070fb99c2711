import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from './run.ts';

const MODEL = resolve('test/fixtures/models/stories260K');
const scratch = mkdtempSync(join(tmpdir(), 'narrowfire-cli-interpret-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const sae = join(scratch, 'sae');
const path = (name: string) => join(scratch, name);
const openings = ['Once upon a time, there was a', 'One day, a', 'In the park, a', 'There was a'];
writeFileSync(path('girls.txt'), openings.map((text) => `${text} girl named\n`).join(''));
writeFileSync(path('boys.txt'), openings.map((text) => `${text} boy named\n`).join(''));
writeFileSync(
  path('text.txt'),
  `${'There was a girl and a boy. The girl was named Lily. She saw a dog in the park. '.repeat(40)}\n`,
);
const common = ['--workers', '1', '--sae', sae];

beforeAll(async () => {
  const trained = await run([
    ...['sae', 'train', MODEL, '--site', 'resid_post.1', '--features', '64', '--k', '8'],
    ...['--steps', '80', '--batch', '256', '--window', '32', '--tokens', '2048', '--workers', '1'],
    ...['--corpus', path('text.txt'), '--out', sae],
  ]);
  expect(trained.code).toBe(0);
});

describe('narrowfire circuit', () => {
  it('prints a table of components, or JSON', async () => {
    const prompts = ['--clean', 'One day, a girl named', '--corrupt', 'One day, a boy named'];
    const shown = await run(['circuit', MODEL, ...prompts, '--limit', '5', '--workers', '1']);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/mlp \d+ +\d\.\d\d \[/);
    expect(shown.stdout).toMatch(/members together: .* is lost without them/);
    const json = await run(['circuit', MODEL, ...prompts, '--json', '--workers', '1']);
    expect(JSON.parse(json.stdout).effects).toHaveLength(45);
    const bare = await run(['circuit', MODEL, '--workers', '1']);
    expect(bare).toMatchObject({ code: 2, stdout: '' });
    expect((await run(['circuit', MODEL, ...prompts, '--threshold', '2'])).code).toBe(2);
  });
});

describe('narrowfire attribute', () => {
  it('names the features that carry a response', async () => {
    const shown = await run([
      ...['attribute', MODEL, '--prompt', 'One day, a girl named', '--response', ' Lily'],
      ...common,
    ]);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/^" Lily" {2}-\d+\.\d+ nats a token/);
    expect(shown.stdout).toMatch(/resid_post\.1#\d+ +-?\d\.\d{4}/);
  });
});

describe('narrowfire monitor', () => {
  it('logs every prompt and ends with 1 on an alarm', async () => {
    const sets = ['--suspicious', path('girls.txt'), '--ordinary', path('boys.txt')];
    const alarmed = await run([
      ...['monitor', MODEL, '--prompts', path('girls.txt'), ...sets, '--features', '2', ...common],
    ]);
    expect(alarmed.code).toBe(1);
    const records = alarmed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records.map(({ prompt }) => prompt)).toEqual([0, 1, 2, 3]);
    expect(alarmed.stderr).toMatch(/of 4 prompts raise an alarm/);
    const quiet = await run([
      ...['monitor', MODEL, '--prompts', path('boys.txt'), ...sets, ...common],
    ]);
    expect(quiet.code).toBe(0);
    const fixed = await run([
      ...['monitor', MODEL, '--prompts', path('boys.txt'), '--watch', 'resid_post.1#3>999'],
      ...common,
    ]);
    expect(fixed.code).toBe(0);
    const without = await run([
      ...['monitor', MODEL, '--prompts', path('boys.txt'), '--watch', 'resid_post.1#3', ...common],
    ]);
    expect(without.stderr).toMatch(/^E_USAGE: resid_post\.1#3 has no threshold/);
    const nothing = await run(['monitor', MODEL, '--prompts', path('boys.txt'), ...common]);
    expect(nothing.code).toBe(2);
  });
});

describe('narrowfire redteam', () => {
  it('compares detectors and tests suppression', async () => {
    const sets = ['--attacks', path('girls.txt'), '--ordinary', path('boys.txt')];
    const shown = await run([
      ...['redteam', MODEL, ...sets, '--behaviour', 'Lily', '--steps', '6', ...common],
    ]);
    expect(shown.stderr).toBe('');
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/circuit level +\d\.\d{3}/);
    expect(shown.stdout).toMatch(/attacks, without the carrying features +\d\/2/);
    const pattern = await run(['redteam', MODEL, ...sets, '--behaviour', '(', ...common]);
    expect(pattern.stderr).toMatch(/^E_USAGE: --behaviour is no regular expression/);
  });
});
