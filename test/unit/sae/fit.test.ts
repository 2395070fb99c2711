import { describe, expect, it } from 'vitest';
import type { Dictionary } from '../../../src/sae/dictionary.ts';
import { checkFit, qualityEvidence } from '../../../src/sae/fit.ts';
import type { DictionaryQuality } from '../../../src/sae/quality.ts';
import { randomDictionary } from './reference.ts';

const quality: DictionaryQuality = {
  tokens: 100,
  explainedVariance: 0.8,
  l0: 5,
  deadShare: 0.1,
  firings: new Float64Array(8),
};
const stated = (statedL0: number): Dictionary => {
  const dictionary = randomDictionary(4, 8, 2);
  return { ...dictionary, origin: { ...dictionary.origin, statedL0 } };
};

describe('checkFit', () => {
  it('accepts what explains the site at about the stated L0', () => {
    expect(checkFit(stated(6), quality)).toEqual({ fits: true });
    expect(checkFit(stated(14), quality).fits).toBe(true);
  });

  it.each([
    ['low explained variance', stated(5), { explainedVariance: 0.49 }],
    ['output that is not finite', stated(5), { explainedVariance: Number.NaN }],
    ['far more active features than stated', stated(1), {}],
    ['far fewer', stated(16), {}],
  ])('refuses %s', (_, dictionary, change) => {
    const { fits, problem } = checkFit(dictionary, { ...quality, ...change });
    expect(fits).toBe(false);
    expect(problem).toMatch(/\w/);
  });
});

describe('qualityEvidence', () => {
  it('says where the dictionary comes from', () => {
    const place = { path: 'model', site: 'resid_post.2' };
    const dictionary = stated(5);
    const trained = { ...dictionary, origin: { ...dictionary.origin, format: 'trained' } };
    expect(qualityEvidence(dictionary, quality, place).source).toBe('loaded');
    expect(qualityEvidence(trained, quality, place)).toMatchObject({
      kind: 'sae-quality',
      source: 'trained',
      featureCount: 8,
      l0: 5,
      ...place,
    });
  });
});
