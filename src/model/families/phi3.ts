/** Phi 3 and 4: Llama with query, key and value in one matrix, and gate and up in another. */
import { activationOf, sizesOf } from '../describe.ts';
import { llamaLike } from './llama-like.ts';

export const phi3 = llamaLike(['phi3'], (config) => {
  const window = config.optionalCount(['sliding_window']);
  const scaling = config.child('rope_parameters') ?? config.child('rope_scaling');
  const type = scaling?.string(['rope_type', 'type'], 'default') ?? 'default';
  const { maxPositions } = sizesOf(config);
  // Beyond this length other frequencies would hold; texts are kept shorter.
  const original = config.count(
    ['original_max_position_embeddings'],
    scaling?.optionalCount(['original_max_position_embeddings']) ?? maxPositions,
  );
  return {
    maxPositions:
      type === 'longrope' || type === 'su' ? Math.min(original, maxPositions) : maxPositions,
    attention: () => ({ window }),
    qkv: ({ tensors, heads, keyValueHeads, headDim, width }) => ({
      kind: 'fused',
      weight: tensors.linear('self_attn.qkv_proj', (heads + 2 * keyValueHeads) * headDim, width),
      order: 'stacked',
    }),
    mlp: ({ tensors, width }) => {
      const hidden = config.count(['intermediate_size']);
      return {
        kind: 'gated',
        activation: activationOf(config, 'silu'),
        up: tensors.linear('mlp.gate_up_proj', 2 * hidden, width),
        fusedGateUp: true,
        down: tensors.linear('mlp.down_proj', width, hidden),
        hidden,
      };
    },
  };
});
