/** Gemma 2: norms on both sides of each sublayer, capped scores and logits, every second layer sliding. */
import { sizesOf, slidingLayers } from '../describe.ts';
import { gemmaActivation, gemmaNorm } from './gemma.ts';
import { llamaLike } from './llama-like.ts';

export const SANDWICH_NORMS = {
  preAttentionNorm: 'input_layernorm',
  postAttentionNorm: 'post_attention_layernorm',
  preMlpNorm: 'pre_feedforward_layernorm',
  postMlpNorm: 'post_feedforward_layernorm',
};

export const gemma2 = llamaLike(['gemma2'], (config) => {
  const { width, layers } = sizesOf(config);
  const slides = slidingLayers(config, layers, (layer) => layer % 2 === 0);
  const window = config.count(['sliding_window'], 4096);
  const bias = config.flag(['attention_bias'], false);
  return {
    tiedByDefault: true,
    headDim: 256,
    activation: gemmaActivation(config),
    attentionBias: bias,
    outputBias: bias,
    norm: gemmaNorm(config),
    norms: SANDWICH_NORMS,
    embeddingScale: Math.sqrt(width),
    attention: ({ layer }) => ({
      scale: config.positive(['query_pre_attn_scalar'], 256) ** -0.5,
      softcap: config.optionalPositive('attn_logit_softcapping', 50),
      window: slides[layer] ? window : undefined,
    }),
    head: { softcap: config.optionalPositive('final_logit_softcapping', 30) },
  };
});
