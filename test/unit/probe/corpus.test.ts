import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { PACKAGE_ROOT } from '../../../src/entry-point.ts';
import {
  bundledCorpora,
  bundledKnownTexts,
  readCorpus,
  readKnownTexts,
} from '../../../src/probe/corpus.ts';

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

  it('are there, with text', () => {
    const generic = bundledCorpora(root, 'generic');
    expect(generic.length).toBeGreaterThan(0);
    for (const corpus of generic) {
      expect(corpus.documents.length).toBeGreaterThan(10);
      expect(corpus.maxTokens).toBeGreaterThan(1000);
    }
  });

  it('refuse a manifest that is wrong', () => {
    file('manifest.yaml', 'corpora:\n  - file: a.jsonl\n    role: other\n');
    expect(() => bundledCorpora(folder, 'generic')).toThrow(/manifest is wrong/);
  });
});

describe('readKnownTexts', () => {
  it('names each text by its source, else by the file', () => {
    const path = file('known.jsonl', '{"text":"one","source":"A"}\n{"text":"two","source":5}\n');
    expect(readKnownTexts(path)).toEqual([
      { text: 'one', source: 'A' },
      { text: 'two', source: 'known.jsonl' },
    ]);
    const plain = file('known.txt', 'one\n\ntwo');
    expect(readKnownTexts(plain).map(({ source }) => source)).toEqual(['known.txt', 'known.txt']);
  });

  it('unpacks gzip within bounds', () => {
    const path = file('packed.jsonl.gz', gzipSync('{"text":"one"}\n'));
    expect(readKnownTexts(path)).toEqual([{ text: 'one', source: 'packed.jsonl.gz' }]);
    const bomb = file('bomb.txt.gz', gzipSync(Buffer.alloc(40 * 1024 * 1024, 'a ')));
    expect(() => readKnownTexts(bomb)).toThrow(expect.objectContaining({ code: 'E_LIMIT' }));
    const broken = file('broken.txt.gz', 'not packed');
    expect(() => readKnownTexts(broken)).toThrow(expect.objectContaining({ code: 'E_CORPUS' }));
    const large = file('large.txt', Buffer.alloc(40 * 1024 * 1024, 'a '));
    expect(() => readKnownTexts(large)).toThrow(expect.objectContaining({ code: 'E_LIMIT' }));
  });

  it('ships with texts that are named', () => {
    const texts = bundledKnownTexts(join(PACKAGE_ROOT, 'corpora'));
    expect(texts.length).toBeGreaterThan(30);
    for (const { source, text } of texts) {
      expect(source).not.toBe('');
      expect(text.length).toBeGreaterThan(200);
    }
    expect(texts.map(({ source }) => source)).toContain("Shakespeare's plays");
  });
});

it('the manifest gives size and digest of every file', () => {
  const root = join(PACKAGE_ROOT, 'corpora');
  const { corpora } = parse(readFileSync(join(root, 'manifest.yaml'), 'utf8')) as {
    corpora: { file: string; bytes: number; sha256: string; licence: string; source: string }[];
  };
  for (const entry of corpora) {
    const bytes = readFileSync(join(root, entry.file));
    const digest = createHash('sha256').update(bytes).digest('hex');
    expect([bytes.length, digest]).toEqual([entry.bytes, entry.sha256]);
    expect(entry.licence && entry.source).toBeTruthy();
  }
});
