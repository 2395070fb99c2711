import { afterAll, expect, test } from 'vitest';
import { Engine } from '../../../src/engine/engine.ts';
import type { LayerPlan } from '../../../src/model/layer-groups.ts';
import type { Model } from '../../../src/model/open-model.ts';
import type { TextFrame, Tokenizer } from '../../../src/model/tokenizer.ts';
import { openWeights } from '../../../src/model/weights.ts';
import { Embedder } from '../../../src/probe/embedder.ts';
import { type GoldenCase, openGolden } from '../../golden/golden-case.ts';

const engine = new Engine({ workers: 2 });
afterAll(() => engine.close());

function modelOf({ spec, folder }: GoldenCase): Model {
  const frame: TextFrame = { before: [1], after: [2] };
  return {
    folder,
    spec,
    weights: openWeights(folder),
    unread: [],
    tokenizer: { frame } as Tokenizer,
  };
}

/** Rows of a fixture without their padding. */
function textsOf({ ids, lengths, length }: GoldenCase): number[][] {
  return lengths.map((count, row) => ids.slice(row * length, row * length + count));
}

test.each(['bert', 'bert-classifier', 'mpnet', 'roberta-classifier'])(
  '%s: each text gets its own reading, whatever shares its batch',
  async (name) => {
    const golden = openGolden(name);
    const { spec, tensors } = golden;
    const embedder = new Embedder(modelOf(golden), engine);
    const few = textsOf(golden);
    const many = Array.from({ length: 200 }, (_, i) => few[(i * 7) % few.length] ?? []);
    const readings = await embedder.readAll(many);
    readings.forEach(({ embedding, classes }, i) => {
      const row = (i * 7) % few.length;
      const check = (key: string, actual: Float32Array | undefined, width: number) => {
        const expected = tensors.get(key)?.data.subarray(row * width, (row + 1) * width) ?? [];
        expect(actual?.length).toBe(width);
        actual?.forEach((value, j) => {
          expect(Math.abs(value - (expected[j] ?? Number.NaN))).toBeLessThan(1e-4);
        });
      };
      check('embedding', embedding, spec.width);
      if (spec.classifier === undefined) expect(classes).toBeUndefined();
      else check('classes', classes, 3);
    });
    expect(embedder.tokens).toBeGreaterThanOrEqual(many.flat().length);
    expect(embedder.tokens).toBeLessThan(1.2 * many.flat().length);
  },
);

test('frames texts, takes none, and refuses one that is empty or too long', async () => {
  const embedder = new Embedder(modelOf(openGolden('bert')), engine, { maxPositions: 5 });
  expect(embedder.framed([7, 8])).toEqual([1, 7, 8, 2]);
  expect(await embedder.readAll([])).toEqual([]);
  await expect(embedder.readAll([[4], []])).rejects.toMatchObject({ code: 'E_LIMIT' });
  await expect(embedder.readAll([[4, 4, 4, 4, 4, 4]])).rejects.toMatchObject({ code: 'E_LIMIT' });
});

/** The fixtures are too small for a bound to cut them: each layer alone, two chunks of text. */
class LayerByLayer extends Embedder {
  override plan(): LayerPlan {
    const { length } = this.model.spec.blocks;
    const groups = Array.from({ length }, (_, i) => ({
      first: i,
      end: i + 1,
      last: i + 1 === length,
    }));
    return { groups, batchTokens: 64, chunkTokens: 256, peakBytes: 0 };
  }
}

test.each(['bert', 'bert-classifier', 'mpnet'])(
  '%s: reads the same layer by layer',
  async (name) => {
    const golden = openGolden(name);
    const model = modelOf(golden);
    const few = textsOf(golden);
    const many = Array.from({ length: 80 }, (_, i) => few[(i * 7) % few.length] ?? []);
    const whole = await new Embedder(model, engine).readAll(many);
    const readings = await new LayerByLayer(model, engine).readAll(many);
    expect(readings).toHaveLength(many.length);
    readings.forEach(({ embedding, classes }, i) => {
      for (const [found, wanted] of [
        [embedding, whole[i]?.embedding],
        [classes, whole[i]?.classes],
      ]) {
        expect(found?.length).toBe(wanted?.length);
        found?.forEach((value, j) => {
          expect(Math.abs(value - (wanted?.[j] ?? Number.NaN))).toBeLessThan(1e-5);
        });
      }
    });
  },
);
