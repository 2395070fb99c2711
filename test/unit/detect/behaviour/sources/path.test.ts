import { expect, it } from 'vitest';
import { distinctPaths, type Path } from '../../../../../src/detect/behaviour/sources/path.ts';

const path = (tokens: number[], certainFrom: number, score: number): Path => ({
  source: 'leak',
  tokens,
  certainFrom,
  score,
});

it('keeps the best of near copies, judged by the certain text alone', () => {
  const best = path([9, 9, 1, 2, 3, 4, 5], 2, 10);
  const copy = path([8, 7, 1, 2, 3, 4, 6], 2, 9);
  const sameLead = path([9, 9, 20, 21, 22], 2, 8);
  const weak = path([30, 31], 0, 7);
  expect(distinctPaths([weak, copy, sameLead, best], 10)).toEqual([best, sameLead, weak]);
  expect(distinctPaths([weak, copy, sameLead, best], 2)).toEqual([best, sameLead]);
  expect(distinctPaths([], 3)).toEqual([]);
});

it('leaves its input as it was', () => {
  const paths = [path([1], 0, 1), path([2], 0, 2)];
  distinctPaths(paths, 2);
  expect(paths.map(({ score }) => score)).toEqual([1, 2]);
});
