/** Rotary frequencies from config.json, old keys (`rope_theta`, `rope_scaling`) and new (`rope_parameters`). */
import type { ModelConfig } from './config.ts';
import type { RotarySpec } from './spec.ts';

/**
 * @param headDim dimensions of a head; a `partial_rotary_factor` rotates only the first share of them
 * @throws ScanError `E_MODEL_CONFIG` for a scaling type that is not known
 */
export function rotaryFromConfig(
  config: ModelConfig,
  headDim: number,
  defaults: { theta?: number; share?: number; style?: 'half' | 'interleaved' } = {},
): RotarySpec {
  const modern = config.child('rope_parameters');
  const scaling = modern ?? config.child('rope_scaling');
  const theta =
    modern?.number(['rope_theta'], defaults.theta ?? 10_000) ??
    config.number(['rope_theta', 'rotary_emb_base'], defaults.theta ?? 10_000);
  const share =
    modern?.number(['partial_rotary_factor'], defaults.share ?? 1) ??
    config.number(['partial_rotary_factor', 'rotary_pct'], defaults.share ?? 1);
  const dims = Math.floor(headDim * share);
  if (dims < 2 || dims % 2 !== 0 || dims > headDim) {
    throw config.fail(`${dims} of ${headDim} head dimensions cannot rotate`);
  }
  const plain = Array.from({ length: dims / 2 }, (_, i) => theta ** ((-2 * i) / dims));
  const type = scaling?.string(['rope_type', 'type'], 'default') ?? 'default';
  const style = defaults.style ?? 'half';
  const spec = (inverseFrequencies: number[], attentionFactor = 1): RotarySpec => ({
    dims,
    inverseFrequencies,
    style,
    attentionFactor,
  });
  if (scaling === undefined || type === 'default' || type === 'dynamic') return spec(plain);
  if (type === 'linear') {
    const factor = scaling.number(['factor']);
    return spec(plain.map((f) => f / factor));
  }
  if (type === 'llama3') return spec(llama3Frequencies(plain, scaling));
  throw config.fail(`unknown rotary scaling ${JSON.stringify(type)}`);
}

/** Llama 3.1's smooth interpolation between kept high and stretched low frequencies (meta-llama/llama-models). */
function llama3Frequencies(plain: readonly number[], scaling: ModelConfig): number[] {
  const factor = scaling.number(['factor']);
  const low = scaling.number(['low_freq_factor']);
  const high = scaling.number(['high_freq_factor']);
  const original = scaling.number(['original_max_position_embeddings']);
  return plain.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < original / high) return frequency;
    if (wavelength > original / low) return frequency / factor;
    const smooth = (original / wavelength - low) / (high - low);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}
