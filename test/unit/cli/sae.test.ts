import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { run } from './run.ts';

const MODEL = resolve('test/fixtures/models/stories260K');
const scratch = mkdtempSync(join(tmpdir(), 'narrowfire-cli-sae-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const corpus = join(scratch, 'text.jsonl');
const sentences = [
  'Once upon a time, there was a little girl named Lily. She loved to play outside in the park.',
  'One day, a big dog ran to Tim. The dog was happy and wanted to play with the red ball.',
  'Mom said, "We can go to the store and buy some food." They were very happy.',
];
writeFileSync(
  corpus,
  Array.from({ length: 40 }, (_, i) =>
    JSON.stringify({ text: `${sentences[i % 3]} ${sentences[(i * 7 + 1) % 3]}` }),
  ).join('\n'),
);
const text = ['--corpus', corpus, '--tokens', '2048', '--window', '32', '--workers', '1'];

describe('narrowfire sae', () => {
  const folder = join(scratch, 'sae');

  it('trains, shows and measures a dictionary', async () => {
    const trained = await run([
      ...['sae', 'train', MODEL, '--site', 'blocks.2.hook_resid_post', '--features', '64'],
      ...['--k', '8', '--steps', '150', '--batch', '256', '--out', folder, '--json', ...text],
    ]);
    expect(trained.stderr).toBe('');
    expect(trained.code).toBe(0);
    const [row] = JSON.parse(trained.stdout) as [Record<string, number>];
    expect(row).toMatchObject({ site: 'resid_post.2', features: 64, k: 8, folder });
    expect(row['explainedVariance']).toBeGreaterThan(0.6);
    expect(row['lossRecovered']).toBeGreaterThan(0.5);
    const config = JSON.parse(readFileSync(join(folder, 'cfg.json'), 'utf8'));
    expect(config).toMatchObject({ architecture: 'topk', k: 8, d_in: 64, d_sae: 64 });
    expect(config.metadata.hook_name).toBe('blocks.2.hook_resid_post');

    const shown = await run(['sae', 'show', folder]);
    expect(shown.stdout).toMatch(/saelens\s+resid_post\.2\s+64\s+64\s+topk 8\s+yes/);

    const fits = await run(['sae', 'eval', MODEL, folder, ...text]);
    expect(fits.stdout).toMatch(/It fits this site\./);
    expect(fits.code).toBe(0);
    const misfit = await run(['sae', 'eval', MODEL, folder, '--site', 'mlp_out.0', ...text]);
    expect(misfit.stdout).toMatch(/It does not fit this site: it explains/);
    expect(misfit.code).toBe(1);
  });

  it('lists features with contexts from given dictionaries and as JSON', async () => {
    const output = join(scratch, 'features.json');
    const listed = await run([
      ...['features', MODEL, '--sae', folder, '--limit', '3', '--min-firings', '2'],
      ...['--output', output, ...text],
    ]);
    expect(listed.code).toBe(0);
    expect(listed.stdout).toMatch(/resid_post\.2 {2}64 features, 3 listed/);
    expect(listed.stdout).toMatch(/precision \d+ %, recall \d+ %/);
    expect(listed.stdout).toMatch(/⟦.+⟧/);
    const document = JSON.parse(readFileSync(output, 'utf8'));
    expect(document.schema).toBe('narrowfire/features/v1');
    const [entry] = document.sites[0].entries;
    expect(entry.contexts[0].some((token: { value: number }) => token.value > 0)).toBe(true);
    expect(entry.promotes.length).toBeGreaterThan(0);
  });

  it('says what is wrong', async () => {
    const nowhere = await run(['sae', 'show', join(scratch, 'nothing')]);
    expect(nowhere).toMatchObject({ code: 3, stdout: '' });
    expect(nowhere.stderr).toMatch(/^E_NOT_FOUND /);
    const site = await run(['sae', 'train', MODEL, '--site', 'resid_post.9', '--out', folder]);
    expect(site.stderr).toMatch(/^E_USAGE.*no site/);
    const short = await run([
      ...[
        'sae',
        'train',
        MODEL,
        '--corpus',
        corpus,
        '--window',
        '500',
        '--out',
        join(scratch, 'x'),
      ],
    ]);
    expect(short.stderr).toMatch(/^E_CORPUS.*no document has 500 tokens/);
    expect(existsSync(join(scratch, 'x'))).toBe(false);
    const kind = await run(['sae', 'train', MODEL, '--sparsity', 'l1', '--out', folder]);
    expect(kind.code).toBe(2);
  });
});
