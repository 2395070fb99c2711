import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { linkLeaves, nameProblems } from '../../../src/artifact/archive/member.ts';
import { readSevenZip } from '../../../src/artifact/archive/seven-zip.ts';
import { readZip } from '../../../src/artifact/archive/zip.ts';
import { MemorySource } from '../../../src/artifact/byte-source.ts';

function open(path: string): MemorySource {
  return new MemorySource(readFileSync(path), path);
}

describe('7z', () => {
  it('undoes LZMA2 and the x86 filter as py7zr wrote them', () => {
    const { members } = readSevenZip(open('test/fixtures/compression/x86-filter.7z'), {
      spend: () => undefined,
    });
    expect(members.map(({ name }) => name)).toEqual(['readme.txt', 'code.bin', 'model.pkl']);
    const code = members[1]?.packed;
    const bytes = code?.read(0, code.size) ?? new Uint8Array(0);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      '0b92e32ffeaf2b214650dc326edc8eb81e45b9a295f93e685a3342526c3fab36',
    );
  });
});

describe('zip', () => {
  it('reads the 64-bit directory of torch without a false disagreement', () => {
    const { members, facts, stray } = readZip(open('test/fixtures/checkpoints/sd.pt'));
    expect(facts).toEqual([]);
    expect(stray).toEqual([]);
    expect(members.map(({ name }) => name)).toContain('sd/data.pkl');
  });

  it('gives both readings of a member whose records differ in method', () => {
    const path = 'rules/archive-readers-disagree/cases/positive-method.pt';
    const { members } = readZip(open(path));
    const readings = members.filter(({ name }) => name === 'archive/data.pkl');
    expect(readings.map((member) => member.open === undefined)).toEqual([false, true]);
  });
});

describe('names and links', () => {
  it.each([
    ['a/../../b', 'climbing-name'],
    ['..\\b', 'climbing-name'],
    ['/etc/x', 'absolute-name'],
    ['C:x', 'absolute-name'],
    ['a\u0000b', 'odd-name'],
  ])('%j is %s', (name, problem) => {
    expect(nameProblems(name).map((found) => found.problem)).toContain(problem);
  });

  it('follows links from the folder they stand in', () => {
    expect(linkLeaves('a/b/link', '../../c')).toBe(false);
    expect(linkLeaves('a/b/link', '../../../c')).toBe(true);
    expect(linkLeaves('link', '/etc')).toBe(true);
    expect(linkLeaves('a/link', '../../a/b')).toBe(true);
  });
});
