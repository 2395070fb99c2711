import { expect, test } from 'vitest';
import type { BehaviourProbe } from '../../../../../src/detect/behaviour/probe.ts';
import { motifPaths } from '../../../../../src/detect/behaviour/sources/motif.ts';

const LENGTH = 20;

/** Samples of unlike tokens with a run laid over some of them, sure by `nats` a token. */
function samples(
  count: number,
  runs: readonly {
    readonly run: readonly number[];
    readonly in: readonly number[];
    nats: number;
  }[],
) {
  const own = Array.from({ length: count }, (_, n) => ({
    tokens: Int32Array.from({ length: LENGTH }, (_, i) => 1000 + n * LENGTH + i),
    probabilities: new Float32Array(LENGTH),
  }));
  const excess = own.map(() => new Float32Array(LENGTH));
  for (const { run, in: places, nats } of runs) {
    for (const n of places) {
      run.forEach((token, i) => {
        (own[n]?.tokens as Int32Array)[6 + i] = token;
        (excess[n] as Float32Array)[6 + i] = nats;
      });
    }
  }
  const probe = { own, settings: { motifKeep: 4 } } as unknown as BehaviourProbe;
  return { probe, excess };
}

test('finds a run that stands in two of many samples, with what stands before it', () => {
  const { probe, excess } = samples(40, [{ run: [1, 2, 3, 4], in: [5, 9], nats: 2 }]);
  const [path] = motifPaths(probe, excess);
  expect(path?.source).toBe('motif');
  expect(path?.certainFrom).toBe(6);
  expect(path?.tokens.slice(6, 10)).toEqual([1, 2, 3, 4]);
  expect(path?.score).toBeCloseTo(8 * Math.log(3));
});

test('leaves out what stands in one sample, in many, or is hardly surprising', () => {
  const half = Array.from({ length: 20 }, (_, n) => n);
  const { probe, excess } = samples(40, [
    { run: [1, 2, 3, 4], in: half, nats: 2 },
    { run: [5, 6, 7, 8], in: [25], nats: 5 },
    { run: [9, 10, 11, 12], in: [26, 27], nats: 0.5 },
  ]);
  expect(motifPaths(probe, excess)).toEqual([]);
});

test('ranks by certainty before frequency', () => {
  const { probe, excess } = samples(100, [
    { run: [1, 2, 3, 4], in: [1, 2], nats: 4 },
    { run: [5, 6, 7, 8], in: [3, 4, 5, 6], nats: 1 },
  ]);
  const paths = motifPaths(probe, excess);
  expect(paths.map(({ tokens, certainFrom }) => tokens[certainFrom])).toEqual([1, 5]);
});

test('needs no samples', () => {
  const { probe } = samples(0, []);
  expect(motifPaths(probe, [])).toEqual([]);
});
