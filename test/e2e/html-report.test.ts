/** The HTML report in a real browser: it loads nothing, breaks no policy, fits narrow screens, and prints. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScanResult } from '../../src/finding/finding.ts';
import { renderHtml } from '../../src/report/html/html.ts';
import { backdoored, clean, context, hostile, incomplete, render } from '../unit/report/samples.ts';
import { Browser, findBrowser } from './browser.ts';

const path = findBrowser();

describe.skipIf(path === undefined)('in a browser', () => {
  let browser: Browser;
  let folder = '';

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'narrowfire-html-'));
    browser = await Browser.start(path ?? '');
  });

  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function write(name: string, result: ScanResult): string {
    const file = join(folder, `${name}.html`);
    writeFileSync(file, render(renderHtml(result, context())));
    return file;
  }

  const samples = { backdoored, clean, incomplete, hostile };

  it.each(Object.entries(samples))(
    'loads nothing and breaks no policy: %s',
    async (name, sample) => {
      const report = await browser.open(write(name, sample()), 1100);
      expect(report.requests).toEqual([]);
      expect(report.messages).toEqual([]);
      const active =
        'document.querySelectorAll("script,img,iframe,object,embed,form,link,base").length';
      expect(await browser.evaluate(active)).toBe(0);
      const handlers =
        '[...document.querySelectorAll("*")].filter((e) => [...e.attributes].some((a) => /^on|^style$/.test(a.name) || /javascript:/i.test(a.value))).length';
      expect(await browser.evaluate(handlers)).toBe(0);
    },
  );

  it.each([360, 768, 1100])('needs no sideways scrolling at %i pixels', async (width) => {
    for (const [name, sample] of Object.entries(samples)) {
      await browser.open(write(name, sample()), width);
      const overflow =
        'document.documentElement.scrollWidth - document.documentElement.clientWidth';
      expect(await browser.evaluate(overflow), name).toBe(0);
    }
  });

  it('applies its style sheet, in light and in dark', async () => {
    const background = 'getComputedStyle(document.body).backgroundColor';
    const file = write('backdoored', backdoored());
    await browser.open(file, 1100, 'light');
    const light = await browser.evaluate(background);
    await browser.open(file, 1100, 'dark');
    const dark = await browser.evaluate(background);
    expect(light).toBe('rgb(246, 247, 249)');
    expect(dark).toBe('rgb(17, 21, 27)');
  });

  it('keeps the text of triggers exact for copying', async () => {
    await browser.open(write('backdoored', backdoored()), 1100);
    expect(await browser.evaluate('document.querySelector(".hotbox code").textContent')).toBe(
      ' cf  cf',
    );
  });

  it('has text that stands out from its ground (WCAG AA) in both schemes', async () => {
    const file = write('backdoored', backdoored());
    for (const scheme of ['light', 'dark'] as const) {
      await browser.open(file, 1100, scheme);
      expect(await browser.evaluate(LOW_CONTRAST), scheme).toEqual([]);
    }
  });

  it('prints', async () => {
    await browser.open(write('backdoored', backdoored()), 1100);
    const pdf = await browser.print();
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
  });
});

/** Text elements whose contrast with the nearest opaque ground is below 4.5. */
const LOW_CONTRAST = `(() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => {
    const f = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const ground = (e) => {
    for (let n = e; n; n = n.parentElement) {
      const c = parse(getComputedStyle(n).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const bad = new Set();
  for (const e of document.querySelectorAll('main *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim() !== '');
    if (!own || e.closest('svg') || e.className === 'prompt' || e.className === 'nl') continue;
    const a = luminance(parse(getComputedStyle(e).color)), b = luminance(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.add(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2));
  }
  return [...bad];
})()`;
