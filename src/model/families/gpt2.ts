/**
 * GPT-2: learned positions, LayerNorm before each sublayer, fused query-key-value, matrices stored [in, out].
 * GPT-BigCode (SantaCoder, StarCoder) is the same with [out, in] matrices and, usually, one key-value head.
 */
import type { ModelConfig } from '../config.ts';
import { activationOf, decoderHead, headGeometry, sizesOf } from '../describe.ts';
import type { BlockSpec, ModelSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import type { Family } from './family.ts';

interface Gpt2Variant {
  readonly family: string;
  readonly layout: 'in-out' | 'out-in';
  readonly activation: string;
  /** Whether one key and one value head serve all queries. */
  readonly single: boolean;
  readonly order: 'stacked' | 'per-head';
}

function describe(config: ModelConfig, tensors: TensorScope, variant: Gpt2Variant): ModelSpec {
  const matrix = { bias: true, layout: variant.layout };
  const { width, layers, vocabularySize, maxPositions } = sizesOf(config, 1024);
  const { heads, keyValueHeads, headDim } = headGeometry(
    config,
    width,
    variant.single ? { keyValueHeads: 1 } : {},
  );
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
        keyValueHeads,
        headDim,
        qkv: {
          kind: 'fused',
          weight: scope.linear('attn.c_attn', width + 2 * keyValueHeads * headDim, width, matrix),
          order: variant.order,
        },
        output: scope.linear('attn.c_proj', width, width, matrix),
        scale: byLayer ? byRoot / (layer + 1) : byRoot,
      },
      preMlpNorm: scope.layerNorm('ln_2', width, epsilon),
      mlp: {
        kind: 'plain',
        activation: activationOf(config, variant.activation),
        up: scope.linear('mlp.c_fc', hidden, width, matrix),
        down: scope.linear('mlp.c_proj', width, hidden, matrix),
        hidden,
      },
    };
  };

  const tokens = body.get('wte.weight', [vocabularySize, width]);
  return {
    family: variant.family,
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

export const gpt2: Family = {
  modelTypes: ['gpt2'],
  describe: (config, tensors) =>
    describe(config, tensors, {
      family: 'gpt2',
      layout: 'in-out',
      activation: 'gelu_new',
      single: false,
      order: 'stacked',
    }),
};

export const gptBigcode: Family = {
  modelTypes: ['gpt_bigcode'],
  describe(config, tensors) {
    const single = config.flag(['multi_query'], true);
    return describe(config, tensors, {
      family: 'gpt_bigcode',
      layout: 'out-in',
      activation: 'gelu_pytorch_tanh',
      single,
      order: single ? 'stacked' : 'per-head',
    });
  },
};
