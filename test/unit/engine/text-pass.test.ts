import { describe, expect, test } from 'vitest';
import { onDevice, openHere } from '../../../src/engine/open-graph.ts';
import { f32Output, ids as feed } from '../../../src/engine/session.ts';
import { runTextPass, type TextPass } from '../../../src/engine/text-pass.ts';
import {
  activationsGraph,
  type Site,
  type Span,
  siteName,
} from '../../../src/model/graphs/activations.ts';
import {
  activationsSize,
  type LayerPlan,
  type PassSize,
  planLayers,
} from '../../../src/model/layer-groups.ts';
import { tensorBytes } from '../../../src/model/memory.ts';
import { openModel } from '../../../src/model/open-model.ts';
import type { ModelSpec } from '../../../src/model/spec.ts';
import { runCorpus } from '../../../src/sae/corpus-pass.ts';
import { measureRecovery } from '../../../src/sae/recovery.ts';
import { readActivations } from '../../../src/sae/train-model.ts';
import { MODELS, openGolden } from '../../golden/golden-case.ts';
import { randomDictionary } from '../sae/reference.ts';

const LIMITS = { lanes: 1, inFlight: 1 };

function passOf(spec: ModelSpec, tokens: number, sites: readonly Site[] = []): PassSize {
  const text = { batchTokens: tokens, length: tokens, totalTokens: tokens };
  return activationsSize(spec, sites, spec.head !== undefined, text);
}

describe('planLayers', () => {
  const { spec } = openGolden('stories260K');
  const size = passOf(spec, 10);

  test('needs one group without a bound, and says how much', () => {
    const { groups, peakBytes } = planLayers(spec, size, LIMITS);
    expect(groups).toEqual([{ first: 0, end: 5, last: true }]);
    expect(peakBytes).toBeGreaterThan(tensorBytes(spec));
  });

  test('takes more groups as the bound sinks, covers all blocks in order, and keeps the bound', () => {
    const whole = planLayers(spec, size, LIMITS).peakBytes;
    const counts = new Set<number>();
    for (let memoryBytes = whole; ; memoryBytes -= 10_000) {
      let plan: LayerPlan;
      try {
        plan = planLayers(spec, size, { ...LIMITS, memoryBytes });
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'E_LIMIT', message: expect.stringMatching(/MB/) });
        break;
      }
      expect(plan.peakBytes).toBeLessThanOrEqual(memoryBytes);
      const ends = plan.groups.map(({ end }) => end);
      expect(plan.groups.map(({ first }) => first)).toEqual([0, ...ends.slice(0, -1)]);
      expect(plan.groups.map(({ last }) => last)).toEqual(ends.map((end) => end === 5));
      expect(ends.at(-1)).toBe(5);
      counts.add(plan.groups.length);
    }
    expect([...counts]).toEqual([1, 2, 3, 5]);
  });

  test('plans no more blocks than the sites need', () => {
    const text = { batchTokens: 10, length: 10, totalTokens: 10 };
    const ends = (sites: readonly Site[]) =>
      planLayers(spec, activationsSize(spec, sites, false, text), LIMITS).groups;
    expect(ends([{ kind: 'resid_post', layer: 1 }])).toEqual([{ first: 0, end: 2, last: true }]);
    expect(ends([])).toEqual([{ first: 0, end: 0, last: true }]);
  });

  test('cuts the text before it gives up, into batches that hold the longest window', () => {
    const long = { ...size, batchTokens: 2048, length: 64, totalTokens: 100_000 };
    const seen = new Set<number>();
    for (let memoryBytes = 400e6; ; memoryBytes *= 0.998) {
      let plan: LayerPlan;
      try {
        plan = planLayers(spec, long, { ...LIMITS, memoryBytes });
      } catch {
        break;
      }
      expect(plan.peakBytes).toBeLessThanOrEqual(memoryBytes);
      expect(plan.batchTokens).toBeGreaterThanOrEqual(64);
      expect(plan.chunkTokens).toBeGreaterThanOrEqual(plan.batchTokens);
      seen.add(plan.batchTokens);
    }
    expect([...seen].sort((a, b) => a - b).slice(0, 2)).toEqual([64, 128]);
  });

  test('counts every thread that maps the weights', () => {
    const one = planLayers(spec, size, LIMITS).peakBytes;
    const two = planLayers(spec, size, { lanes: 2, inFlight: 1 }).peakBytes;
    expect(two - one).toBeGreaterThan(tensorBytes(spec.blocks));
  });
});

/** A plan of single blocks, two texts a chunk. */
function blockByBlock(spec: ModelSpec, chunkTokens: number): LayerPlan {
  const groups = spec.blocks.map(
    (_, i): Span => ({ first: i, end: i + 1, last: i + 1 === spec.blocks.length }),
  );
  return { groups, batchTokens: chunkTokens, chunkTokens, peakBytes: 0 };
}

test.each(['stories260K', 'gemma3', 'bloom', 'bert-masked', 'mpnet', 'opt-350m'])(
  '%s: layer by layer gives the bits of the whole pass',
  async (name) => {
    const { spec, ids, lengths, length } = openGolden(name);
    const layers = spec.blocks.length;
    const logits = spec.head !== undefined;
    const sites: Site[] = [
      { kind: 'embed', layer: 0 },
      { kind: 'resid_pre', layer: 0 },
      { kind: 'attn_z', layer: layers - 1 },
      { kind: 'resid_post', layer: 0 },
      { kind: 'resid_pre', layer: 1 },
      { kind: 'resid_post', layer: layers - 1 },
      { kind: 'final', layer: 0 },
    ];
    const batches = [
      { ids: feed(ids, [lengths.length, length]), lengths: feed(lengths, [lengths.length]) },
      { ids: feed(ids.slice(0, 4), [1, 4]), lengths: feed([4], [1]) },
      { ids: feed(ids.slice(1, 3), [1, 2]), lengths: feed([2], [1]) },
    ];
    const values = async (plan: LayerPlan) => {
      const seen: [string, number, Float32Array][] = [];
      const pass: TextPass = {
        plan,
        width: spec.width,
        graph: (span) =>
          activationsGraph(spec, sites, { logits, positions: length, padded: true, span }),
      };
      await runTextPass(pass, openHere, batches, (outputs, batch) => {
        for (const site of Object.keys(outputs)) {
          if (site !== 'next_state') seen.push([site, batch, f32Output(outputs, site)]);
        }
      });
      return seen.sort(([a, i], [b, j]) => (a < b ? -1 : a > b ? 1 : i - j));
    };
    const size = passOf(spec, ids.length, sites);
    const whole = await values(planLayers(spec, size, LIMITS));
    expect(whole.map(([site, batch]) => `${site} ${batch}`).sort()).toEqual(
      [...sites.map(siteName), ...(logits ? ['logits'] : [])]
        .flatMap((site) => [`${site} 0`, `${site} 1`, `${site} 2`])
        .sort(),
    );
    expect(await values(blockByBlock(spec, 6))).toEqual(whole);
  },
);

describe('passes over text within a bound', () => {
  const { spec } = openModel(`${MODELS}/stories260K`);
  const site = { kind: 'resid_post', layer: 2 } as const;
  const dictionary = randomDictionary(spec.width, 80, 4);
  const windows = Array.from({ length: 40 }, (_, w) =>
    Array.from({ length: 16 }, (_, i) => (i === 0 ? 1 : 3 + ((w * 91 + i * 53) % 500))),
  );

  /** The smallest bound under which `run` goes through, and what it gave there. */
  async function tightest<T>(run: (memoryBytes: number) => Promise<T>): Promise<T> {
    let best: T | undefined;
    for (let memoryBytes = 300e6; ; memoryBytes *= 0.97) {
      try {
        best = await run(memoryBytes);
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'E_LIMIT' });
        if (best === undefined) throw thrown;
        return best;
      }
    }
  }

  test('activations, the SAE pass and the loss are the same', async () => {
    const sites = [site, { kind: 'resid_pre', layer: 1 }] as const;
    const read = await readActivations(spec, sites, windows);
    expect(
      await tightest((bytes) =>
        readActivations(spec, sites, windows, { open: onDevice('cpu', bytes) }),
      ),
    ).toEqual(read);
    const entry = [{ site, dictionary }];
    expect(
      await tightest((bytes) => runCorpus(spec, entry, windows, { open: onDevice('cpu', bytes) })),
    ).toEqual(await runCorpus(spec, entry, windows));
    const loss = await measureRecovery(spec, site, dictionary, windows);
    const bounded = await tightest((bytes) =>
      measureRecovery(spec, site, dictionary, windows, { open: onDevice('cpu', bytes) }),
    );
    expect(bounded.clean).toBeCloseTo(loss.clean, 6);
    expect(bounded.spliced).toBeCloseTo(loss.spliced, 6);
    expect(bounded.zeroed).toBeCloseTo(loss.zeroed, 6);
  });
});
