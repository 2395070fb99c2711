/** OLMo 2: norms only on what each sublayer gives, and on the whole query and key projections. */
import { llamaLike } from './llama-like.ts';

export const olmo2 = llamaLike(['olmo2'], (config) => {
  const epsilon = config.positive(['rms_norm_eps'], 1e-5);
  const bias = config.flag(['attention_bias'], false);
  return {
    attentionBias: bias,
    outputBias: bias,
    norms: {
      postAttentionNorm: 'post_attention_layernorm',
      postMlpNorm: 'post_feedforward_layernorm',
    },
    norm: (tensors, name, width) => tensors.rmsNorm(name, width, epsilon),
    attention: ({ tensors, heads, keyValueHeads, headDim }) => {
      const norm = (name: string, count: number) =>
        ({
          norm: tensors.rmsNorm(`self_attn.${name}`, count * headDim, epsilon),
          over: 'projection',
        }) as const;
      return { queryNorm: norm('q_norm', heads), keyNorm: norm('k_norm', keyValueHeads) };
    },
  };
});
