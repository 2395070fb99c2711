import { describe, expect, it } from 'vitest';
import { f32Output, floats, i64Output, ids, Session } from '../../../src/engine/session.ts';
import { activationsGraph, type Site, siteName } from '../../../src/model/graphs/activations.ts';
import { openModel } from '../../../src/model/open-model.ts';
import { passGraph } from '../../../src/sae/pass.ts';
import { measureQuality } from '../../../src/sae/quality.ts';
import { measureRecovery } from '../../../src/sae/recovery.ts';
import { trainSae } from '../../../src/sae/train.ts';
import { randomDictionary, reconstruction, topKFeatures } from './reference.ts';

const { spec } = openModel('test/fixtures/models/stories260K');
const SITES: readonly Site[] = [
  { kind: 'resid_post', layer: 0 },
  { kind: 'mlp_out', layer: 2 },
  { kind: 'resid_pre', layer: 3 },
];
const LENGTH = 16;
const BATCH = 4;
const tokens = Array.from({ length: BATCH * LENGTH }, (_, i) =>
  i % LENGTH === 0 ? 1 : 260 + ((i * 37) % 250),
);
const batch = { ids: ids(tokens, [BATCH, LENGTH]) };

async function activations(sites: readonly Site[]): Promise<Map<string, Float32Array>> {
  const graph = activationsGraph(spec, sites, { logits: false, positions: 64 });
  const session = await Session.open(graph, { device: 'cpu' });
  const outputs = await session.run(batch);
  await session.close();
  return new Map(sites.map((site) => [siteName(site), f32Output(outputs, siteName(site))]));
}

describe('passGraph', () => {
  it('gives the same sparse results as encoding each activation by hand', async () => {
    const dictionary = randomDictionary(spec.width, 96, 5);
    const entries = new Map(SITES.map((site) => [siteName(site), { site, dictionary }]));
    const graph = passGraph(spec, entries, { positions: 64, top: 8 });
    const session = await Session.open(graph, { device: 'cpu' });
    const weight = tokens.map((id) => (id === 1 ? 0 : 1));
    const outputs = await session.run({ ...batch, weight: floats(weight, [weight.length]) });
    await session.close();
    for (const [name, values] of await activations(SITES)) {
      const sums = new Array<number>(96).fill(0);
      const counts = new Array<number>(96).fill(0);
      for (let row = 0; row < tokens.length; row++) {
        const x = values.subarray(row * spec.width, (row + 1) * spec.width);
        const features = topKFeatures(dictionary, x);
        const active = features.filter((value) => value > 0).length;
        const top = [...features].sort((a, b) => b - a).slice(0, 8);
        const at = (key: string) => [
          ...f32Output(outputs, `${key}.${name}`).subarray(row * 8, row * 8 + 8),
        ];
        at('values').forEach((value, i) => {
          expect(value).toBeCloseTo(top[i] as number, 3);
          const feature = i64Output(outputs, `features.${name}`)[row * 8 + i] as number;
          expect(features[feature]).toBeCloseTo(value, 3);
        });
        expect(f32Output(outputs, `active.${name}`)[row]).toBe(active);
        const error = reconstruction(dictionary, features).reduce(
          (sum, value, j) => sum + (value - (x[j] as number)) ** 2,
          0,
        );
        expect((f32Output(outputs, `error.${name}`)[row] as number) / error).toBeCloseTo(1, 3);
        if (weight[row] === 0) continue;
        features.forEach((value, i) => {
          sums[i] = (sums[i] as number) + value;
          if (value > 0) counts[i] = (counts[i] as number) + 1;
        });
      }
      expect([...f32Output(outputs, `count.${name}`)]).toEqual(counts);
      f32Output(outputs, `sum.${name}`).forEach((sum, i) => {
        expect(sum).toBeCloseTo(sums[i] as number, 2);
      });
    }
  });
});

describe('quality and loss recovery', () => {
  it('are poor for a random dictionary and good for one trained on the site', async () => {
    const site: Site = { kind: 'resid_post', layer: 2 };
    const x = (await activations([site])).get(siteName(site)) as Float32Array;
    const sequences = Array.from({ length: BATCH }, (_, row) =>
      tokens.slice(row * LENGTH, (row + 1) * LENGTH),
    );
    const trained = await trainSae(x, spec.width, {
      featureCount: 48,
      k: 16,
      steps: 200,
      heldOutShare: 0.02,
    });
    const random = randomDictionary(spec.width, 48, 16);
    const good = await measureQuality(trained.dictionary, x);
    const bad = await measureQuality(random, x);
    expect(good.explainedVariance).toBeGreaterThan(0.8);
    expect(bad.explainedVariance).toBeLessThan(0.3);
    expect(good.l0).toBeLessThanOrEqual(16);
    const kept = await measureRecovery(spec, site, trained.dictionary, sequences);
    const lost = await measureRecovery(spec, site, random, sequences);
    expect(kept.clean).toBeCloseTo(lost.clean, 5);
    expect(kept.zeroed).toBeCloseTo(lost.zeroed, 5);
    expect(Math.abs(kept.spliced - kept.clean)).toBeLessThan(Math.abs(lost.spliced - kept.clean));
  });
});
