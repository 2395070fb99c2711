import { describe, expect, test } from 'vitest';
import { runLayerGroups } from '../../../src/engine/layer-groups.ts';
import type { ScanError } from '../../../src/errors.ts';
import { type Site, siteName } from '../../../src/model/graphs/activations.ts';
import { type PassSize, planLayers, tensorBytes } from '../../../src/model/layer-groups.ts';
import type { ModelSpec } from '../../../src/model/spec.ts';
import { openGolden } from '../../golden/golden-case.ts';

function passOf(spec: ModelSpec, tokens: number, sites: readonly Site[] = []): PassSize {
  const logits = spec.head !== undefined;
  return { batchTokens: tokens, length: tokens, totalTokens: tokens, sites, logits };
}

describe('planLayers', () => {
  const { spec } = openGolden('stories260K');
  const size = passOf(spec, 10);

  test('needs one group without a bound, and says how much', () => {
    const { groups, peakBytes } = planLayers(spec, size);
    expect(groups).toEqual([{ first: 0, end: 5 }]);
    expect(peakBytes).toBeGreaterThan(tensorBytes(spec));
  });

  test('takes more groups as the bound sinks, covers all blocks in order, and keeps the bound', () => {
    const whole = planLayers(spec, size).peakBytes;
    const counts = new Set<number>();
    for (let bound = whole; ; bound -= 10_000) {
      let plan: ReturnType<typeof planLayers>;
      try {
        plan = planLayers(spec, size, bound);
      } catch (thrown) {
        expect((thrown as ScanError).code).toBe('E_LIMIT');
        break;
      }
      expect(plan.peakBytes).toBeLessThanOrEqual(bound);
      const ends = plan.groups.map(({ end }) => end);
      expect(plan.groups.map(({ first }) => first)).toEqual([0, ...ends.slice(0, -1)]);
      expect(ends.at(-1)).toBe(5);
      counts.add(plan.groups.length);
    }
    expect([...counts]).toEqual([1, 2, 3, 5]);
  });

  test('plans no more blocks than the sites need', () => {
    const sites = [{ kind: 'resid_post', layer: 1 }] as const;
    expect(planLayers(spec, { ...size, logits: false, sites }).groups).toEqual([
      { first: 0, end: 2 },
    ]);
    expect(planLayers(spec, { ...size, logits: false }).groups).toEqual([{ first: 0, end: 0 }]);
  });
});

test.each(['stories260K', 'gemma3', 'bloom', 'bert-masked', 'mpnet', 'opt-350m'])(
  '%s: layer by layer gives the bits of the whole pass',
  async (name) => {
    const { spec, ids, lengths, length } = openGolden(name);
    const layers = spec.blocks.length;
    const sites: Site[] = [
      { kind: 'embed', layer: 0 },
      { kind: 'resid_pre', layer: 0 },
      { kind: 'attn_z', layer: layers - 1 },
      { kind: 'resid_post', layer: 0 },
      { kind: 'resid_pre', layer: 1 },
      { kind: 'resid_post', layer: layers - 1 },
      { kind: 'final', layer: 0 },
    ];
    const size = passOf(spec, ids.length, sites);
    const batches = [
      { ids, dims: [lengths.length, length], lengths },
      { ids: ids.slice(0, 4), dims: [1, 4] },
    ] as const;
    const values = async (groups: readonly { first: number; end: number }[]) => {
      const seen: [string, number, Float32Array][] = [];
      await runLayerGroups(spec, { groups, peakBytes: 0 }, batches, {
        ...size,
        device: 'cpu',
        receive: (site, data, batch) => seen.push([site, batch, data]),
      });
      return seen.sort(([a, i], [b, j]) => (a < b ? -1 : a > b ? 1 : i - j));
    };
    const whole = await values([{ first: 0, end: layers }]);
    expect(whole.map(([site, batch]) => `${site} ${batch}`).sort()).toEqual(
      [...sites.map(siteName), ...(size.logits ? ['logits'] : [])]
        .flatMap((site) => [`${site} 0`, `${site} 1`])
        .sort(),
    );
    expect(
      await values(Array.from({ length: layers }, (_, i) => ({ first: i, end: i + 1 }))),
    ).toEqual(whole);
  },
);
