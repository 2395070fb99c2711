import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from './run.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-cli-list-'));
  for (const name of ['plain', 'bad']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'plain', 'notes.txt'), 'hello\n');
  writeFileSync(join(folder, 'bad', 'chat_template.jinja'), '{{ lipsum.__globals__ }}');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const list = (...names: string[]): string => {
  const path = join(folder, 'models.txt');
  writeFileSync(path, names.map((name) => join(folder, name)).join('\n'));
  return path;
};
const scan = (...args: string[]) => run(['scan', '--workers', '1', ...args], { cwd: folder });

describe('scan --list', () => {
  it('writes a line for each target, says where, and fails for a finding', async () => {
    const path = list('plain', 'bad');
    const ran = await scan('--list', path);
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain('2 targets, 1 fail, 0 incomplete');
    const lines = readFileSync(`${path}.results.jsonl`, 'utf8').trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { verdict: string }).verdict)).toEqual([
      'pass',
      'fail',
    ]);
    const again = await scan('--list', path);
    expect(again.stdout).toContain('2 from an earlier run');
  });

  it('ends with 0 when nothing was found and 4 when something was not covered', async () => {
    expect((await scan('--list', list('plain'), '--results', join(folder, 'a'))).code).toBe(0);
    expect((await scan('--list', list('plain', 'none'), '--results', join(folder, 'b'))).code).toBe(
      4,
    );
  });

  it('refuses paths beside a list, other profiles, a missing list, and nothing at all', async () => {
    expect((await scan('--list', list('plain'), 'plain')).code).toBe(2);
    expect((await scan('--list', list('plain'), '--profile', 'deep')).code).toBe(2);
    expect((await scan('--list', join(folder, 'none'))).code).toBe(3);
    expect((await scan()).code).toBe(2);
  });

  it('does not touch the network for a remote line without leave', async () => {
    const path = join(folder, 'remote.txt');
    writeFileSync(path, 'hf://owner/name\n');
    expect((await scan('--list', path)).code).toBe(4);
    expect(readFileSync(`${path}.results.jsonl`, 'utf8')).toContain('--allow-network');
  });
});
