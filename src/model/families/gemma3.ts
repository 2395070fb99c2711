/** Gemma 3 text models: Gemma 2 with normed heads, no caps, five sliding layers to one full, two rotary bases. */

import type { ModelConfig } from '../config.ts';
import { headGeometry, sizesOf, slidingLayers } from '../describe.ts';
import { rotaryFromConfig } from '../rotary.ts';
import type { RotarySpec } from '../spec.ts';
import { gemmaActivation, gemmaNorm } from './gemma.ts';
import { SANDWICH_NORMS } from './gemma2.ts';
import { type LayerContext, llamaLike } from './llama-like.ts';

/** Rotary embedding of sliding and of full layers; old configs scale only the full ones. */
function rotaries(config: ModelConfig, headDim: number): { sliding: RotarySpec; full: RotarySpec } {
  const full = rotaryFromConfig(config, headDim, { theta: 1e6, layerType: 'full_attention' });
  if (config.has('rope_parameters')) {
    const local = { theta: 1e4, layerType: 'sliding_attention' };
    return { sliding: rotaryFromConfig(config, headDim, local), full };
  }
  const local = config.positive(['rope_local_base_freq'], 1e4);
  const plain = config.with({ rope_scaling: null, rope_theta: local });
  return { sliding: rotaryFromConfig(plain, headDim), full };
}

export const gemma3 = llamaLike(['gemma3_text', 'gemma3'], (config) => {
  const { width, layers } = sizesOf(config);
  const { headDim } = headGeometry(config, width, { headDim: 256 });
  const period = config.count(['sliding_window_pattern', '_sliding_window_pattern'], 6);
  const slides = slidingLayers(config, layers, (layer) => (layer + 1) % period !== 0);
  const window = config.count(['sliding_window'], 4096);
  const bias = config.flag(['attention_bias'], false);
  const rotary = rotaries(config, headDim);
  const norm = gemmaNorm(config);
  const headNorm = ({ tensors }: LayerContext, name: string) =>
    ({ norm: norm(tensors, `self_attn.${name}`, headDim), over: 'head' }) as const;
  if (config.flag(['use_bidirectional_attention'], false)) {
    throw config.fail('attention in both directions is not supported');
  }
  return {
    tiedByDefault: true,
    headDim: 256,
    activation: gemmaActivation(config),
    attentionBias: bias,
    outputBias: bias,
    norm,
    norms: SANDWICH_NORMS,
    embeddingScale: Math.sqrt(width),
    attention: (context) => ({
      scale: config.positive(['query_pre_attn_scalar'], 256) ** -0.5,
      softcap: config.optionalPositive('attn_logit_softcapping'),
      queryNorm: headNorm(context, 'q_norm'),
      keyNorm: headNorm(context, 'k_norm'),
      ...(slides[context.layer] === true
        ? { rotary: rotary.sliding, window }
        : { rotary: rotary.full }),
    }),
    head: { softcap: config.optionalPositive('final_logit_softcapping') },
  };
});
