import { describe, expect, test } from 'vitest';
import { openModel } from '../../../src/model/open-model.ts';
import { planGeneration, usualRows } from '../../../src/probe/generation-memory.ts';

const { spec } = openModel('test/fixtures/models/stories260K');
/** Of GPT-2-small's shape, so that the weights are what counts. */
const large = {
  ...spec,
  vocabularySize: 50_257,
  blocks: Array.from({ length: 12 }, (_, layer) => ({
    ...spec.blocks[layer % 5],
    weightsOf: { name: `block ${layer}`, byteLength: 28_000_000 },
  })) as unknown as typeof spec.blocks,
};

describe('planGeneration', () => {
  test('takes the usual batches and all threads without a bound', () => {
    const plan = planGeneration(spec, { positions: 160, workers: 4 });
    expect(plan).toMatchObject({ workers: 4, rows: usualRows(spec) });
  });

  test('gives up threads, then rows, and keeps the bound', () => {
    const whole = planGeneration(large, { positions: 160, workers: 3 });
    const seen: [number, number][] = [];
    for (let memoryBytes = whole.peakBytes; ; memoryBytes *= 0.97) {
      try {
        const plan = planGeneration(large, { positions: 160, workers: 3, memoryBytes });
        expect(plan.peakBytes).toBeLessThanOrEqual(memoryBytes);
        seen.push([plan.workers, plan.rows]);
      } catch (thrown) {
        expect(thrown).toMatchObject({
          code: 'E_LIMIT',
          message: expect.stringContaining('cannot run in groups of layers'),
          hint: expect.stringMatching(/^Give --memory \d+MB or more\.$/),
        });
        const needed = Number(/(\d+)MB/.exec(String((thrown as { hint?: string }).hint))?.[1]);
        const least = planGeneration(large, {
          positions: 160,
          workers: 3,
          memoryBytes: needed * 1e6,
        });
        expect(least.workers).toBe(1);
        break;
      }
    }
    expect(new Set(seen.map(([workers]) => workers))).toEqual(new Set([3, 2, 1]));
    expect(seen.map(([workers]) => workers)).toEqual(
      seen.map(([workers]) => workers).sort((a, b) => b - a),
    );
  });
});
