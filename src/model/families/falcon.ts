/** Falcon: parallel blocks with one shared key-value head (7B), grouped heads behind two norms (40B), or ALiBi (RW). */
import type { ModelConfig } from '../config.ts';
import { activationOf, alibiSlopes, decoderHead, headGeometry, sizesOf } from '../describe.ts';
import { rotaryFromConfig } from '../rotary.ts';
import type { BlockSpec, ModelSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import type { Family } from './family.ts';

function describe(config: ModelConfig, tensors: TensorScope): ModelSpec {
  const { width, layers, vocabularySize, maxPositions } = sizesOf(config);
  const grouped = config.flag(['new_decoder_architecture'], false);
  const single = !grouped && config.flag(['multi_query'], true);
  const all = config.count(['num_attention_heads', 'n_head']);
  const { heads, keyValueHeads, headDim } = headGeometry(config, width, {
    keyValueHeads: single ? 1 : grouped ? config.count(['num_kv_heads', 'n_head_kv'], all) : all,
  });
  const hidden = config.count(['ffn_hidden_size'], 4 * width);
  const epsilon = config.positive(['layer_norm_epsilon'], 1e-5);
  const bias = { bias: config.flag(['bias'], false) };
  const parallel = grouped || config.flag(['parallel_attn'], true);
  const twoNorms = grouped && (config.optionalCount(['num_ln_in_parallel_attn']) ?? 2) === 2;
  const scale = headDim ** -0.5;
  // Here the penalty is added before scores are scaled.
  const positions = config.flag(['alibi'], false)
    ? { alibi: { slopes: alibiSlopes(heads), factor: scale, rounded: 'bfloat16' } as const }
    : { rotary: rotaryFromConfig(config, headDim) };
  const body = tensors.firstWith('word_embeddings.weight', ['transformer', '']);

  const block = (layer: number): BlockSpec => {
    const scope = body.at(`h.${layer}`);
    const norm = (name: string) => scope.layerNorm(name, width, epsilon);
    return {
      arrangement: parallel ? 'parallel' : 'sequential',
      preAttentionNorm: norm(twoNorms ? 'ln_attn' : 'input_layernorm'),
      ...(twoNorms && { preMlpNorm: norm('ln_mlp') }),
      ...(!parallel && { preMlpNorm: norm('post_attention_layernorm') }),
      attention: {
        heads,
        keyValueHeads,
        headDim,
        qkv: {
          kind: 'fused',
          weight: scope.linear(
            'self_attention.query_key_value',
            (heads + 2 * keyValueHeads) * headDim,
            width,
            bias,
          ),
          order: 'grouped',
        },
        output: scope.linear('self_attention.dense', width, heads * headDim, bias),
        scale,
        ...positions,
      },
      mlp: {
        kind: 'plain',
        activation: activationOf(config, 'gelu'),
        up: scope.linear('mlp.dense_h_to_4h', hidden, width, bias),
        down: scope.linear('mlp.dense_4h_to_h', width, hidden, bias),
        hidden,
      },
    };
  };

  const tokens = body.get('word_embeddings.weight', [vocabularySize, width]);
  return {
    family: 'falcon',
    width,
    vocabularySize,
    maxPositions,
    causal: true,
    embedding: { tokens },
    blocks: Array.from({ length: layers }, (_, layer) => block(layer)),
    finalNorm: body.layerNorm('ln_f', width, epsilon),
    ...decoderHead(config, tensors, tokens, { tiedByDefault: true }),
  };
}

export const falcon: Family = { modelTypes: ['falcon'], describe };
