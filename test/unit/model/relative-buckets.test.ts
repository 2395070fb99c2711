import { expect, test } from 'vitest';
import { relativeBuckets } from '../../../src/model/emit/rows.ts';

test('near distances have a bucket each, far ones share, later keys use the other half', () => {
  const buckets = relativeBuckets(32, 128);
  const at = (distance: number) => buckets[distance + 128];
  expect([0, 1, 7].map(at)).toEqual([0, 1, 7]);
  // Eight buckets cover 8 to 128 evenly by logarithm: each step is a factor of 2 to the power of one half.
  expect([8, 11, 12, 15, 16, 22, 23, 64, 127, 128].map(at)).toEqual([
    8, 8, 9, 9, 10, 10, 11, 14, 15, 15,
  ]);
  expect([-1, -7, -8, -128].map(at)).toEqual([17, 23, 24, 31]);
});
