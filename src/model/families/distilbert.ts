/** DistilBERT: half of BERT's layers under other names, without token types or pooler. */
import type { ModelConfig } from '../config.ts';
import type { ModelSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import { type EncoderNames, encoderBody, encoderSizes } from './encoder.ts';
import type { Family } from './family.ts';

const NAMES: EncoderNames = {
  layers: 'transformer.layer',
  query: 'attention.q_lin',
  key: 'attention.k_lin',
  value: 'attention.v_lin',
  output: 'attention.out_lin',
  attentionNorm: 'sa_layer_norm',
  up: 'ffn.lin1',
  down: 'ffn.lin2',
  mlpNorm: 'output_layer_norm',
};

function describe(config: ModelConfig, tensors: TensorScope): ModelSpec {
  const { width, vocabularySize, epsilon, activation } = encoderSizes(config);
  const body = tensors.firstWith('embeddings.word_embeddings.weight', ['distilbert', '']);
  const spec = encoderBody('distilbert', config, body, {
    positionOffset: 0,
    tokenTypes: false,
    names: NAMES,
  });
  const dense = (name: string, out: number) => tensors.linear(name, out, width, { bias: true });
  if (config.architecture.endsWith('ForSequenceClassification')) {
    return {
      ...spec,
      classifier: {
        state: 'first',
        dense: dense('pre_classifier', width),
        activation: 'relu',
        projection: dense('classifier', config.labels.length),
        labels: config.labels,
      },
    };
  }
  if (!config.isMaskedModel && !tensors.has('vocab_transform.weight')) return spec;
  return {
    ...spec,
    head: {
      transform: {
        dense: dense('vocab_transform', width),
        activation,
        norm: tensors.layerNorm('vocab_layer_norm', width, epsilon),
      },
      projection: {
        weight: config.flag(['tie_word_embeddings'], true)
          ? spec.embedding.tokens
          : tensors.get('vocab_projector.weight', [vocabularySize, width]),
        bias: tensors.get('vocab_projector.bias', [vocabularySize]),
        layout: 'out-in',
      },
    },
  };
}

export const distilbert: Family = { modelTypes: ['distilbert'], describe };
