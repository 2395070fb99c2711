/** Granite: Llama with four constant factors: on embeddings, scores, what blocks add, and logits. */
import { llamaLike } from './llama-like.ts';

export const granite = llamaLike(['granite'], (config) => {
  const bias = config.flag(['attention_bias'], false);
  return {
    attentionBias: bias,
    outputBias: bias,
    mlpBias: config.flag(['mlp_bias'], false),
    embeddingScale: config.positive(['embedding_multiplier'], 1),
    residualScale: config.positive(['residual_multiplier'], 1),
    attention: () => ({ scale: config.positive(['attention_multiplier'], 1) }),
    head: { scale: 1 / config.positive(['logits_scaling'], 1) },
  };
});
