/** The stored cases of the structured formats are what their generator writes today. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FORMAT_CASES } from '../../../cases/formats/all.ts';

describe('generated format cases', () => {
  it.each(FORMAT_CASES.map((item) => [`${item.rule}/${item.name}`, item] as const))(
    '%s',
    (_, item) => {
      const stored = readFileSync(join('rules', item.rule, 'cases', item.name));
      expect(stored.equals(Buffer.from(item.bytes()))).toBe(true);
    },
  );

  it('has no two cases with one name', () => {
    const names = FORMAT_CASES.map(({ rule, name }) => `${rule}/${name}`);
    expect(new Set(names).size).toBe(names.length);
  });
});
