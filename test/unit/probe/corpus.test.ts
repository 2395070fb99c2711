import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../../src/engine/entry-point.ts';
import { bundledCorpora, readCorpus } from '../../../src/probe/corpus.ts';

const folder = mkdtempSync(join(tmpdir(), 'narrowfire-corpus-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('readCorpus', () => {
  it('reads JSON lines, with blank lines and Windows line ends', () => {
    const path = file('a.jsonl', '{"text":" one "}\r\n\r\n{"text":"two","id":3}\n{"text":""}\n');
    expect(readCorpus(path)).toMatchObject({ name: 'a.jsonl', documents: ['one', 'two'] });
  });

  it('reads paragraphs of plain text', () => {
    const path = file('b.txt', 'one\nstill one\n\n \n\ntwo\n');
    expect(readCorpus(path).documents).toEqual(['one\nstill one', 'two']);
  });

  it.each([
    ['empty.txt', '', /no text/],
    ['blank.jsonl', '\n\n', /no text/],
    ['spaces.jsonl', '{"text":"  "}\n', /no text/],
    ['broken.jsonl', '{"text":"a"}\n{"text":', /line 2 is not JSON/],
    ['list.jsonl', '[1]', /line 1 has no "text"/],
    ['null.jsonl', 'null', /line 1 has no "text"/],
    ['number.jsonl', '{"text":5}', /line 1 has no "text"/],
  ])('refuses %s', (name, content, problem) => {
    const path = file(name, content);
    const expected = { code: 'E_CORPUS', file: path, message: expect.stringMatching(problem) };
    expect(() => readCorpus(path)).toThrow(expect.objectContaining(expected));
  });

  it('says when there is no such file, or a folder in its place', () => {
    const code = (path: string) => {
      try {
        readCorpus(path);
      } catch (thrown) {
        return (thrown as { code: string }).code;
      }
      return 'nothing thrown';
    };
    expect(code(join(folder, 'absent.txt'))).toBe('E_NOT_FOUND');
    mkdirSync(join(folder, 'sub.txt'));
    expect(code(join(folder, 'sub.txt'))).toMatch(/^E_/);
  });

  it('takes bytes that are no UTF-8 as text', () => {
    const path = file('bytes.txt', Uint8Array.of(0xff, 0xfe, 0x41));
    expect(readCorpus(path).documents).toHaveLength(1);
  });
});

describe('bundledCorpora', () => {
  const root = join(PACKAGE_ROOT, 'corpora');

  it('are there in both roles, with text', () => {
    const generic = bundledCorpora(root, 'generic');
    expect(generic.length).toBeGreaterThan(0);
    for (const corpus of generic) {
      expect(corpus.documents.length).toBeGreaterThan(10);
      expect(corpus.maxTokens).toBeGreaterThan(1000);
    }
    const names = new Set(generic.map(({ name }) => name));
    for (const { name } of bundledCorpora(root, 'known-text')) expect(names).not.toContain(name);
  });

  it('refuse a manifest that is wrong', () => {
    file('manifest.yaml', 'corpora:\n  - file: a.jsonl\n    role: other\n');
    expect(() => bundledCorpora(folder, 'generic')).toThrow(/manifest is wrong/);
  });
});
