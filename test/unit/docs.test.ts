/** Documents that list things must list all of them. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/errors.ts';
import { FILTER_NAMES } from '../../src/judge/template.ts';
import { FORMAT_NAMES } from '../../src/report/formats.ts';
import { SAE_FORMATS } from '../../src/sae/formats/registry.ts';

const rowsOf = (file: string): readonly string[] =>
  [...readFileSync(file, 'utf8').matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1] ?? '');

it('docs/errors.md explains every code, in the order of the table in the code', () => {
  expect(rowsOf('docs/errors.md')).toEqual(Object.keys(ERROR_CODES));
});

it('docs/reports.md names every format', () => {
  expect(rowsOf('docs/reports.md')).toEqual(expect.arrayContaining([...FORMAT_NAMES]));
});

it('docs/writing-rules.md names every filter', () => {
  expect(rowsOf('docs/writing-rules.md').toSorted()).toEqual([...FILTER_NAMES].toSorted());
});

it('docs/features.md names every family of dictionary files', () => {
  expect(rowsOf('docs/features.md')).toEqual(expect.arrayContaining([...SAE_FORMATS]));
});
