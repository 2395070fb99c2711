/** The package as a program imports it: by its name, from `dist/`. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import manifest from '../../../package.json' with { type: 'json' };
import type * as Library from '../../../src/public/index.ts';

// By a variable, so that the type-checker takes the sources and the runtime takes what is built.
const packageName: string = manifest.name;
const library = (await import(packageName)) as typeof Library;

const folder = mkdtempSync(join(tmpdir(), 'narrowfire-library-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const STORIES = 'test/fixtures/models/stories260K';

it('is the built code, with types', () => {
  expect(existsSync(manifest.exports['.'].default)).toBe(true);
  expect(existsSync(manifest.exports['.'].types)).toBe(true);
  expect(library.VERSION).toBe(manifest.version);
});

it('scans a folder and renders the result', async () => {
  writeFileSync(join(folder, 'model.pkl'), Buffer.from('cposix\nsystem\n(Vtrue\ntR.', 'latin1'));
  const rules = library.loadRules();
  const result = await library.scan([folder], {
    profile: 'files',
    rules,
    policy: { failOn: 'error', ignores: [], today: '2026-01-01' },
    seed: 0,
    device: 'cpu',
  });
  expect(result).toMatchObject({ verdict: 'fail', exitCode: library.EXIT.findings });
  const context = {
    rules,
    taxonomies: library.loadTaxonomies(),
    sarifProfile: 'minimal',
    maxResults: 10,
    category: 'scan',
    sourceRoot: folder,
    showSuppressed: false,
    color: false,
    width: 80,
  } as const;
  const sarif = JSON.parse([...library.FORMATS.sarif(result, context)].join('')) as unknown;
  expect(sarif).toMatchObject({ version: '2.1.0' });
});

it('opens a model and trains a dictionary on it', async () => {
  const model = library.openModel(STORIES);
  const ids = model.tokenizer.encode('Once upon a time there was a little girl. '.repeat(60));
  const windows = Array.from({ length: Math.floor(ids.length / 16) }, (_, i) =>
    ids.slice(i * 16, i * 16 + 16),
  );
  const site = { kind: 'resid_post', layer: 2 } as const;
  const { values, widths } = await library.readActivations(model.spec, [site], windows);
  const [activations] = values.values();
  const [width] = widths.values();
  if (activations === undefined || width === undefined) throw new Error('no activations');
  const { dictionary, quality } = await library.trainSae(activations, width, {
    featureCount: 64,
    k: 8,
    steps: 40,
    batchTokens: 64,
  });
  expect([dictionary.inputWidth, dictionary.featureCount]).toEqual([64, 64]);
  expect(quality.explainedVariance).toBeGreaterThan(0.3);
});

it('throws errors with codes', () => {
  expect(() => library.openModel(folder)).toThrow(library.ScanError);
  expect(() => library.loadSae(join(folder, 'none'))).toThrow();
});
