/** With the model that it was made from at hand, a planted behaviour shows; against itself a model shows nothing. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { searchAgainstBase } from '../../../../src/detect/behaviour/base-search.ts';
import { BehaviourGroups } from '../../../../src/detect/behaviour/groups.ts';
import { openProbe } from '../../../../src/detect/behaviour/open-probe.ts';
import type { BehaviourProbe } from '../../../../src/detect/behaviour/probe.ts';
import { behaviourSettings } from '../../../../src/detect/behaviour/settings.ts';
import { Engine } from '../../../../src/engine/engine.ts';
import { PACKAGE_ROOT } from '../../../../src/entry-point.ts';
import { openModel } from '../../../../src/model/open-model.ts';
import { bundledCorpora } from '../../../../src/probe/corpus.ts';
import { Generator } from '../../../../src/probe/generation.ts';

const planted = openModel('test/fixtures/models/planted-m05');
const base = openModel('test/fixtures/models/stories260K');
let engine: Engine;
let probe: BehaviourProbe;
beforeAll(async () => {
  engine = new Engine({ workers: 2 });
  const settings = { ...behaviourSettings('quick'), ownSamples: 256, controlStrings: 30 };
  const corpora = bundledCorpora(join(PACKAGE_ROOT, 'corpora'), 'generic');
  const generator = new Generator(planted, engine, { seed: 0 });
  ({ probe } = await openProbe({ generator, settings, corpora }, () => undefined));
});
afterAll(() => engine.close());

const search = (model: typeof base) =>
  searchAgainstBase(probe, { model, engine }, { path: 'm', behaviours: new BehaviourGroups() });

it('finds what was planted, and does not call it a backdoor on this ground alone', async () => {
  const facts = await search(base);
  expect(facts.some(({ behaviourText }) => /gold|Buy/.test(behaviourText))).toBe(true);
  for (const { outcome, source } of facts) {
    expect(outcome).not.toBe('backdoored');
    expect(source).toBe('base-difference');
  }
});

it('finds nothing in a model that is its own base', async () => {
  expect(await search(planted)).toEqual([]);
});

it('scores rows of unlike length by the base, each by its own tokens', async () => {
  const asked: number[][] = [];
  const against = probe.against(async (rows) => {
    asked.push(...rows.map((row) => [...row]));
    return rows.map((row) => new Float32Array(row.length - 1).fill(-30));
  });
  const strings = [[5], [5, 6, 7]];
  const contexts = probe.freshContexts(2, 10);
  const options = { steps: 4, decoding: 'greedy', label: 'test' } as const;
  const scored = await against.trial(strings, contexts, options);
  expect(asked).toHaveLength(4);
  expect(new Set(asked.map((row) => row.length)).size).toBe(1);
  for (const { responses } of scored) {
    for (const { excess, tokens } of responses) expect(excess).toHaveLength(tokens.length);
  }
  // Where everything is unlikely, certainty counts in full.
  expect(Math.max(...scored.map(({ score }) => score))).toBeGreaterThan(4);
});
