/** Llama and its near relatives: RMSNorm before each sublayer, rotary positions, grouped queries, SwiGLU. */
import type { ModelConfig } from '../config.ts';
import { activationOf, headGeometry, linear, MAX_LAYERS, rmsNorm } from '../describe.ts';
import { rotaryFromConfig } from '../rotary.ts';
import type { BlockSpec, ModelSpec } from '../spec.ts';
import type { WeightSet } from '../weights.ts';
import type { Family } from './family.ts';

function describe(config: ModelConfig, weights: WeightSet): ModelSpec {
  const width = config.count(['hidden_size']);
  const hidden = config.count(['intermediate_size']);
  const layers = config.count(['num_hidden_layers'], undefined, MAX_LAYERS);
  const vocabularySize = config.count(['vocab_size']);
  const epsilon = config.number(['rms_norm_eps'], 1e-6);
  const { heads, keyValueHeads, headDim } = headGeometry(config, width);
  const maxPositions = config.count(['max_position_embeddings'], 2048);
  const attentionBias = config.flag(['attention_bias'], false);
  const mlpBias = config.flag(['mlp_bias'], false);
  const rotary = rotaryFromConfig(config, headDim);

  const block = (layer: number): BlockSpec => {
    const prefix = `model.layers.${layer}`;
    const attention = (name: string, out: number, input: number) =>
      linear(weights, `${prefix}.self_attn.${name}`, out, input, attentionBias);
    const mlp = (name: string, out: number, input: number) =>
      linear(weights, `${prefix}.mlp.${name}`, out, input, mlpBias);
    return {
      arrangement: 'sequential',
      preAttentionNorm: rmsNorm(weights, `${prefix}.input_layernorm`, width, epsilon),
      attention: {
        heads,
        keyValueHeads,
        headDim,
        qkv: {
          kind: 'separate',
          query: attention('q_proj', heads * headDim, width),
          key: attention('k_proj', keyValueHeads * headDim, width),
          value: attention('v_proj', keyValueHeads * headDim, width),
        },
        output: attention('o_proj', width, heads * headDim),
        scale: headDim ** -0.5,
        rotary,
      },
      preMlpNorm: rmsNorm(weights, `${prefix}.post_attention_layernorm`, width, epsilon),
      mlp: {
        kind: 'gated',
        activation: activationOf(config),
        gate: mlp('gate_proj', hidden, width),
        up: mlp('up_proj', hidden, width),
        down: mlp('down_proj', width, hidden),
        hidden,
      },
    };
  };

  const tokens = weights.get('model.embed_tokens.weight', [vocabularySize, width]);
  const tied = config.flag(['tie_word_embeddings'], false) || !weights.has('lm_head.weight');
  return {
    family: 'llama',
    width,
    vocabularySize,
    maxPositions,
    causal: true,
    embedding: { tokens },
    blocks: Array.from({ length: layers }, (_, layer) => block(layer)),
    finalNorm: rmsNorm(weights, 'model.norm', width, epsilon),
    head: {
      projection: {
        weight: tied ? tokens : weights.get('lm_head.weight', [vocabularySize, width]),
        layout: 'out-in',
      },
    },
  };
}

export const llama: Family = { modelTypes: ['llama'], describe };
