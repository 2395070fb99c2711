/** GPT-2: learned positions, LayerNorm before each sublayer, fused query-key-value, matrices stored [in, out]. */
import type { ModelConfig } from '../config.ts';
import { activationOf, decoderHead, headGeometry, sizesOf } from '../describe.ts';
import type { BlockSpec, ModelSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import type { Family } from './family.ts';

const CONV1D = { bias: true, layout: 'in-out' } as const;

function describe(config: ModelConfig, tensors: TensorScope): ModelSpec {
  const { width, layers, vocabularySize, maxPositions } = sizesOf(config, 1024);
  const { heads, headDim } = headGeometry(config, width);
  const hidden = config.optionalCount(['n_inner']) ?? 4 * width;
  const epsilon = config.positive(['layer_norm_epsilon'], 1e-5);
  const body = tensors.firstWith('wte.weight', ['transformer', '']);
  const byRoot = config.flag(['scale_attn_weights'], true) ? headDim ** -0.5 : 1;
  const byLayer = config.flag(['scale_attn_by_inverse_layer_idx'], false);

  const block = (layer: number): BlockSpec => {
    const scope = body.at(`h.${layer}`);
    return {
      arrangement: 'sequential',
      preAttentionNorm: scope.layerNorm('ln_1', width, epsilon),
      attention: {
        heads,
        keyValueHeads: heads,
        headDim,
        qkv: {
          kind: 'fused',
          weight: scope.linear('attn.c_attn', 3 * width, width, CONV1D),
          order: 'stacked',
        },
        output: scope.linear('attn.c_proj', width, width, CONV1D),
        scale: byLayer ? byRoot / (layer + 1) : byRoot,
      },
      preMlpNorm: scope.layerNorm('ln_2', width, epsilon),
      mlp: {
        kind: 'plain',
        activation: activationOf(config, 'gelu_new'),
        up: scope.linear('mlp.c_fc', hidden, width, CONV1D),
        down: scope.linear('mlp.c_proj', width, hidden, CONV1D),
        hidden,
      },
    };
  };

  const tokens = body.get('wte.weight', [vocabularySize, width]);
  return {
    family: 'gpt2',
    width,
    vocabularySize,
    maxPositions,
    causal: true,
    embedding: {
      tokens,
      positions: { table: body.get('wpe.weight', [maxPositions, width]), offset: 0 },
    },
    blocks: Array.from({ length: layers }, (_, layer) => block(layer)),
    finalNorm: body.layerNorm('ln_f', width, epsilon),
    ...decoderHead(config, tensors, tokens, { tiedByDefault: true }),
  };
}

export const gpt2: Family = { modelTypes: ['gpt2'], describe };
