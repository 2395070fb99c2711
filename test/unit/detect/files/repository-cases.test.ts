/** The stored cases of templates, tokenizers and repositories are what their generator writes today. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { REPOSITORY_CASES } from '../../../cases/repository/all.ts';

describe('generated repository cases', () => {
  it('are stored as generated', () => {
    for (const { rule, name, bytes } of REPOSITORY_CASES) {
      const stored = readFileSync(join('rules', rule, 'cases', name));
      expect(stored.equals(Buffer.from(bytes())), `${rule}/${name}`).toBe(true);
    }
  });

  it('have no two with one name', () => {
    const names = REPOSITORY_CASES.map(({ rule, name }) => `${rule}/${name}`);
    expect(new Set(names).size).toBe(names.length);
  });
});
