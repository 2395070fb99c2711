/** GPT-NeoX and Pythia: attention and MLP in parallel, each behind its own norm; a quarter of each head rotates. */
import type { ModelConfig } from '../config.ts';
import { activationOf, decoderHead, headGeometry, sizesOf } from '../describe.ts';
import { rotaryFromConfig } from '../rotary.ts';
import type { BlockSpec, ModelSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import type { Family } from './family.ts';

function describe(config: ModelConfig, tensors: TensorScope): ModelSpec {
  const { width, layers, vocabularySize, maxPositions } = sizesOf(config);
  const { heads, headDim } = headGeometry(config, width);
  const hidden = config.count(['intermediate_size']);
  const epsilon = config.positive(['layer_norm_eps'], 1e-5);
  const bias = config.flag(['attention_bias'], true);
  const parallel = config.flag(['use_parallel_residual'], true);
  const rotary = rotaryFromConfig(config, headDim, { share: 0.25 });
  const body = tensors.firstWith('embed_in.weight', ['gpt_neox', '']);

  const block = (layer: number): BlockSpec => {
    const scope = body.at(`layers.${layer}`);
    return {
      arrangement: parallel ? 'parallel' : 'sequential',
      preAttentionNorm: scope.layerNorm('input_layernorm', width, epsilon),
      attention: {
        heads,
        keyValueHeads: heads,
        headDim,
        qkv: {
          kind: 'fused',
          weight: scope.linear('attention.query_key_value', 3 * width, width, { bias }),
          order: 'per-head',
        },
        output: scope.linear('attention.dense', width, width, { bias }),
        scale: headDim ** -0.5,
        rotary,
      },
      preMlpNorm: scope.layerNorm('post_attention_layernorm', width, epsilon),
      mlp: {
        kind: 'plain',
        activation: activationOf(config, 'gelu'),
        up: scope.linear('mlp.dense_h_to_4h', hidden, width, { bias: true }),
        down: scope.linear('mlp.dense_4h_to_h', width, hidden, { bias: true }),
        hidden,
      },
    };
  };

  const tokens = body.get('embed_in.weight', [vocabularySize, width]);
  return {
    family: 'gpt_neox',
    width,
    vocabularySize,
    maxPositions,
    causal: true,
    embedding: { tokens },
    blocks: Array.from({ length: layers }, (_, layer) => block(layer)),
    finalNorm: body.layerNorm('final_layer_norm', width, epsilon),
    ...decoderHead(config, tensors, tokens, { tiedByDefault: false, name: 'embed_out' }),
  };
}

export const gptNeox: Family = { modelTypes: ['gpt_neox'], describe };
