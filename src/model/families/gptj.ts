/** GPT-J: attention and MLP in parallel behind one norm, interleaved rotary pairs, a head with a bias. */
import type { ModelConfig } from '../config.ts';
import { activationOf, decoderHead, headGeometry, sizesOf } from '../describe.ts';
import { plainFrequencies } from '../rotary.ts';
import type { BlockSpec, ModelSpec, RotarySpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import type { Family } from './family.ts';

function rotaryOf(config: ModelConfig, headDim: number): RotarySpec {
  const given = config.raw('rotary_dim') === undefined ? 64 : config.optionalCount(['rotary_dim']);
  const dims = given ?? headDim;
  if (dims % 2 !== 0 || dims > headDim) {
    throw config.fail(`${dims} of ${headDim} head dimensions cannot rotate`);
  }
  const inverseFrequencies = plainFrequencies(10_000, dims);
  return { dims, inverseFrequencies, style: 'interleaved', attentionFactor: 1 };
}

function describe(config: ModelConfig, tensors: TensorScope): ModelSpec {
  const { width, layers, vocabularySize, maxPositions } = sizesOf(config);
  const { heads, headDim } = headGeometry(config, width);
  const hidden = config.optionalCount(['n_inner']) ?? 4 * width;
  const epsilon = config.positive(['layer_norm_epsilon'], 1e-5);
  const rotary = rotaryOf(config, headDim);
  const body = tensors.firstWith('wte.weight', ['transformer', '']);

  const block = (layer: number): BlockSpec => {
    const scope = body.at(`h.${layer}`);
    const square = (name: string) => scope.linear(`attn.${name}`, width, width);
    return {
      arrangement: 'parallel',
      preAttentionNorm: scope.layerNorm('ln_1', width, epsilon),
      attention: {
        heads,
        keyValueHeads: heads,
        headDim,
        qkv: {
          kind: 'separate',
          query: square('q_proj'),
          key: square('k_proj'),
          value: square('v_proj'),
        },
        output: square('out_proj'),
        scale: headDim ** -0.5,
        rotary,
      },
      mlp: {
        kind: 'plain',
        activation: activationOf(config, 'gelu_new'),
        up: scope.linear('mlp.fc_in', hidden, width, { bias: true }),
        down: scope.linear('mlp.fc_out', width, hidden, { bias: true }),
        hidden,
      },
    };
  };

  const tokens = body.get('wte.weight', [vocabularySize, width]);
  return {
    family: 'gptj',
    width,
    vocabularySize,
    maxPositions,
    causal: true,
    embedding: { tokens },
    blocks: Array.from({ length: layers }, (_, layer) => block(layer)),
    finalNorm: body.layerNorm('ln_f', width, epsilon),
    ...decoderHead(config, tensors, tokens, { tiedByDefault: false, bias: true }),
  };
}

export const gptj: Family = { modelTypes: ['gptj'], describe };
