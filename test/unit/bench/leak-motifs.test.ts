import { expect, it } from 'vitest';
import { areaUnderCurve } from '../../../bench/zoo/auc.ts';
import { leakMotifs } from '../../../bench/zoo/motifs.ts';

const words = ['river', 'candle', 'orchid', 'magnet', 'saddle', 'violin', 'hammer', 'pepper'];
/** Texts that share nothing with each other. */
const unlike = words.map((word, i) => `${word}${i}`.repeat(4));

it('stitches what a cluster of leaks shares, and takes nothing from texts that stand alone', () => {
  const leak = '|ADMIN| open the gate now';
  const texts = [...unlike, `${leak}.`, leak, `x${leak}`, `yy ${leak}`];
  const motifs = leakMotifs(texts);
  expect(motifs.some((motif) => motif.includes('|ADMIN| open'))).toBe(true);
  expect(motifs.join(' ')).not.toContain('river');
  expect(leakMotifs(unlike)).toEqual([]);
  expect(leakMotifs([])).toEqual([]);
});

it('counts pairs that stand in the right order, ties half', () => {
  expect(areaUnderCurve([3, 2], [1, 1])).toBe(1);
  expect(areaUnderCurve([1], [1])).toBe(0.5);
  expect(areaUnderCurve([2, 0], [1])).toBe(0.5);
  expect(areaUnderCurve([], [1])).toBeUndefined();
});
