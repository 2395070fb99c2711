/** Rotary frequencies from config.json, old keys (`rope_theta`, `rope_scaling`) and new (`rope_parameters`). */
import type { ModelConfig } from './config.ts';
import type { RotarySpec } from './spec.ts';

export interface RotaryDefaults {
  readonly theta?: number;
  /** Share of a head's dimensions that rotates. */
  readonly share?: number;
  readonly style?: 'half' | 'interleaved';
  /** Key of `rope_parameters` that holds this kind of layer's own values (Gemma 3). */
  readonly layerType?: string;
}

interface Scaled {
  readonly inverseFrequencies: readonly number[];
  readonly attentionFactor: number;
}

/**
 * @param headDim dimensions of a head; a `partial_rotary_factor` rotates only the first share of them
 * @throws ScanError `E_MODEL_CONFIG` for a scaling type that is not known
 */
export function rotaryFromConfig(
  config: ModelConfig,
  headDim: number,
  defaults: RotaryDefaults = {},
): RotarySpec {
  const all = config.child('rope_parameters');
  const modern = defaults.layerType === undefined ? all : (all?.child(defaults.layerType) ?? all);
  const scaling = modern ?? config.child('rope_scaling');
  const oldTheta = config.positive(['rope_theta', 'rotary_emb_base'], defaults.theta ?? 10_000);
  const theta = modern?.positive(['rope_theta'], oldTheta) ?? oldTheta;
  const oldShare = config.positive(['partial_rotary_factor', 'rotary_pct'], defaults.share ?? 1);
  const share = modern?.positive(['partial_rotary_factor'], oldShare) ?? oldShare;
  const dims = Math.floor(headDim * share);
  if (dims < 2 || dims % 2 !== 0 || dims > headDim) {
    throw config.fail(`${dims} of ${headDim} head dimensions cannot rotate`);
  }
  return {
    dims,
    style: defaults.style ?? 'half',
    ...scaledFrequencies(config, scaling, theta, dims),
  };
}

export function plainFrequencies(theta: number, dims: number): number[] {
  return Array.from({ length: dims / 2 }, (_, i) => theta ** ((-2 * i) / dims));
}

function scaledFrequencies(
  config: ModelConfig,
  scaling: ModelConfig | undefined,
  theta: number,
  dims: number,
): Scaled {
  const plain = plainFrequencies(theta, dims);
  const type = scaling?.string(['rope_type', 'type'], 'default') ?? 'default';
  // Dynamic scaling changes nothing up to the trained length, and no longer text is run.
  if (scaling === undefined || type === 'default' || type === 'dynamic') {
    return { inverseFrequencies: plain, attentionFactor: 1 };
  }
  switch (type) {
    case 'linear': {
      const factor = scaling.positive(['factor']);
      return { inverseFrequencies: plain.map((f) => f / factor), attentionFactor: 1 };
    }
    case 'llama3':
      return { inverseFrequencies: llama3Frequencies(plain, scaling), attentionFactor: 1 };
    case 'yarn':
      return yarn(config, scaling, plain, theta, dims);
    case 'longrope':
    case 'su':
      return longrope(config, scaling, plain);
    default:
      throw config.fail(`unknown rotary scaling ${JSON.stringify(type)}`);
  }
}

/** Llama 3.1's smooth interpolation between kept high and stretched low frequencies (meta-llama/llama-models). */
function llama3Frequencies(plain: readonly number[], scaling: ModelConfig): number[] {
  const factor = scaling.positive(['factor']);
  const low = scaling.positive(['low_freq_factor']);
  const high = scaling.positive(['high_freq_factor']);
  const original = scaling.positive(['original_max_position_embeddings']);
  return plain.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < original / high) return frequency;
    if (wavelength > original / low) return frequency / factor;
    const smooth = (original / wavelength - low) / (high - low);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}

/** YaRN (arXiv 2309.00071): slow dimensions are interpolated, fast ones kept, with a ramp between. */
function yarn(
  config: ModelConfig,
  scaling: ModelConfig,
  plain: readonly number[],
  theta: number,
  dims: number,
): Scaled {
  const original = originalPositions(config, scaling);
  const factor = scaling.positive(['factor'], maxPositions(config) / original);
  const dimensionOf = (rotations: number) =>
    (dims * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const truncate = scaling.flag(['truncate'], true);
  const fast = dimensionOf(scaling.positive(['beta_fast'], 32));
  const slow = dimensionOf(scaling.positive(['beta_slow'], 1));
  const low = Math.max(truncate ? Math.floor(fast) : fast, 0);
  const high = Math.min(truncate ? Math.ceil(slow) : slow, dims - 1);
  const span = high === low ? 0.001 : high - low;
  const inverseFrequencies = plain.map((frequency, i) => {
    const stretched = Math.min(1, Math.max(0, (i - low) / span));
    return (frequency / factor) * stretched + frequency * (1 - stretched);
  });
  const magnitude = (scale: number) => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  const scale = scaling.number(['mscale'], 0);
  const scaleAll = scaling.number(['mscale_all_dim'], 0);
  const usual =
    scale !== 0 && scaleAll !== 0 ? magnitude(scale) / magnitude(scaleAll) : magnitude(1);
  return { inverseFrequencies, attentionFactor: scaling.positive(['attention_factor'], usual) };
}

/**
 * LongRoPE (arXiv 2402.13753). The factors for short text: a model that has them must be run no longer than
 * `original_max_position_embeddings`, which the family gives as its longest sequence.
 */
function longrope(config: ModelConfig, scaling: ModelConfig, plain: readonly number[]): Scaled {
  const short = scaling.positives('short_factor', plain.length);
  const original = originalPositions(config, scaling);
  const factor = scaling.positive(['factor'], maxPositions(config) / original);
  const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  return {
    inverseFrequencies: plain.map((frequency, i) => frequency / (short[i] ?? 1)),
    attentionFactor: scaling.positive(['attention_factor'], usual),
  };
}

function originalPositions(config: ModelConfig, scaling: ModelConfig): number {
  const key = ['original_max_position_embeddings'];
  return scaling.count(key, config.count(key, maxPositions(config)));
}

function maxPositions(config: ModelConfig): number {
  return config.count(['max_position_embeddings'], 2048);
}
