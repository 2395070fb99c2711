/** The bench: contexts that are never used twice, matched controls, and order that does not depend on the input's. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BehaviourProbe,
  best,
  compareTokens,
  jaccard,
  uniqueStrings,
} from '../../../../src/detect/behaviour/probe.ts';
import { behaviourSettings } from '../../../../src/detect/behaviour/settings.ts';
import { controlStrings } from '../../../../src/detect/behaviour/verify.ts';
import type { Generator } from '../../../../src/probe/generation.ts';
import type { Reference } from '../../../../src/probe/reference.ts';

const SPECIAL = new Set([0, 1, 2]);
const VOCABULARY = 60;

/** Sample `i` holds tokens that say where they stand; the first ones are quiet. */
function probeOf(samples: number, length: number): BehaviourProbe {
  const model = {
    spec: { vocabularySize: VOCABULARY },
    tokenizer: {
      ...{ bos: 1, eos: [2], special: SPECIAL, vocabularySize: VOCABULARY },
      beginsWord: () => true,
    },
  };
  return new BehaviourProbe({
    generator: { model, seed: 4 } as unknown as Generator,
    reference: {} as Reference,
    own: Array.from({ length: samples }, (_, i) => ({
      tokens: Int32Array.from({ length }, (_, t) => 1000 * i + t),
      probabilities: new Float32Array(length),
    })),
    leakScores: Array.from({ length: samples }, (_, i) => i),
    settings: behaviourSettings('quick'),
  });
}

const sampleOf = (context: readonly number[]) => Math.floor((context[1] ?? 0) / 1000);

describe('freshPassages', () => {
  it('come from behind the openings of samples, whole and never twice', () => {
    const probe = probeOf(40, 60);
    const passages = [...probe.freshPassages(14, 8), ...probe.freshPassages(14, 8)];
    expect(new Set(passages.map(([first]) => Math.floor((first ?? 0) / 1000))).size).toBe(28);
    for (const passage of passages) {
      expect(passage.length).toBe(8);
      expect((passage[0] ?? 0) % 1000).toBeGreaterThanOrEqual(24);
    }
  });

  it('are whole where samples are short', () => {
    for (const passage of probeOf(10, 9).freshPassages(5, 8)) expect(passage.length).toBe(8);
  });
});

describe('freshContexts', () => {
  it('gives a start token and a stretch of quiet own text, each sample once', () => {
    const probe = probeOf(40, 60);
    const contexts = [...probe.freshContexts(20, 18), ...probe.freshContexts(8, 14)];
    for (const context of contexts) {
      expect(context[0]).toBe(1);
      // The 30 % that leak most are left out.
      expect(sampleOf(context)).toBeLessThan(28);
    }
    expect(new Set(contexts.map(sampleOf)).size).toBe(28);
    expect(new Set(contexts.map((context) => context.length))).toEqual(new Set([19, 15]));
  });

  it('goes on at other positions when the samples are spent', () => {
    const probe = probeOf(10, 90);
    const texts = probe.freshContexts(21, 18).map((context) => context.join());
    expect(new Set(texts).size).toBe(21);
  });

  it('gives none without samples', () => {
    expect(probeOf(0, 0).freshContexts(3, 18)).toEqual([]);
  });
});

describe('controlStrings', () => {
  it('are half random tokens, half quiet own text, all of one length, the same every time', () => {
    const probe = probeOf(20, 30);
    const strings = controlStrings(probe, 4, 40);
    expect(strings).toEqual(controlStrings(probe, 4, 40));
    for (const [i, string] of strings.entries()) {
      expect(string).toHaveLength(4);
      if (i % 2 === 0)
        for (const id of string) expect(SPECIAL.has(id) || id >= VOCABULARY).toBe(false);
      else {
        const [first = 0] = string;
        expect(string).toEqual([first, first + 1, first + 2, first + 3]);
        expect(Math.floor(first / 1000)).toBeLessThan(10);
      }
    }
  });

  it('are random tokens alone where no own text is long enough', () => {
    for (const string of controlStrings(probeOf(5, 4), 6, 10)) {
      expect(string).toHaveLength(6);
      for (const id of string) expect(id).toBeLessThan(VOCABULARY);
    }
  });
});

const tokens = fc.array(fc.nat(4), { maxLength: 5 });

describe('order and likeness', () => {
  it('ranks the same whatever order the strings came in', () => {
    const scored = fc.record({ tokens, score: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(scored), fc.nat(5), (all, count) => {
        const ranked = best(all, count);
        expect(ranked).toEqual(best([...all].reverse(), count));
        expect(ranked).toHaveLength(Math.min(count, all.length));
      }),
    );
  });

  it('compares token by token, shorter first', () => {
    expect(compareTokens([1, 2], [1, 3])).toBeLessThan(0);
    expect(compareTokens([1], [1, 0])).toBeLessThan(0);
    expect(compareTokens([2], [1, 9])).toBeGreaterThan(0);
    expect(compareTokens([1, 2], [1, 2])).toBe(0);
  });

  it('measures shared tokens from 0 to 1', () => {
    expect(jaccard([1, 2], [2, 1, 1])).toBe(1);
    expect(jaccard([1, 2], [2, 3])).toBeCloseTo(1 / 3);
    expect(jaccard([1], [2])).toBe(0);
    expect(jaccard([], [])).toBe(0);
  });

  it('drops strings that occur twice', () => {
    expect(uniqueStrings([[1, 2], [1], [1, 2], [12]])).toEqual([[1, 2], [1], [12]]);
  });
});
