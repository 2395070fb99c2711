import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listLookup, loadLists } from '../../../src/judge/lists.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'narrowfire-lists-'));
  mkdirSync(join(root, 'some-rule'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('rule lists', () => {
  it('reads flat and grouped lists and leaves rule.yaml alone', () => {
    writeFileSync(join(root, 'some-rule', 'rule.yaml'), 'id: NF1999');
    writeFileSync(join(root, 'some-rule', 'flat.yaml'), '- a.b\n- c\n');
    writeFileSync(join(root, 'some-rule', 'grouped.yaml'), 'numpy: [dtype, ndarray]\n');
    const lists = loadLists(root);
    expect(lists).toEqual({
      'some-rule/flat': ['a.b', 'c'],
      'some-rule/grouped': ['numpy.dtype', 'numpy.ndarray'],
    });
    expect(listLookup(lists)('some-rule/flat').has('c')).toBe(true);
  });

  it('refuses what is not a list, and unknown names', () => {
    writeFileSync(join(root, 'some-rule', 'bad.yaml'), 'a: 1');
    expect(() => loadLists(root)).toThrow(/rule list/);
    expect(() => listLookup({})('no/list')).toThrow(/no rule has the list/);
  });
});
