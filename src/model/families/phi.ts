/** Phi 1 to 2: attention and a plain MLP in parallel behind one LayerNorm, half of each head rotates. */
import { activationOf } from '../describe.ts';
import { type LayerContext, llamaLike } from './llama-like.ts';

export const phi = llamaLike(['phi'], (config) => {
  const epsilon = config.positive(['layer_norm_eps'], 1e-5);
  const normed = config.flag(['qk_layernorm'], false);
  const headNorm = ({ tensors, headDim }: LayerContext, name: string) =>
    ({ norm: tensors.layerNorm(`self_attn.${name}`, headDim, epsilon), over: 'head' }) as const;
  return {
    attentionBias: true,
    outputBias: true,
    outputName: 'self_attn.dense',
    arrangement: 'parallel',
    norms: { preAttentionNorm: 'input_layernorm' },
    norm: (tensors, name, width) => tensors.layerNorm(name, width, epsilon),
    finalNormName: 'final_layernorm',
    rotary: { share: 0.5 },
    attention: (context) =>
      normed
        ? { queryNorm: headNorm(context, 'q_layernorm'), keyNorm: headNorm(context, 'k_layernorm') }
        : {},
    mlp: ({ tensors, width }) => {
      const hidden = config.optionalCount(['intermediate_size']) ?? 4 * width;
      return {
        kind: 'plain',
        activation: activationOf(config, 'gelu_new'),
        up: tensors.linear('mlp.fc1', hidden, width, { bias: true }),
        down: tensors.linear('mlp.fc2', width, hidden, { bias: true }),
        hidden,
      };
    },
    head: { bias: true },
  };
});
