import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FloatCache } from '../../../src/model/weights/float-cache.ts';
import { run as runCli } from './run.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-doctor-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const run = (...argv: string[]) =>
  runCli(argv, {
    cwd: folder,
    env: { NARROWFIRE_CACHE: folder, NARROWFIRE_CACHE_BYTES: '1000000' },
  });

it('doctor names engine, every device, cache and rules', async () => {
  const { code, stdout } = await run('doctor', '--json');
  const { checks } = JSON.parse(stdout) as { checks: { name: string; ok: boolean }[] };
  expect(code).toBe(0);
  expect(checks.map(({ name }) => name)).toEqual([
    ...['version', 'node', 'cores', 'memory', 'temporary', 'engine'],
    ...['cpu', 'cuda', 'webgpu', 'dml', 'coreml', 'cache', 'rules'],
  ]);
  expect((await run('doctor')).stdout).toMatch(/ok {4}cpu +works/);
});

it('doctor states what a model needs, whole and within a bound', async () => {
  const model = join(process.cwd(), 'test/fixtures/models/stories260K');
  const details = async (...flags: string[]) => {
    const { stdout } = await run('doctor', model, '--json', ...flags);
    const { checks } = JSON.parse(stdout) as {
      checks: { name: string; ok: boolean; detail: string }[];
    };
    return new Map(checks.map((check) => [check.name, check]));
  };
  const whole = await details('--workers', '2');
  expect(whole.get('model')?.detail).toBe('llama, 5 layers, 2 MB of float32 weights');
  expect(whole.get('generate')?.detail).toMatch(/^memory: at most \d+ MB, workers: 2, 256 texts/);
  expect(whole.get('read')?.detail).toMatch(/at most \d+ MB, in 1 group of layers, workers: 2/);
  const least = Number(/(\d+) MB/.exec(whole.get('least')?.detail ?? '')?.[1]);
  const tight = await details('--memory', `${least}MB`);
  expect(tight.get('read')?.detail).toMatch(/at most \d+ MB, in \d groups? of layers, workers: 1/);
  const under = await details('--memory', `${least - 2}MB`);
  expect(under.get('read')).toMatchObject({
    ok: false,
    detail: expect.stringContaining('E_LIMIT'),
  });
  expect(under.get('generate')?.detail).toMatch(/E_LIMIT.*Give --memory \d+MB or more/);
  const absent = await run('doctor', 'nowhere');
  expect(absent.stdout).toMatch(/no {4}model +E_NOT_FOUND/);
});

it('cache shows what it holds, and clears it', async () => {
  const cache = new FloatCache(folder);
  cache.create('a'.repeat(64), 2000, (append) => append(new Uint8Array(2000)));
  expect(JSON.parse((await run('cache', 'stats', '--json')).stdout)).toEqual({
    folder,
    maxBytes: 1_000_000,
    entries: 1,
    byteLength: 2000,
  });
  expect((await run('cache', 'prune')).stdout).toBe('removed 0 entries, 0.0 MB\n');
  expect((await run('cache', 'clear')).stdout).toBe('removed 1 entry, 0.0 MB\n');
  expect((await run('cache', 'stats')).stdout).toContain('entries  0');
});
