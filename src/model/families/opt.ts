/** OPT: learned positions that start at row two; the 350M model norms after each addition and embeds narrower. */
import type { ModelConfig } from '../config.ts';
import { activationOf, decoderHead, headGeometry, sizesOf } from '../describe.ts';
import type { BlockSpec, ModelSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import type { Family } from './family.ts';

const POSITION_OFFSET = 2;
const EPSILON = 1e-5;

function describe(config: ModelConfig, tensors: TensorScope): ModelSpec {
  const { width, layers, vocabularySize, maxPositions } = sizesOf(config);
  const { heads, headDim } = headGeometry(config, width);
  const hidden = config.count(['ffn_dim']);
  const embeddingWidth = config.optionalCount(['word_embed_proj_dim']) ?? width;
  const normBefore = config.flag(['do_layer_norm_before'], true);
  const bias = { bias: config.flag(['enable_bias'], true) };
  if (!config.flag(['layer_norm_elementwise_affine'], true)) {
    throw config.fail('LayerNorm without gains is not supported');
  }
  const body = tensors.firstWith('embed_tokens.weight', ['model.decoder', 'decoder', '']);

  const block = (layer: number): BlockSpec => {
    const scope = body.at(`layers.${layer}`);
    const attentionNorm = scope.layerNorm('self_attn_layer_norm', width, EPSILON);
    const mlpNorm = scope.layerNorm('final_layer_norm', width, EPSILON);
    return {
      arrangement: 'sequential',
      ...(normBefore
        ? { preAttentionNorm: attentionNorm, preMlpNorm: mlpNorm }
        : { afterAttentionAddNorm: attentionNorm, afterMlpAddNorm: mlpNorm }),
      attention: {
        heads,
        keyValueHeads: heads,
        headDim,
        qkv: {
          kind: 'separate',
          query: scope.linear('self_attn.q_proj', width, width, bias),
          key: scope.linear('self_attn.k_proj', width, width, bias),
          value: scope.linear('self_attn.v_proj', width, width, bias),
        },
        output: scope.linear('self_attn.out_proj', width, width, bias),
        scale: headDim ** -0.5,
      },
      mlp: {
        kind: 'plain',
        activation: activationOf(config, 'relu'),
        up: scope.linear('fc1', hidden, width, bias),
        down: scope.linear('fc2', width, hidden, bias),
        hidden,
      },
    };
  };

  const tokens = body.get('embed_tokens.weight', [vocabularySize, embeddingWidth]);
  const narrow = embeddingWidth !== width;
  const hasFinalNorm = normBefore && !config.flag(['_remove_final_layer_norm'], false);
  return {
    family: 'opt',
    width,
    vocabularySize,
    maxPositions,
    causal: true,
    embedding: {
      tokens,
      positions: {
        table: body.get('embed_positions.weight', [maxPositions + POSITION_OFFSET, width]),
        offset: POSITION_OFFSET,
      },
      ...(narrow && { projection: body.linear('project_in', width, embeddingWidth) }),
    },
    blocks: Array.from({ length: layers }, (_, layer) => block(layer)),
    ...(hasFinalNorm && { finalNorm: body.layerNorm('final_layer_norm', width, EPSILON) }),
    ...(narrow && { finalProjection: body.linear('project_out', embeddingWidth, width) }),
    ...decoderHead(config, tensors, tokens, { tiedByDefault: true }),
  };
}

export const opt: Family = { modelTypes: ['opt'], describe };
