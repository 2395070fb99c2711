/** Sites named as transformers' modules hold what those modules read and give, in every family. */
import { expect, test } from 'vitest';
import { f32Output, ids as feed, Session } from '../../src/engine/session.ts';
import { activationsGraph } from '../../src/model/graphs/activations.ts';
import { modulePlaces, placeName } from '../../src/model/site-names.ts';
import { goldenNames, moduleValues, openGolden } from './golden-case.ts';

const named = goldenNames().filter((name) => moduleValues(name) !== undefined);

test.each(named)('%s: module names are the right sites', async (name) => {
  const { spec, ids, length } = openGolden(name);
  const values = moduleValues(name) ?? new Map();
  const places = [...modulePlaces(spec)].filter(([module]) => values.has(module));
  const sites = places.map(([, place]) => place).filter((place) => place !== 'logits');
  const logits = spec.head !== undefined;
  const session = await Session.open(activationsGraph(spec, sites, { logits, positions: length }), {
    device: 'cpu',
  });
  const outputs = await session.run({ ids: feed(ids.slice(0, length), [1, length]) });
  await session.close();
  for (const [module, place] of places) {
    const expected = values.get(module)?.data ?? new Float32Array();
    const actual = f32Output(outputs, placeName(place)).subarray(0, expected.length);
    const difference = expected.reduce(
      (most: number, value: number, i: number) =>
        Math.max(most, Math.abs(value - (actual[i] ?? Number.NaN))),
      0,
    );
    expect(difference, `${module} as ${placeName(place)}`).toBeLessThan(1e-4);
  }
  const kinds = new Set(sites.map(({ kind }) => kind));
  for (const kind of ['resid_pre', 'resid_post', 'attn_in', 'attn_z'] as const) {
    expect(kinds, `no module of ${name} is ${kind}`).toContain(kind);
  }
});
