/** Llama: RMSNorm before each sublayer, rotary positions, grouped queries, SwiGLU. */
import { llamaLike } from './llama-like.ts';

export const llama = llamaLike(['llama'], (config) => ({
  attentionBias: config.flag(['attention_bias'], false),
  outputBias: config.flag(['attention_bias'], false),
  mlpBias: config.flag(['mlp_bias'], false),
}));
