import { describe, expect, it } from 'vitest';
import { ModelConfig } from '../../../src/model/config.ts';
import { plainFrequencies, rotaryFromConfig } from '../../../src/model/rotary.ts';

const rotary = (values: Record<string, unknown>, headDim = 8) =>
  rotaryFromConfig(new ModelConfig(values, 'config.json'), headDim);

describe('rotaryFromConfig', () => {
  it('reads old and new names alike', () => {
    const old = rotary({ rope_theta: 500, partial_rotary_factor: 0.5 });
    const modern = rotary({ rope_parameters: { rope_theta: 500, partial_rotary_factor: 0.5 } });
    expect(modern).toEqual(old);
    expect(old).toMatchObject({ dims: 4, style: 'half', attentionFactor: 1 });
    expect(old.inverseFrequencies).toEqual([1, 500 ** -0.5]);
  });

  it('scales linearly, and leaves dynamic scaling out', () => {
    const plain = plainFrequencies(10_000, 8);
    const linear = rotary({ rope_scaling: { type: 'linear', factor: 4 } });
    expect(linear.inverseFrequencies).toEqual(plain.map((f) => f / 4));
    const dynamic = rotary({ rope_scaling: { type: 'dynamic', factor: 4 } });
    expect(dynamic.inverseFrequencies).toEqual(plain);
  });

  it('keeps fast dimensions and stretches slow ones as Llama 3 does', () => {
    const scaling = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    };
    const plain = plainFrequencies(500_000, 128);
    const { inverseFrequencies } = rotary({ rope_theta: 500_000, rope_scaling: scaling }, 128);
    expect(inverseFrequencies[0]).toBe(1);
    expect(inverseFrequencies.at(-1)).toBeCloseTo((plain.at(-1) ?? 0) / 8, 12);
    inverseFrequencies.forEach((f, i) => {
      expect(f).toBeLessThanOrEqual((plain[i] ?? 0) + 1e-15);
      expect(f).toBeGreaterThanOrEqual((plain[i] ?? 0) / 8 - 1e-15);
    });
  });

  it.each([
    [{ rope_theta: 0 }],
    [{ rope_theta: 'NaN' }],
    [{ rope_scaling: { type: 'linear', factor: -1 } }],
    [{ rope_scaling: { type: 'unheard-of' } }],
    [{ rope_scaling: { type: 'longrope', short_factor: [1] } }],
    [{ partial_rotary_factor: 0.1 }],
    [{ partial_rotary_factor: 2 }],
    [{ partial_rotary_factor: 0.4 }],
  ])('refuses %j', (values) => {
    expect(() => rotary(values)).toThrow(expect.objectContaining({ code: 'E_MODEL_CONFIG' }));
  });
});
