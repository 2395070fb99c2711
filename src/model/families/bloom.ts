/** BLOOM: no position embeddings but a penalty by distance (ALiBi), and a norm on the embeddings. */
import type { ModelConfig } from '../config.ts';
import { alibiSlopes, decoderHead, headGeometry, sizesOf } from '../describe.ts';
import type { BlockSpec, ModelSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import type { Family } from './family.ts';

const BIAS = { bias: true };

function describe(config: ModelConfig, tensors: TensorScope): ModelSpec {
  const { width, layers, vocabularySize, maxPositions } = sizesOf(config);
  const { heads, headDim } = headGeometry(config, width);
  const hidden = 4 * width;
  const epsilon = config.positive(['layer_norm_epsilon'], 1e-5);
  const normedResidual = config.flag(['apply_residual_connection_post_layernorm'], false);
  const body = tensors.firstWith('word_embeddings.weight', ['transformer', '']);

  const block = (layer: number): BlockSpec => {
    const scope = body.at(`h.${layer}`);
    return {
      arrangement: 'sequential',
      ...(normedResidual && { residualFrom: 'normalised' }),
      modulesAdd: true,
      preAttentionNorm: scope.layerNorm('input_layernorm', width, epsilon),
      attention: {
        heads,
        keyValueHeads: heads,
        headDim,
        qkv: {
          kind: 'fused',
          weight: scope.linear('self_attention.query_key_value', 3 * width, width, BIAS),
          order: 'per-head',
        },
        output: scope.linear('self_attention.dense', width, width, BIAS),
        scale: headDim ** -0.5,
        alibi: { slopes: alibiSlopes(heads), factor: 1 },
      },
      preMlpNorm: scope.layerNorm('post_attention_layernorm', width, epsilon),
      mlp: {
        kind: 'plain',
        activation: 'gelu-tanh',
        up: scope.linear('mlp.dense_h_to_4h', hidden, width, BIAS),
        down: scope.linear('mlp.dense_4h_to_h', width, hidden, BIAS),
        hidden,
      },
    };
  };

  const tokens = body.get('word_embeddings.weight', [vocabularySize, width]);
  return {
    family: 'bloom',
    width,
    vocabularySize,
    maxPositions,
    causal: true,
    embedding: { tokens, norm: body.layerNorm('word_embeddings_layernorm', width, epsilon) },
    blocks: Array.from({ length: layers }, (_, layer) => block(layer)),
    finalNorm: body.layerNorm('ln_f', width, epsilon),
    ...decoderHead(config, tensors, tokens, { tiedByDefault: true }),
  };
}

export const bloom: Family = { modelTypes: ['bloom'], describe };
