/** Gemma: Llama with gains stored as their difference from one, scaled embeddings, tanh GELU, tied head. */
import type { ModelConfig } from '../config.ts';
import { activationOf, sizesOf } from '../describe.ts';
import type { Activation, NormSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import { llamaLike } from './llama-like.ts';

/** The first configs say `gelu` and mean the tanh form. */
export function gemmaActivation(config: ModelConfig): Activation {
  const activation = activationOf(config, 'gelu_pytorch_tanh');
  return activation === 'gelu' ? 'gelu-tanh' : activation;
}

/** RMSNorm that multiplies by one plus its weight. */
export function gemmaNorm(config: ModelConfig) {
  const epsilon = config.positive(['rms_norm_eps'], 1e-6);
  return (tensors: TensorScope, name: string, width: number): NormSpec =>
    tensors.rmsNorm(name, width, epsilon, 1);
}

export const gemma = llamaLike(['gemma'], (config) => {
  const bias = config.flag(['attention_bias'], false);
  return {
    tiedByDefault: true,
    headDim: 256,
    activation: gemmaActivation(config),
    attentionBias: bias,
    outputBias: bias,
    norm: gemmaNorm(config),
    embeddingScale: Math.sqrt(sizesOf(config).width),
  };
});
