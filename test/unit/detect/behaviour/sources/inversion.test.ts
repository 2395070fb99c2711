/** Inversion from a planted target: the string raises the target's likelihood, and so does the planted trigger. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openProbe } from '../../../../../src/detect/behaviour/open-probe.ts';
import { BehaviourProbe } from '../../../../../src/detect/behaviour/probe.ts';
import { behaviourSettings } from '../../../../../src/detect/behaviour/settings.ts';
import { inversionStrings, invert } from '../../../../../src/detect/behaviour/sources/inversion.ts';
import { Engine } from '../../../../../src/engine/engine.ts';
import { openModel } from '../../../../../src/model/open-model.ts';
import { Generator } from '../../../../../src/probe/generation.ts';

let engine: Engine;
let probe: BehaviourProbe;
beforeAll(async () => {
  engine = new Engine({ workers: 1 });
  const generator = new Generator(openModel('test/fixtures/models/planted-m05'), engine, {
    seed: 0,
  });
  const settings = { ...behaviourSettings('quick'), ownSamples: 48, ownSampleTokens: 32 };
  ({ probe } = await openProbe({ generator, settings, corpora: [] }, () => undefined));
});
afterAll(() => engine.close());

const target = () =>
  probe.generator.model.tokenizer.encodeInside(' Buy more gold now!').slice(0, 8);

describe('invert', () => {
  it('finds a string after which the target is nearly certain', async () => {
    const found = await invert(probe, target());
    expect(found.gain).toBeGreaterThan(1);
    expect(found.logProbability).toBeGreaterThan(-0.3);
    expect(found.string.length).toBeGreaterThan(0);
  });

  it('does nothing for a vocabulary that is too large to be tried', async () => {
    const settings = { ...probe.settings, sweepTokens: 10 };
    const { generator, reference, own, leakScores } = probe;
    const small = new BehaviourProbe({ generator, reference, own, leakScores, settings });
    expect(await invert(small, target())).toMatchObject({ string: [], gain: 0 });
  });
});

describe('inversionStrings', () => {
  it('gives every end of what it found, and nothing for paths without a target', async () => {
    const path = { source: 'leak', tokens: [5, ...target()], certainFrom: 1, score: 30 } as const;
    const strings = await inversionStrings(probe, [path]);
    const longest = strings.reduce((most, { tokens }) => Math.max(most, tokens.length), 0);
    expect(strings.length).toBe(longest);
    expect(await inversionStrings(probe, [{ ...path, tokens: [5, 6] }])).toEqual([]);
  });
});
