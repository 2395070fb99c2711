/** Shared vocabulary of the family files: linears, norms, head geometry, activation names. */
import type { ModelConfig } from './config.ts';
import type { Activation, LinearSpec, NormSpec } from './spec.ts';
import type { WeightSet } from './weights.ts';

/** Above any published model; a config that claims more is refused before anything is sized by it. */
export const MAX_LAYERS = 1024;

export function linear(
  weights: WeightSet,
  prefix: string,
  out: number,
  input: number,
  bias: boolean,
): LinearSpec {
  const weight = weights.get(`${prefix}.weight`, [out, input]);
  if (!bias) return { weight, layout: 'out-in' };
  return { weight, bias: weights.get(`${prefix}.bias`, [out]), layout: 'out-in' };
}

export function rmsNorm(
  weights: WeightSet,
  prefix: string,
  width: number,
  epsilon: number,
  weightOffset: 0 | 1 = 0,
): NormSpec {
  return { kind: 'rms', weight: weights.get(`${prefix}.weight`, [width]), epsilon, weightOffset };
}

export interface HeadGeometry {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
}

/** @throws ScanError `E_MODEL_CONFIG` when heads do not divide the width or each other */
export function headGeometry(config: ModelConfig, width: number): HeadGeometry {
  const heads = config.count(['num_attention_heads', 'n_head'], undefined, 4096);
  const keyValueHeads = config.count(['num_key_value_heads'], heads, 4096);
  if (heads % keyValueHeads !== 0) {
    throw config.fail(`${heads} heads cannot share ${keyValueHeads} key-value heads`);
  }
  const explicit = config.raw('head_dim');
  if (explicit === undefined || explicit === null) {
    if (width % heads !== 0) throw config.fail(`${heads} heads do not divide width ${width}`);
    return { heads, keyValueHeads, headDim: width / heads };
  }
  return { heads, keyValueHeads, headDim: config.count(['head_dim'], undefined, 8192) };
}

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_fast: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  quick_gelu: 'quick-gelu',
  relu: 'relu',
};

export function activationOf(config: ModelConfig, fallback = 'silu'): Activation {
  const name = config.string(
    ['hidden_act', 'hidden_activation', 'activation_function', 'activation'],
    fallback,
  );
  const activation = ACTIVATIONS[name];
  if (activation === undefined) throw config.fail(`unknown activation ${JSON.stringify(name)}`);
  return activation;
}
