/**
 * The gallery in docs/gallery is made from one stored result of a real scan. The files must be what the code writes
 * today; `NARROWFIRE_UPDATE_GALLERY=1` writes them again, pictures included. Pictures of every run go to build/gallery.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Log } from 'sarif';
import { describe, expect, it } from 'vitest';
import { FORMATS } from '../../src/report/formats.ts';
import { readResult } from '../../src/report/read-result.ts';
import { redact } from '../../src/report/redact.ts';
import { type ReportContext, SARIF_PROFILES } from '../../src/report/report.ts';
import { lintSarif } from '../conformance/sarif-lint.ts';
import { context, render, rules } from '../unit/report/samples.ts';
import { Browser, findBrowser } from './browser.ts';

const DOCS = 'docs/gallery';
const update = process.env['NARROWFIRE_UPDATE_GALLERY'] === '1';
const pictures = update ? DOCS : 'build/gallery';
const result = readResult(join(DOCS, 'result.json'));
const shared = redact(result, 'all', 'a salt for the gallery only', rules);

function rendered(name: keyof typeof FORMATS, changes: Partial<ReportContext> = {}): string {
  return render(FORMATS[name](result, context(changes)));
}

function check(file: string, text: string): void {
  if (update) writeFileSync(join(DOCS, file), text);
  expect(readFileSync(join(DOCS, file), 'utf8')).toBe(text);
}

describe('text', () => {
  it('of the terminal', () => check('terminal.txt', rendered('pretty')));
  it('of the job summary', () => check('summary.md', rendered('markdown')));
  it('of JUnit', () => check('junit.xml', rendered('junit')));
  it('of annotations', () => check('annotations.txt', rendered('github')));
  it('of a redacted terminal report', () =>
    check('terminal-redacted.txt', render(FORMATS.pretty(shared, context()))));
});

describe.each(SARIF_PROFILES)('SARIF, profile %s', (profile) => {
  const file = join(DOCS, `results.${profile}.sarif`);
  const text = rendered('sarif', { sarifProfile: profile });

  /** Rules are left out: their texts change more often than the form of results. */
  const findings = (log: Log) =>
    (log.runs[0]?.results ?? [])
      .filter(({ level }) => level !== 'none')
      .map(({ ruleIndex: _index, ...rest }) => ({ ...rest, taxa: rest.taxa?.map(({ id }) => id) }));

  it('is as the code writes it, and valid for GitHub', () => {
    if (update) writeFileSync(file, text);
    const stored = readFileSync(file, 'utf8');
    expect(lintSarif(stored)).toEqual([]);
    expect(findings(JSON.parse(stored) as Log)).toEqual(findings(JSON.parse(text) as Log));
  });
});

it('names no folder of the machine that made it', () => {
  const text = readFileSync(join(DOCS, 'result.json'), 'utf8');
  expect(text).not.toMatch(/"\/(?:work|home|tmp|root)/);
});

const browserPath = findBrowser();

it.skipIf(browserPath === undefined)('is photographed', async () => {
  mkdirSync(pictures, { recursive: true });
  mkdirSync('build/gallery', { recursive: true });
  const page = resolve('build/gallery/report.html');
  writeFileSync(page, rendered('html'));
  const browser = await Browser.start(browserPath ?? '');
  try {
    for (const scheme of ['light', 'dark'] as const) {
      await browser.open(page, 1100, scheme);
      const picture = await browser.photograph(2400);
      expect(picture.byteLength).toBeGreaterThan(20_000);
      writeFileSync(join(pictures, `report-${scheme}.png`), picture);
    }
    await browser.open(page, 400, 'light');
    writeFileSync(join(pictures, 'report-phone.png'), await browser.photograph(1800));
    writeFileSync('build/gallery/report.pdf', await browser.print());
  } finally {
    await browser.close();
  }
});
