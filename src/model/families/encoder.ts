/** What BERT and its relatives share: post-norm blocks over learned positions, seen from both sides. */
import type { ModelConfig } from '../config.ts';
import { activationOf, headGeometry, sizesOf } from '../describe.ts';
import type { Activation, AttentionSpec, BlockSpec, ModelSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';

/** Names of a block's parts; BERT's unless said otherwise. */
export interface EncoderNames {
  readonly layers: string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly output: string;
  readonly attentionNorm: string;
  readonly up: string;
  readonly down: string;
  readonly mlpNorm: string;
}

export const BERT_NAMES: EncoderNames = {
  layers: 'encoder.layer',
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  output: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  mlpNorm: 'output.LayerNorm',
};

export interface EncoderOptions {
  /** A token at position p reads row p + offset of the position table. */
  readonly positionOffset: number;
  readonly tokenTypes: boolean;
  readonly names?: EncoderNames;
  readonly attention?: (heads: number) => Partial<AttentionSpec>;
}

export interface EncoderSizes {
  readonly width: number;
  readonly hidden: number;
  readonly layers: number;
  readonly vocabularySize: number;
  /** Rows of the position table. */
  readonly positionRows: number;
  readonly epsilon: number;
  readonly activation: Activation;
}

export function encoderSizes(config: ModelConfig): EncoderSizes {
  const { maxPositions, ...sizes } = sizesOf(config, 512);
  return {
    ...sizes,
    positionRows: maxPositions,
    hidden: config.count(['intermediate_size', 'hidden_dim']),
    epsilon: config.positive(['layer_norm_eps'], 1e-12),
    activation: activationOf(config, 'gelu'),
  };
}

/** The encoder without heads; pooled as sentence-transformers does unless the folder says otherwise. */
export function encoderBody(
  family: string,
  config: ModelConfig,
  body: TensorScope,
  options: EncoderOptions,
): ModelSpec {
  const { width, hidden, layers, vocabularySize, positionRows, epsilon, activation } =
    encoderSizes(config);
  const { heads, headDim } = headGeometry(config, width);
  refuseUnsupported(config);
  const maxPositions = positionRows - options.positionOffset;
  if (maxPositions < 1) throw config.fail(`${positionRows} position rows leave no position`);
  const names = options.names ?? BERT_NAMES;
  const bias = { bias: true };

  const block = (layer: number): BlockSpec => {
    const scope = body.at(`${names.layers}.${layer}`);
    const square = (name: string) => scope.linear(name, width, width, bias);
    return {
      arrangement: 'sequential',
      attention: {
        heads,
        keyValueHeads: heads,
        headDim,
        qkv: {
          kind: 'separate',
          query: square(names.query),
          key: square(names.key),
          value: square(names.value),
        },
        output: square(names.output),
        scale: headDim ** -0.5,
        ...options.attention?.(heads),
      },
      afterAttentionAddNorm: scope.layerNorm(names.attentionNorm, width, epsilon),
      mlp: {
        kind: 'plain',
        activation,
        up: scope.linear(names.up, hidden, width, bias),
        down: scope.linear(names.down, width, hidden, bias),
        hidden,
      },
      afterMlpAddNorm: scope.layerNorm(names.mlpNorm, width, epsilon),
    };
  };

  const embeddings = body.at('embeddings');
  const typeCount = config.count(['type_vocab_size'], 2, 1000);
  return {
    family,
    width,
    vocabularySize,
    maxPositions,
    causal: false,
    embedding: {
      tokens: embeddings.get('word_embeddings.weight', [vocabularySize, width]),
      positions: {
        table: embeddings.get('position_embeddings.weight', [positionRows, width]),
        offset: options.positionOffset,
      },
      ...(options.tokenTypes && {
        tokenTypes: embeddings.get('token_type_embeddings.weight', [typeCount, width]),
      }),
      norm: embeddings.layerNorm('LayerNorm', width, epsilon),
    },
    blocks: Array.from({ length: layers }, (_, layer) => block(layer)),
    pooling: { kind: 'mean', normalise: true },
  };
}

function refuseUnsupported(config: ModelConfig): void {
  const positions = config.string(['position_embedding_type'], 'absolute');
  if (positions !== 'absolute') {
    throw config.fail(`position_embedding_type ${JSON.stringify(positions)} is not supported`);
  }
  if (config.flag(['is_decoder'], false) || config.flag(['add_cross_attention'], false)) {
    throw config.fail('an encoder run as a decoder is not supported');
  }
}
