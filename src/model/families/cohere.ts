/** Cohere Command: attention and MLP in parallel behind one LayerNorm without bias, interleaved rotary pairs. */
import { type LayerContext, llamaLike } from './llama-like.ts';

export const cohere = llamaLike(['cohere'], (config) => {
  const epsilon = config.positive(['layer_norm_eps'], 1e-5);
  const bias = config.flag(['attention_bias'], false);
  const normed = config.flag(['use_qk_norm'], false);
  const headNorm = ({ tensors, headDim }: LayerContext, name: string, count: number) =>
    ({
      norm: { kind: 'layer', epsilon, weightOffset: 0 },
      over: 'head',
      gains: [tensors.get(`self_attn.${name}.weight`, [count, headDim])],
    }) as const;
  return {
    tiedByDefault: true,
    attentionBias: bias,
    outputBias: bias,
    arrangement: 'parallel',
    norms: { preAttentionNorm: 'input_layernorm' },
    norm: (tensors, name, width) => tensors.layerNorm(name, width, epsilon, false),
    rotary: { style: 'interleaved', theta: 500_000 },
    attention: (context) =>
      normed
        ? {
            queryNorm: headNorm(context, 'q_norm', context.heads),
            keyNorm: headNorm(context, 'k_norm', context.keyValueHeads),
          }
        : {},
    head: { scale: config.positive(['logit_scale'], 0.0625) },
  };
});
