import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runFileStage } from '../../../src/scan/file-stage.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'narrowfire-stage-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('runFileStage', () => {
  it('never opens a pipe and never follows a link that leaves', async () => {
    mkdirSync(join(root, 'm'));
    execFileSync('mkfifo', [join(root, 'm', 'model.bin')]);
    writeFileSync(join(root, 'secret'), 'x');
    symlinkSync(join(root, 'secret'), join(root, 'm', 'link.bin'));
    const target = { given: 'm', root: join(root, 'm'), name: 'm', kind: 'folder' } as const;
    const { notCovered } = await runFileStage(target, { lists: {} });
    const why = Object.fromEntries(notCovered.map((item) => [item.what, item.why]));
    expect(why['m/model.bin']).toMatch(/^E_NOT_REGULAR/);
    expect(why['m/link.bin']).toMatch(/^E_OUTSIDE/);
  });

  it('says when a folder holds no files', async () => {
    const target = { given: './m', root, name: 'm', kind: 'folder' } as const;
    const { errors } = await runFileStage(target, { lists: {} });
    expect(errors).toEqual([
      { code: 'E_NOTHING_TO_SCAN', message: 'the folder holds no files', file: './m' },
    ]);
  });

  it('reports a pickle that calls itself a safetensors file', async () => {
    writeFileSync(join(root, 'model.safetensors'), Buffer.from('\x80\x04N.', 'latin1'));
    const target = { given: root, root, name: 'repo', kind: 'folder' } as const;
    const { evidence } = await runFileStage(target);
    expect(evidence).toContainEqual({
      kind: 'format-mismatch',
      path: 'repo/model.safetensors',
      extension: 'safetensors',
      expected: ['safetensors'],
      actual: 'pickle',
    });
  });

  it('gives the same evidence on threads, in the same order', async () => {
    for (let i = 0; i < 600; i++) {
      const name = i % 3 === 0 ? `model-${i}.safetensors` : `model-${i}.bin`;
      writeFileSync(join(root, name), Buffer.from('\x80\x04cos\nsystem\n.', 'latin1'));
    }
    const target = { given: root, root, name: 'repo', kind: 'folder' } as const;
    const alone = await runFileStage(target, { workers: 1 });
    const progress: number[] = [];
    const pooled = await runFileStage(target, {
      workers: 2,
      onProgress: ({ done }) => progress.push(done),
    });
    expect(pooled).toEqual(alone);
    expect(pooled.evidence).toHaveLength(800);
    expect(progress.at(-1)).toBe(600);
  });
});
