import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomStream } from '../../../src/probe/random.ts';

describe('RandomStream', () => {
  it('depends on seed and label alone', () => {
    const draw = (seed: number, label: string) => [...new RandomStream(seed, label).floats(8)];
    expect(draw(1, 'a')).toEqual(draw(1, 'a'));
    expect(draw(1, 'a')).not.toEqual(draw(2, 'a'));
    expect(draw(1, 'a')).not.toEqual(draw(1, 'b'));
    expect(draw(1, 'ab')).not.toEqual(draw(1, 'ba'));
  });

  it('draws evenly from [0, 1)', () => {
    const values = new RandomStream(0, 'even').floats(20_000);
    const tenths = Array.from({ length: 10 }, () => 0);
    for (const value of values) {
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThanOrEqual(1);
      const tenth = Math.min(9, Math.floor(value * 10));
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    for (const count of tenths) expect(Math.abs(count - 2000)).toBeLessThan(250);
  });

  it('samples distinct elements and leaves the list as it is', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer()), fc.nat(20), fc.nat(), (from, count, seed) => {
        const before = [...from];
        const taken = new RandomStream(seed, 'sample').sample(from, count);
        expect(taken).toHaveLength(Math.min(count, from.length));
        expect(new Set(taken).size).toBe(taken.length);
        for (const one of taken) expect(before).toContain(one);
        expect(from).toEqual(before);
      }),
    );
  });
});
