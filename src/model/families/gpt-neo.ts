/** GPT-Neo: GPT-2 with scores left unscaled and every second layer seeing a window. */
import type { ModelConfig } from '../config.ts';
import { activationOf, decoderHead, headGeometry, sizesOf } from '../describe.ts';
import type { BlockSpec, ModelSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import type { Family } from './family.ts';

/**
 * Which layers see a window: `attention_layers`, or `attention_types`, a list of [pattern, repeats].
 * @throws ScanError `E_MODEL_CONFIG` when they do not name every layer once
 */
function localLayers(config: ModelConfig, layers: number): readonly boolean[] {
  const types = config.raw('attention_types');
  const named =
    config.raw('attention_layers') ?? (types === undefined ? undefined : expand(types, layers));
  const list =
    named ?? Array.from({ length: layers }, (_, i) => (i % 2 === 0 ? 'global' : 'local'));
  if (!Array.isArray(list) || list.length !== layers) {
    throw config.fail(`attention_layers does not name ${layers} layers`);
  }
  return list.map((kind) => {
    if (kind !== 'global' && kind !== 'local') {
      throw config.fail(`unknown attention layer ${JSON.stringify(kind)}`);
    }
    return kind === 'local';
  });
}

/** Stops soon after `limit` entries, however often the config says to repeat. */
function expand(types: unknown, limit: number): unknown[] {
  const list: unknown[] = [];
  for (const entry of Array.isArray(types) ? types : []) {
    const [pattern, repeats] = Array.isArray(entry) ? entry : [];
    if (!Array.isArray(pattern) || pattern.length > limit || typeof repeats !== 'number') return [];
    for (let i = 0; i < repeats && list.length <= limit; i++) list.push(...pattern);
  }
  return list;
}

function describe(config: ModelConfig, tensors: TensorScope): ModelSpec {
  const { width, layers, vocabularySize, maxPositions } = sizesOf(config);
  const { heads, headDim } = headGeometry(config, width);
  const hidden = config.optionalCount(['intermediate_size']) ?? 4 * width;
  const epsilon = config.positive(['layer_norm_epsilon'], 1e-5);
  const window = config.count(['window_size'], 256);
  const local = localLayers(config, layers);
  const body = tensors.firstWith('wte.weight', ['transformer', '']);

  const block = (layer: number): BlockSpec => {
    const scope = body.at(`h.${layer}`);
    const attention = scope.at('attn.attention');
    return {
      arrangement: 'sequential',
      preAttentionNorm: scope.layerNorm('ln_1', width, epsilon),
      attention: {
        heads,
        keyValueHeads: heads,
        headDim,
        qkv: {
          kind: 'separate',
          query: attention.linear('q_proj', width, width),
          key: attention.linear('k_proj', width, width),
          value: attention.linear('v_proj', width, width),
        },
        output: attention.linear('out_proj', width, width, { bias: true }),
        scale: 1,
        ...(local[layer] === true && { window }),
      },
      preMlpNorm: scope.layerNorm('ln_2', width, epsilon),
      mlp: {
        kind: 'plain',
        activation: activationOf(config, 'gelu_new'),
        up: scope.linear('mlp.c_fc', hidden, width, { bias: true }),
        down: scope.linear('mlp.c_proj', width, hidden, { bias: true }),
        hidden,
      },
    };
  };

  const tokens = body.get('wte.weight', [vocabularySize, width]);
  return {
    family: 'gpt_neo',
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

export const gptNeo: Family = { modelTypes: ['gpt_neo'], describe };
