import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compiledEntry, PACKAGE_ROOT } from '../../src/entry-point.ts';

it('finds the package and its compiled entries', () => {
  for (const name of ['package.json', 'rules', 'corpora']) {
    expect(existsSync(join(PACKAGE_ROOT, name))).toBe(true);
  }
  for (const entry of ['engine/worker', 'scan/child']) {
    expect(existsSync(compiledEntry(entry))).toBe(true);
  }
});

it('says what to do when an entry is not built', () => {
  expect(() => compiledEntry('engine/no-such-entry')).toThrow(
    expect.objectContaining({ code: 'E_INTERNAL', hint: expect.stringContaining('build') }),
  );
});
