import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { walkFolder } from '../../../src/artifact/repository.ts';

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'narrowfire-walk-')));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const HASH = 'a'.repeat(64);
const GIT_HASH = 'b'.repeat(40);

/** `models--o--n` with one blob for weights and one for the configuration. */
function cache(): string {
  const model = join(root, 'hub', 'models--o--n');
  const snapshot = join(model, 'snapshots', 'rev');
  mkdirSync(join(model, 'blobs'), { recursive: true });
  mkdirSync(snapshot, { recursive: true });
  writeFileSync(join(model, 'blobs', HASH), 'weights');
  writeFileSync(join(model, 'blobs', GIT_HASH), '{}');
  symlinkSync(`../../blobs/${HASH}`, join(snapshot, 'model.safetensors'));
  symlinkSync(`../../blobs/${GIT_HASH}`, join(snapshot, 'config.json'));
  return model;
}

describe('walkFolder', () => {
  it('reads a cache snapshot through its own blobs without alarm', () => {
    const walk = walkFolder(join(cache(), 'snapshots', 'rev'));
    expect(walk.files.map(({ relative, byteLength }) => [relative, byteLength])).toEqual([
      ['config.json', 2],
      ['model.safetensors', 7],
    ]);
    expect(walk.leavingLinks).toEqual([]);
    expect(walk.notCovered).toEqual([]);
  });

  it('names blobs as the snapshot does when the whole cached model is walked', () => {
    const walk = walkFolder(cache());
    expect(walk.files.map(({ relative }) => relative)).toEqual([
      'snapshots/rev/config.json',
      'snapshots/rev/model.safetensors',
    ]);
  });

  it('refuses a snapshot link into the blobs of another model', () => {
    const model = cache();
    const other = join(root, 'hub', 'models--o--other', 'blobs');
    mkdirSync(other, { recursive: true });
    writeFileSync(join(other, HASH), 'x');
    symlinkSync(join(other, HASH), join(model, 'snapshots', 'rev', 'extra.bin'));
    const walk = walkFolder(join(model, 'snapshots', 'rev'));
    expect(walk.leavingLinks.map(({ relative }) => relative)).toEqual(['extra.bin']);
    expect(walk.files.some(({ relative }) => relative === 'extra.bin')).toBe(false);
  });

  it('does not take a folder called blobs for a cache', () => {
    mkdirSync(join(root, 'm'));
    mkdirSync(join(root, 'blobs'));
    writeFileSync(join(root, 'blobs', HASH), 'x');
    symlinkSync(`../blobs/${HASH}`, join(root, 'm', 'model.bin'));
    expect(walkFolder(join(root, 'm')).leavingLinks).toHaveLength(1);
  });

  it('inspects weights once when a link inside gives them a second name', () => {
    writeFileSync(join(root, 'a.safetensors'), 'w');
    symlinkSync('a.safetensors', join(root, 'b.safetensors'));
    symlinkSync('a.safetensors', join(root, 'tokenizer_config.json'));
    const files = walkFolder(root).files.map(({ relative, aliasOf }) => [relative, aliasOf]);
    expect(files).toEqual([
      ['a.safetensors', undefined],
      ['b.safetensors', 'a.safetensors'],
      ['tokenizer_config.json', undefined],
    ]);
  });

  it('notes hard links, loops, broken links and pipes, and ends', () => {
    writeFileSync(join(root, 'a'), 'x');
    linkSync(join(root, 'a'), join(root, 'b'));
    symlinkSync('.', join(root, 'loop'));
    symlinkSync('self', join(root, 'self'));
    symlinkSync('nowhere', join(root, 'broken'));
    execFileSync('mkfifo', [join(root, 'pipe')]);
    const walk = walkFolder(root);
    expect(walk.files.map(({ hardLinked }) => hardLinked)).toEqual([true, true]);
    const why = Object.fromEntries(
      walk.notCovered.map((item) => [item.what, item.why.split(':')[0]]),
    );
    expect(why).toEqual({ broken: 'E_NOT_FOUND', pipe: 'E_NOT_REGULAR', self: 'E_IO' });
  });

  it('stops at its limits and says so once', () => {
    mkdirSync(join(root, 'x', 'y', 'z'), { recursive: true });
    for (const name of ['a', 'b', 'c']) writeFileSync(join(root, 'x', name), '');
    const shallow = walkFolder(root, { maxFiles: 100, maxDepth: 2 });
    expect(shallow.notCovered).toEqual([{ what: 'x/y/z', why: 'E_LIMIT: folders deeper than 2' }]);
    const few = walkFolder(root, { maxFiles: 2, maxDepth: 9 });
    expect(few.files).toHaveLength(2);
    expect(few.notCovered).toHaveLength(1);
  });
});
