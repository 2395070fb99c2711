import { describe, expect, it } from 'vitest';
import { siteName } from '../../../src/model/graphs/activations.ts';
import { openModel } from '../../../src/model/open-model.ts';
import { attributeFeatures, densityMatched, ResponseScorer } from '../../../src/sae/attribution.ts';
import { runCorpus } from '../../../src/sae/corpus-pass.ts';
import { firingRows } from '../../../src/sae/sparse-run.ts';
import { fixedWindows, readActivations, trainDictionaries } from '../../../src/sae/train-model.ts';

const model = openModel('test/fixtures/models/stories260K');
const { spec, tokenizer } = model;
const text =
  'Once upon a time, there was a little girl named Lily. She loved to play outside in the park. ';
const story = tokenizer.encode(text.repeat(8));
const SITES = [
  { kind: 'resid_post', layer: 0 },
  { kind: 'resid_post', layer: 3 },
] as const;

describe('dictionaries trained on a model', () => {
  it('give features whose removal lowers a response, and others that change nothing', async () => {
    const windows = fixedWindows([story], 32, tokenizer.bos);
    expect(windows.every((window) => window.length === 32 && window[0] === tokenizer.bos)).toBe(
      true,
    );
    const skip = tokenizer.special;
    const activations = await readActivations(spec, SITES, windows, { skip });
    expect(activations.skip.reduce((sum, flag) => sum + flag, 0)).toBe(windows.length);
    const trained = await trainDictionaries(activations, SITES, {
      featureCount: 48,
      k: 6,
      steps: 60,
      batchTokens: 128,
    });
    const dictionaries = SITES.map((site) => {
      const dictionary = trained.get(siteName(site))?.dictionary;
      if (dictionary === undefined) throw new Error('not trained');
      return { site, dictionary };
    });
    const forced = {
      prompt: [tokenizer.bos ?? 1, ...tokenizer.encode('Once upon a time, there was')],
      response: tokenizer.encode(' a little girl named Lily'),
    };
    const whole = [...forced.prompt, ...forced.response];
    const run = await runCorpus(spec, dictionaries, [whole]);
    const features = dictionaries.flatMap(({ site, dictionary }) =>
      Array.from({ length: dictionary.featureCount }, (_, feature) => ({ site, feature })),
    );
    const scorer = await ResponseScorer.open(spec, dictionaries, 64);
    const ranked = await attributeFeatures(scorer, [forced], features);
    expect(ranked).toHaveLength(96);
    expect(ranked[0]?.effect).toBeGreaterThan(0.02);
    for (const { site, feature, effect } of ranked) {
      const siteRun = run.get(siteName(site));
      if (siteRun === undefined) throw new Error('no run');
      if (firingRows(siteRun, feature).length === 0) expect(effect).toBe(0);
    }
    expect(ranked.some(({ effect }) => effect === 0)).toBe(true);
    const [best] = ranked;
    if (best === undefined) throw new Error('nothing ranked');
    const name = siteName(best.site);
    const [plain, removed, halved] = await scorer.score(forced, [
      new Map(),
      new Map([[name, { remove: [best.feature] }]]),
      new Map([[name, { scale: new Map([[best.feature, 0.5]]) }]]),
    ]);
    expect((plain as number) - (removed as number)).toBeCloseTo(best.effect, 5);
    expect(halved).toBeLessThan(plain as number);
    await scorer.close();
  });

  it('refuses windows of different lengths and empty responses', async () => {
    await expect(readActivations(spec, SITES, [[1, 2], [1]])).rejects.toMatchObject({
      code: 'E_CORPUS',
    });
    await expect(readActivations(spec, SITES, [])).rejects.toMatchObject({ code: 'E_CORPUS' });
    const scorer = await ResponseScorer.open(spec, [], 8);
    await expect(scorer.score({ prompt: [1], response: [] }, [new Map()])).rejects.toMatchObject({
      code: 'E_SAE',
    });
    await scorer.close();
    expect(() => fixedWindows([[1, 2]], 1, 1)).toThrow(/too short/);
  });
});

describe('densityMatched', () => {
  it('takes the nearest densities outside the pool, each once', () => {
    const densities = [0.5, 0.1, 0.11, 0.12, 0.49, 0];
    expect(densityMatched(densities, [0, 1], new Set([2]))).toEqual([4, 3]);
    expect(densityMatched([0.1, 0.2], [0, 1], new Set())).toEqual([]);
  });
});
