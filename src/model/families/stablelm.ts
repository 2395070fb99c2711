/** StableLM: Llama with LayerNorm, a quarter of each head rotating, optionally parallel, optionally normed heads. */
import { type LayerContext, llamaLike } from './llama-like.ts';

export const stablelm = llamaLike(['stablelm'], (config) => {
  const epsilon = config.positive(['layer_norm_eps'], 1e-5);
  const parallel = config.flag(['use_parallel_residual'], false);
  const normed = config.flag(['qk_layernorm'], false);
  const headNorm = ({ tensors, headDim }: LayerContext, name: string, count: number) =>
    ({
      norm: { kind: 'layer', epsilon, weightOffset: 0 },
      over: 'head',
      gains: Array.from({ length: count }, (_, head) =>
        tensors.get(`self_attn.${name}.norms.${head}.weight`, [headDim]),
      ),
    }) as const;
  return {
    attentionBias: config.flag(['use_qkv_bias'], false),
    arrangement: parallel ? 'parallel' : 'sequential',
    norms: {
      preAttentionNorm: 'input_layernorm',
      ...(!parallel && { preMlpNorm: 'post_attention_layernorm' }),
    },
    norm: (tensors, name, width) => tensors.layerNorm(name, width, epsilon),
    rotary: { share: 0.25 },
    attention: (context) =>
      normed
        ? {
            queryNorm: headNorm(context, 'q_layernorm', context.heads),
            keyNorm: headNorm(context, 'k_layernorm', context.keyValueHeads),
          }
        : {},
  };
});
