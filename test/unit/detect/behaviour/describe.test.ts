import { expect, it } from 'vitest';
import { distinctFirst } from '../../../../src/detect/behaviour/describe.ts';

it('shows contexts that differ before those that repeat, each in its order', () => {
  expect(distinctFirst([0, 1, 2, 3, 4], (i) => 'aabab'[i] ?? '')).toEqual([0, 2, 1, 3, 4]);
  expect(distinctFirst([], String)).toEqual([]);
});
