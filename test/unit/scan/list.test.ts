import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ScanError } from '../../../src/errors.ts';
import { type ListRun, readTargets, scanList } from '../../../src/scan/list.ts';
import { failedEntry, type ListEntry } from '../../../src/scan/list-entry.ts';
import { scanListInPool } from '../../../src/scan/list-pool.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'narrowfire-list-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const entry = (target: string, index: number): ListEntry => ({
  ...failedEntry(index, target, { code: 'E_IO', message: 'x' }),
  verdict: index % 3 === 0 ? 'fail' : 'pass',
  errors: [],
});

function run(scan: ListRun['scan'], extra: Partial<ListRun> = {}): ListRun {
  return {
    list: join(root, 'list.txt'),
    output: join(root, 'out.jsonl'),
    journal: join(root, 'journal.json'),
    parallel: 4,
    scan,
    ...extra,
  };
}

function writeList(count: number): void {
  const lines = Array.from({ length: count }, (_, i) => `model-${i}`);
  writeFileSync(join(root, 'list.txt'), `# models\n\n${lines.join('\r\n')}`);
}

function results(): ListEntry[] {
  const text = readFileSync(join(root, 'out.jsonl'), 'utf8');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as ListEntry);
}

const shuffled = (index: number) => new Promise((resolve) => setTimeout(resolve, (index * 7) % 5));

describe('scanList', () => {
  it('writes one line a target, in the order of the list', async () => {
    writeList(300);
    const summary = await scanList(
      run(async (target, index) => {
        await shuffled(index);
        return entry(target, index);
      }),
    );
    expect(results().map(({ target }) => target)).toEqual(
      Array.from({ length: 300 }, (_, i) => `model-${i}`),
    );
    expect(summary).toMatchObject({
      done: 300,
      resumed: 0,
      interrupted: false,
      verdicts: { fail: 100, pass: 200 },
    });
  });

  it('goes on after an interrupt with nothing missing and nothing twice', async () => {
    writeList(500);
    const cancel = { cancelled: false };
    let scans = 0;
    const first = await scanList(
      run(
        async (target, index) => {
          scans += 1;
          if (scans === 150) cancel.cancelled = true;
          await shuffled(index);
          return entry(target, index);
        },
        { cancel },
      ),
    );
    expect(first.interrupted).toBe(true);
    expect(first.done).toBeLessThan(200);
    // A crash leaves more output than the journal knows of.
    writeFileSync(join(root, 'out.jsonl'), 'half a li', { flag: 'a' });
    const second = await scanList(run(async (target, index) => entry(target, index)));
    expect(second.resumed).toBe(first.done);
    expect(results().map(({ index }) => index)).toEqual(Array.from({ length: 500 }, (_, i) => i));
    expect(second.verdicts).toEqual({ fail: 167, pass: 333, incomplete: 0 });
  });

  it('never holds more results than its window when one target is slow', async () => {
    writeList(400);
    let release = (): void => {};
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    let highest = 0;
    const work = scanList(
      run(async (target, index) => {
        highest = Math.max(highest, index);
        if (index === 0) await slow;
        return entry(target, index);
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(highest).toBeLessThanOrEqual(4 * 8);
    release();
    expect((await work).done).toBe(400);
  });

  it('makes a throw an incomplete line, never a pass', async () => {
    writeList(3);
    await scanList(
      run(async (target, index) => {
        if (index === 1) throw new ScanError('E_NETWORK', 'away');
        return entry(target, index);
      }),
    );
    expect(results()[1]).toMatchObject({ verdict: 'incomplete', errors: [{ code: 'E_NETWORK' }] });
  });

  it('refuses a journal of another list and a line that is no target', async () => {
    writeList(5);
    await scanList(run(async (target, index) => entry(target, index)));
    writeList(6);
    const again = scanList(run(async (target, index) => entry(target, index)));
    await expect(again).rejects.toThrow('another list');
    writeFileSync(join(root, 'long'), 'x'.repeat(100_000));
    await expect(readTargets(join(root, 'long')).next()).rejects.toThrow('line 1');
  });

  it('scans folders in worker threads', async () => {
    for (const name of ['good', 'bad']) mkdirSync(join(root, name));
    writeFileSync(join(root, 'good', 'config.json'), '{"model_type": "llama"}');
    writeFileSync(join(root, 'bad', 'chat_template.jinja'), '{{ lipsum.__globals__ }}');
    const lines = ['good', 'bad', 'none'].map((name) => join(root, name));
    writeFileSync(join(root, 'list.txt'), lines.join('\n'));
    const { scan: _scan, parallel: _parallel, ...files } = run(async () => entry('', 0));
    const settings = { failOn: 'error', today: '2026-01-01', ruleFolders: [] } as const;
    await scanListInPool({ ...files, settings, workers: 2 });
    expect(results().map(({ verdict }) => verdict)).toEqual(['pass', 'fail', 'incomplete']);
    expect(results()[2]?.errors).toMatchObject([{ code: 'E_NOT_FOUND' }]);
  });
});
