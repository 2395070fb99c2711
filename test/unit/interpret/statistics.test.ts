import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { interval } from '../../../src/interpret/circuit.ts';
import { contrastFeatures, rankSum } from '../../../src/interpret/contrast.ts';
import { calibrate, monitorPrompts, parseWatch } from '../../../src/interpret/monitor.ts';
import type { PromptFeatures } from '../../../src/interpret/prompt-features.ts';
import { readPairs, readPrompts } from '../../../src/interpret/prompts.ts';

function observed(values: Record<string, readonly number[]>): PromptFeatures {
  const entries = Object.entries(values);
  return {
    prompts: entries[0]?.[1].length ?? 0,
    maxima: new Map(entries.map(([label, list]) => [label, Float32Array.from(list)])),
    tokens: new Map(entries.map(([label, list]) => [label, list.map((_, i) => `t${i}`)])),
  };
}

describe('rankSum', () => {
  it('gives the values of worked examples', () => {
    // By hand: U = 0, mean 8, variance 12, continuity 0.5: z = 7.5 / 3.4641
    expect(rankSum([1, 2, 3, 4], [5, 6, 7, 8]).auc).toBe(0);
    expect(rankSum([1, 2, 3, 4], [5, 6, 7, 8]).pValue).toBeCloseTo(0.0304, 4);
    // By hand: U = 0.5 + 0.5 + 1 + 4; variance 16 / 12 · (9 - 30 / 56); z = 1.5 / 3.3594
    const tied = rankSum([1, 1, 2, 5], [1, 3, 3, 4]);
    expect(tied.auc * 16).toBeCloseTo(6, 10);
    expect(tied.pValue).toBeCloseTo(0.6552, 4);
    expect(rankSum([2, 2], [2, 2])).toEqual({ auc: 0.5, pValue: 1 });
    expect(rankSum([], [1])).toEqual({ auc: 0.5, pValue: 1 });
  });

  it('counts pairs', () => {
    const values = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(values, values, (a, b) => {
        let wins = 0;
        for (const x of a) for (const y of b) wins += x > y ? 1 : x === y ? 0.5 : 0;
        expect(rankSum(a, b).auc).toBeCloseTo(wins / (a.length * b.length), 10);
        const { pValue } = rankSum(a, b);
        expect(pValue).toBeGreaterThanOrEqual(0);
        expect(pValue).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('contrastFeatures', () => {
  it('ranks by distance from chance and corrects over all features', () => {
    const first = observed({ 'a#1': [5, 6, 7, 8, 9, 10], 'a#2': [1, 0, 1, 0, 1, 0] });
    const second = observed({ 'a#2': [0, 1, 0, 1, 0, 1], 'a#3': [2, 0, 0, 0, 0, 0] });
    const ranked = contrastFeatures(first, second);
    expect(ranked.map(({ label }) => label)).toEqual(['a#1', 'a#3', 'a#2']);
    expect(ranked[0]).toMatchObject({ auc: 1, firstShare: 1, secondShare: 0, secondMean: 0 });
    expect(ranked[0]?.qValue).toBeCloseTo((ranked[0]?.pValue ?? 0) * 3, 10);
    expect(ranked[2]).toMatchObject({ auc: 0.5 });
    expect(ranked[2]?.qValue).toBeCloseTo(1, 6);
  });
});

describe('monitor', () => {
  it('alarms strictly above the threshold, prompt by prompt', () => {
    const watched = [
      { label: 'a#1', threshold: 2 },
      { label: 'a#9', threshold: 0 },
    ];
    const records = monitorPrompts(watched, observed({ 'a#1': [1, 2, 3] }));
    expect(records.map(({ alarm }) => alarm)).toEqual([false, false, true]);
    expect(records[2]?.features).toEqual([
      { feature: 'a#1', value: 3, threshold: 2, token: 't2', alarm: true },
      { feature: 'a#9', value: 0, threshold: 0, token: '', alarm: false },
    ]);
  });

  it('takes thresholds from ordinary prompts', () => {
    const ordinary = observed({ 'a#1': [4, 1, 3, 2] });
    expect(calibrate(['a#1', 'a#2'], ordinary, 1)).toEqual([
      { label: 'a#1', threshold: 4 },
      { label: 'a#2', threshold: 0 },
    ]);
    expect(calibrate(['a#1'], ordinary, 0.5)[0]?.threshold).toBe(2);
    expect(calibrate(['a#1'], ordinary, 0)[0]?.threshold).toBe(1);
  });

  it('reads what to watch', () => {
    expect(parseWatch('resid_post.2#17')).toEqual({ label: 'resid_post.2#17' });
    expect(parseWatch('embed#3>0.5')).toEqual({ label: 'embed#3', threshold: 0.5 });
    for (const wrong of ['', 'resid_post.2', '#1', 'a#b', 'a#1>', 'a#1>x', 'a#1>-2']) {
      expect(() => parseWatch(wrong)).toThrow(/names no feature/);
    }
  });
});

describe('interval', () => {
  it('is the mean with its normal 95 % interval', () => {
    expect(interval([0.5])).toEqual({ mean: 0.5, low: 0.5, high: 0.5 });
    const { mean, low, high } = interval([1, 2, 3, 4]);
    expect(mean).toBe(2.5);
    expect(high - mean).toBeCloseTo(1.96 * Math.sqrt(5 / 3 / 4), 10);
    expect(mean - low).toBeCloseTo(high - mean, 10);
  });
});

describe('prompt files', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'narrowfire-prompts-'));
  afterAll(() => rmSync(scratch, { recursive: true }));
  const file = (name: string, content: string): string => {
    const path = join(scratch, name);
    writeFileSync(path, content);
    return path;
  };

  it('are JSON lines with prompt or text, or plain lines', () => {
    const lines = file('a.jsonl', '{"prompt":"one"}\n\n{"text":"two","other":1}\r\n');
    expect(readPrompts(lines)).toEqual(['one', 'two']);
    expect(readPrompts(file('a.txt', 'one\n\n{"x":1}\n'))).toEqual(['one', '{"x":1}']);
    const pairs = file('p.jsonl', '{"clean":"a","corrupt":"b","answer":" x","other":3}\n');
    expect(readPairs(pairs)).toEqual([{ clean: 'a', corrupt: 'b', answer: ' x' }]);
  });

  it.each([
    ['no JSON', '{"prompt":'],
    ['no object', '[1]'],
    ['no text', '{"prompt":1}'],
    ['an empty prompt', '{"prompt":""}'],
    ['nothing at all', '\n\n'],
  ])('with %s are plain errors', (_, content) => {
    expect(() => readPrompts(file('bad.jsonl', content))).toThrow(
      expect.objectContaining({ code: 'E_CORPUS' }),
    );
  });

  it('that are not there are plain errors', () => {
    expect(() => readPrompts(join(scratch, 'nowhere.txt'))).toThrow(
      expect.objectContaining({ code: 'E_NOT_FOUND' }),
    );
  });
});
