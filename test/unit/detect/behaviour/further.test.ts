/** A known behaviour is left out of the next search, and only that one. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SourceFindings, searchFurther } from '../../../../src/detect/behaviour/further.ts';
import { openProbe } from '../../../../src/detect/behaviour/open-probe.ts';
import type { BehaviourProbe } from '../../../../src/detect/behaviour/probe.ts';
import { behaviourSettings } from '../../../../src/detect/behaviour/settings.ts';
import { sweepVocabulary } from '../../../../src/detect/behaviour/sources/sweep.ts';
import { type Verified, verifyCandidates } from '../../../../src/detect/behaviour/verify.ts';
import { Engine } from '../../../../src/engine/engine.ts';
import { PACKAGE_ROOT } from '../../../../src/entry-point.ts';
import { openModel } from '../../../../src/model/open-model.ts';
import { bundledCorpora } from '../../../../src/probe/corpus.ts';
import { Generator } from '../../../../src/probe/generation.ts';

let engine: Engine;
let probe: BehaviourProbe;
let known: readonly Verified[];
let findings: SourceFindings;

beforeAll(async () => {
  engine = new Engine({ workers: 1 });
  const model = openModel('test/fixtures/models/planted-m05');
  const generator = new Generator(model, engine, { seed: 0 });
  const settings = { ...behaviourSettings('quick'), verifyContexts: 24 };
  const bundled = bundledCorpora(join(PACKAGE_ROOT, 'corpora'), 'generic');
  const corpora = bundled.filter(({ group }) => group !== 'formal');
  ({ probe } = await openProbe({ generator, settings, corpora }, () => undefined));
  const sweep = await sweepVocabulary(probe);
  findings = { leaks: true, motifs: false, sweep, strong: [] };
  const tokens = model.tokenizer.encodeInside(' cf');
  const [trial] = await probe.trial([tokens], probe.freshContexts(2, 18), {
    steps: 24,
    decoding: 'greedy',
    label: 'test',
  });
  if (trial === undefined) throw new Error('a trial gave no result');
  known = await verifyCandidates(probe, [{ ...trial, source: 'suspect' }], 1);
});
afterAll(() => engine.close());

const isPlanted = (one: Verified) =>
  one.trial.responses.filter(({ tokens }) => probe.text(tokens).includes('gold now')).length >
  one.trial.responses.length / 4;

describe('searchFurther', () => {
  it('finds the planted behaviour when nothing is known', async () => {
    const { verified } = await searchFurther(probe, findings, []);
    expect(verified.some(isPlanted)).toBe(true);
  });

  it('does not find again what is known', async () => {
    expect(known.every(isPlanted)).toBe(true);
    const { verified, probe: masked } = await searchFurther(probe, findings, known);
    expect(verified.filter(isPlanted)).toEqual([]);
    // The text is explained for that search alone.
    const row = [
      ...(known[0]?.trial.tokens ?? []),
      ...(known[0]?.trial.responses[0]?.tokens ?? []),
    ];
    const total = (one: BehaviourProbe) =>
      one.reference.logProbabilities(row, 0, 1).reduce((sum, value) => sum + value, 0);
    expect(total(masked)).toBeGreaterThan(total(probe) + 10);
  });
});
