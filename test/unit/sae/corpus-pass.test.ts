import { describe, expect, it } from 'vitest';
import { openModel } from '../../../src/model/open-model.ts';
import { runCorpus } from '../../../src/sae/corpus-pass.ts';
import { countedTokens, firingRows, firingValues } from '../../../src/sae/sparse-run.ts';
import { randomDictionary } from './reference.ts';

const { spec } = openModel('test/fixtures/models/stories260K');
const site = { kind: 'resid_post', layer: 1 } as const;
const dictionary = randomDictionary(spec.width, 80, 4);
const window = (length: number, seed: number) =>
  Array.from({ length }, (_, i) => (i === 0 ? 1 : 3 + ((seed * 91 + i * 53) % 500)));
const windows = [
  window(9, 1),
  window(5, 2),
  window(9, 3),
  window(1, 4),
  window(5, 5),
  window(9, 6),
];
const skip = new Set([1]);

describe('runCorpus', () => {
  it('gives the same firings in one batch and window by window', async () => {
    const entry = { site, dictionary };
    const whole = (await runCorpus(spec, [entry], windows, { skip })).get('resid_post.1');
    const single = (await runCorpus(spec, [entry], windows, { skip, tokensPerRun: 1 })).get(
      'resid_post.1',
    );
    expect(whole?.rows.length).toBe(4 * countedTokens(whole?.corpus as never));
    expect(countedTokens(whole?.corpus as never)).toBe(38 - 6);
    expect(single?.rows).toEqual(whole?.rows);
    expect(single?.values).toEqual(whole?.values);
    expect(whole?.errorShare.every((share) => share > 0 && Number.isFinite(share))).toBe(true);
    if (whole === undefined) throw new Error('no run');
    for (let feature = 0; feature < 80; feature++) {
      const rows = firingRows(whole, feature);
      expect([...rows]).toEqual([...rows].sort((a, b) => a - b));
      expect(firingValues(whole, feature).every((value) => value > 0)).toBe(true);
    }
  });

  it('refuses an empty corpus, windows that are too long and two dictionaries at one site', async () => {
    const entry = { site, dictionary };
    await expect(runCorpus(spec, [entry], [])).rejects.toMatchObject({ code: 'E_CORPUS' });
    await expect(runCorpus(spec, [entry], [window(513, 1)])).rejects.toMatchObject({
      code: 'E_CORPUS',
    });
    await expect(runCorpus(spec, [entry, entry], windows)).rejects.toMatchObject({
      code: 'E_SAE',
    });
    await expect(
      runCorpus(spec, [entry], windows, { isCancelled: () => true }),
    ).rejects.toMatchObject({ code: 'E_INTERRUPTED' });
  });
});
