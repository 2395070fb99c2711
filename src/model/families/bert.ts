/** BERT: norm after each addition, learned positions, every token sees every other. */
import type { ModelConfig } from '../config.ts';
import type { ModelSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import { encoderBody, encoderSizes } from './encoder.ts';
import type { Family } from './family.ts';

function describe(config: ModelConfig, tensors: TensorScope): ModelSpec {
  const body = tensors.firstWith('embeddings.word_embeddings.weight', ['bert', '']);
  const spec = encoderBody('bert', config, body, { positionOffset: 0, tokenTypes: true });
  return { ...spec, ...headOf(config, tensors, body, spec) };
}

function headOf(
  config: ModelConfig,
  tensors: TensorScope,
  body: TensorScope,
  spec: ModelSpec,
): Pick<ModelSpec, 'head' | 'classifier'> {
  const { width, vocabularySize, epsilon, activation } = encoderSizes(config);
  if (config.architecture.endsWith('ForSequenceClassification')) {
    return {
      classifier: {
        state: 'first',
        dense: body.linear('pooler.dense', width, width, { bias: true }),
        activation: 'tanh',
        projection: tensors.linear('classifier', config.labels.length, width, { bias: true }),
        labels: config.labels,
      },
    };
  }
  const predictions = tensors.at('cls.predictions');
  if (!config.isMaskedModel && !predictions.has('transform.dense.weight')) return {};
  const bias = predictions.has('bias') ? 'bias' : 'decoder.bias';
  return {
    head: {
      transform: {
        dense: predictions.linear('transform.dense', width, width, { bias: true }),
        activation,
        norm: predictions.layerNorm('transform.LayerNorm', width, epsilon),
      },
      projection: {
        weight: config.flag(['tie_word_embeddings'], true)
          ? spec.embedding.tokens
          : predictions.get('decoder.weight', [vocabularySize, width]),
        bias: predictions.get(bias, [vocabularySize]),
        layout: 'out-in',
      },
    },
  };
}

export const bert: Family = { modelTypes: ['bert'], describe };
