import { expect, test } from 'vitest';
import { unreadTensorGaps } from '../../../src/scan/unread-tensors.ts';

test('says which tensors no run uses, and not all of a long list', () => {
  expect(unreadTensorGaps([])).toEqual([]);
  expect(unreadTensorGaps(['a.weight', 'b.weight'])).toEqual([
    {
      what: 'behaviour of 2 tensors that the architecture does not use: a.weight, b.weight',
      why: expect.any(String),
    },
  ]);
  const [gap] = unreadTensorGaps(Array.from({ length: 5000 }, (_, i) => `${i}`.padStart(500, 'x')));
  expect(gap?.what).toMatch(/and 4992 more$/);
  expect(gap?.what.length).toBeLessThan(1000);
});
