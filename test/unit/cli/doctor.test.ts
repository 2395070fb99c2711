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
