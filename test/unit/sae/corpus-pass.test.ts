import { describe, expect, it } from 'vitest';
import { openHere } from '../../../src/engine/open-graph.ts';
import { openModel } from '../../../src/model/open-model.ts';
import type { Graph } from '../../../src/onnx/graph.ts';
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

  it('runs equal windows once and counts them as often as they stand there', async () => {
    const entry = { site, dictionary };
    const repeated = [...windows, window(9, 1), window(5, 2), window(9, 1)];
    const counts: number[] = [];
    const open = Object.assign(
      async (graph: Graph) => {
        const opened = await openHere(graph);
        const run: typeof opened.run = (feeds) => {
          counts.push(feeds['ids']?.data.length ?? 0);
          return opened.run(feeds);
        };
        return { ...opened, run, close: () => opened.close() };
      },
      { lanes: 1, inFlight: 1 },
    );
    const found = (await runCorpus(spec, [entry], repeated, { skip, open })).get('resid_post.1');
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(38);
    // The long way round: each window by itself.
    const alone = await Promise.all(
      repeated.map(async (one) =>
        (await runCorpus(spec, [entry], [one], { skip })).get('resid_post.1'),
      ),
    );
    if (found === undefined) throw new Error('no run');
    const { givenWindows, corpus } = found;
    for (let feature = 0; feature < 80; feature++) {
      const expected = givenWindows.flatMap((given, place) => {
        const one = alone[given];
        if (one === undefined) throw new Error('no run');
        const start = corpus.windowStarts[place] ?? 0;
        const values = firingValues(one, feature);
        return [...firingRows(one, feature)].map((row, i) => [row + start, values[i]]);
      });
      const rows = firingRows(found, feature);
      const values = firingValues(found, feature);
      expect([...rows].map((row, i) => [row, values[i]])).toEqual(expected);
    }
    expect([...found.errorShare]).toEqual(
      givenWindows.flatMap((given) => [...(alone[given]?.errorShare ?? [])]),
    );
    expect([...found.active]).toEqual(
      givenWindows.flatMap((given) => [...(alone[given]?.active ?? [])]),
    );
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
