/** Mixtral: Mistral with a mixture of experts in every layer. */
import { activationOf } from '../describe.ts';
import { expertMlp } from './experts.ts';
import { llamaLike } from './llama-like.ts';

export const mixtral = llamaLike(['mixtral'], (config) => {
  const window = config.optionalCount(['sliding_window']);
  return {
    rotary: { theta: 1e6 },
    attention: () => ({ window }),
    mlp: ({ tensors, width }) =>
      expertMlp(config, tensors.at('block_sparse_moe'), {
        width,
        hidden: config.count(['intermediate_size']),
        activation: activationOf(config, 'silu'),
        normaliseChosen: true,
        names: ['w1', 'w3', 'w2'],
      }),
  };
});
