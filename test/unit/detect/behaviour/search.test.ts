import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Candidate, cutPaths } from '../../../../src/detect/behaviour/search.ts';
import type { Path } from '../../../../src/detect/behaviour/sources/path.ts';
import { differentCandidates } from '../../../../src/detect/behaviour/verify.ts';

const path = (tokens: readonly number[], certainFrom: number, source: Path['source'] = 'leak') => ({
  tokens,
  certainFrom,
  source,
  score: 1,
});

describe('cutPaths', () => {
  it('holds the trigger, whatever its length and its distance to the certain text', () => {
    const tokens = Array.from({ length: 30 }, (_, i) => i);
    const keys = new Set(cutPaths([path(tokens, 16)]).map((cut) => cut.tokens.join()));
    for (const length of [1, 2, 3, 4, 6, 8, 12]) {
      for (const end of [10, 13, 16, 18]) {
        if (length <= end) expect(keys).toContain(tokens.slice(end - length, end).join());
      }
    }
  });

  it('gives distinct runs of the path and reaches at most two tokens into the certain text', () => {
    const tokens = fc.array(fc.nat(5), { minLength: 1, maxLength: 24 });
    fc.assert(
      fc.property(tokens, fc.nat(24), (text, from) => {
        const certainFrom = Math.min(from, text.length);
        const cuts = cutPaths([path(text, certainFrom), path(text, certainFrom)]);
        const keys = cuts.map((cut) => cut.tokens.join());
        expect(new Set(keys).size).toBe(keys.length);
        const reachable = `,${text.slice(0, certainFrom + 2).join()},`;
        for (const { tokens: cut } of cuts) {
          expect(cut.length).toBeGreaterThan(0);
          expect(reachable).toContain(`,${cut.join()},`);
        }
      }),
    );
  });

  it('remembers the first source of a string', () => {
    const [first] = cutPaths([path([5, 6], 1, 'sweep'), path([5, 6], 1, 'leak')]);
    expect(first).toEqual({ tokens: [5], source: 'sweep' });
    expect(cutPaths([])).toEqual([]);
  });
});

describe('differentCandidates', () => {
  const candidate = (tokens: number[]) => ({ tokens }) as unknown as Candidate;

  it('keeps the first of those that share half of their tokens', () => {
    const all = [
      [1, 2, 3],
      [1, 2, 3, 4],
      [3, 2, 1],
      [7, 8],
      [7, 9, 10],
      [8, 7],
    ].map(candidate);
    expect(differentCandidates(all, 5).map(({ tokens }) => tokens)).toEqual([
      [1, 2, 3],
      [7, 8],
      [7, 9, 10],
    ]);
    expect(differentCandidates(all, 1)).toHaveLength(1);
    expect(differentCandidates([], 3)).toEqual([]);
  });
});
