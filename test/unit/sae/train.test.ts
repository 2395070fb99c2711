import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/random.ts';
import { featureVectors } from '../../../src/sae/dictionary.ts';
import { trainSae } from '../../../src/sae/train.ts';

const WIDTH = 16;
const TRUE_FEATURES = 24;

/** Tokens that are sums of two of 24 fixed directions, plus an offset. */
function sparseTokens(count: number, seed: number): { data: Float32Array; truth: Float32Array[] } {
  const random = new Random(seed);
  const truth = Array.from({ length: TRUE_FEATURES }, () => {
    const direction = Float32Array.from({ length: WIDTH }, () => random.normal());
    const norm = Math.hypot(...direction);
    return direction.map((value) => value / norm);
  });
  const data = new Float32Array(count * WIDTH).fill(0.3);
  for (let token = 0; token < count; token++) {
    for (let n = 0; n < 2; n++) {
      const direction = truth[random.below(TRUE_FEATURES)] as Float32Array;
      const size = 1 + random.uniform() * 2;
      for (let j = 0; j < WIDTH; j++) {
        data[token * WIDTH + j] =
          (data[token * WIDTH + j] as number) + size * (direction[j] as number);
      }
    }
  }
  return { data, truth };
}

describe('trainSae', () => {
  it.each(['topk', 'batchtopk'] as const)(
    'finds the directions behind the data (%s)',
    async (sparsity) => {
      const { data, truth } = sparseTokens(6000, 1);
      const { dictionary, quality } = await trainSae(data, WIDTH, {
        featureCount: 32,
        k: 2,
        sparsity,
        steps: 500,
        batchTokens: 256,
        seed: 3,
      });
      expect(quality.explainedVariance).toBeGreaterThan(0.9);
      expect(quality.l0).toBeGreaterThan(1);
      expect(quality.l0).toBeLessThan(2.6);
      const rows = featureVectors(dictionary.decoder, 'features-in', [...Array(32).keys()]);
      const found = truth.filter((direction) =>
        Array.from({ length: 32 }, (_, i) => rows.subarray(i * WIDTH, (i + 1) * WIDTH)).some(
          (row) => direction.reduce((sum, value, j) => sum + value * (row[j] as number), 0) > 0.9,
        ),
      );
      expect(found.length).toBeGreaterThanOrEqual(20);
      for (let i = 0; i < 32; i++) {
        expect(Math.hypot(...rows.subarray(i * WIDTH, (i + 1) * WIDTH))).toBeCloseTo(1, 4);
      }
    },
  );

  it('gives the same bytes for the same seed and others for another', async () => {
    const { data } = sparseTokens(500, 2);
    const options = { featureCount: 20, k: 2, steps: 30, batchTokens: 64 };
    const first = await trainSae(data, WIDTH, { ...options, seed: 1 });
    const again = await trainSae(data, WIDTH, { ...options, seed: 1 });
    const other = await trainSae(data, WIDTH, { ...options, seed: 2 });
    expect(again.dictionary.encoder).toEqual(first.dictionary.encoder);
    expect(other.dictionary.encoder).not.toEqual(first.dictionary.encoder);
  });

  it('revives features that stopped firing', async () => {
    const { data } = sparseTokens(2000, 4);
    const { revivedFeatures } = await trainSae(data, WIDTH, {
      featureCount: 256,
      k: 1,
      steps: 200,
      batchTokens: 64,
    });
    expect(revivedFeatures).toBeGreaterThan(0);
  });

  it('drops skipped, non-finite and outlying tokens', async () => {
    const { data } = sparseTokens(300, 5);
    data.fill(1000, 0, WIDTH);
    data[WIDTH] = Number.NaN;
    const skip = new Uint8Array(300);
    skip[2] = 1;
    const options = { featureCount: 20, k: 2, steps: 10, batchTokens: 64, skip };
    const { droppedTokens } = await trainSae(data, WIDTH, options);
    expect(droppedTokens).toBe(3);
  });

  it('refuses too little data, a bad k and a bad width, and stops when asked', async () => {
    const { data } = sparseTokens(80, 6);
    const options = { featureCount: 8, k: 2, steps: 5 };
    await expect(trainSae(data.subarray(0, WIDTH * 10), WIDTH, options)).rejects.toMatchObject({
      code: 'E_SAE',
    });
    await expect(trainSae(data, WIDTH, { ...options, k: 9 })).rejects.toMatchObject({
      code: 'E_SAE',
    });
    await expect(trainSae(data, 7, options)).rejects.toMatchObject({ code: 'E_SAE' });
    await expect(trainSae(new Float32Array(WIDTH * 80), WIDTH, options)).rejects.toMatchObject({
      code: 'E_SAE',
    });
    await expect(
      trainSae(data, WIDTH, { ...options, isCancelled: () => true }),
    ).rejects.toMatchObject({ code: 'E_INTERRUPTED' });
  });
});
