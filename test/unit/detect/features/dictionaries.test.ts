import fc from 'fast-check';
import { expect, it } from 'vitest';
import { residualSites } from '../../../../src/detect/features/dictionaries.ts';

it('spreads sites over the layers, the last one always among them', () => {
  expect(residualSites(5, 3).map(({ layer }) => layer)).toEqual([0, 2, 4]);
  expect(residualSites(1, 5).map(({ layer }) => layer)).toEqual([0]);
  expect(residualSites(12, 1).map(({ layer }) => layer)).toEqual([11]);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 8 }),
      (blocks, count) => {
        const layers = residualSites(blocks, count).map(({ layer }) => layer);
        expect(layers).toEqual([...new Set(layers)].sort((a, b) => a - b));
        expect(layers).toHaveLength(Math.min(blocks, count));
        expect(layers.at(-1)).toBe(blocks - 1);
      },
    ),
  );
});
