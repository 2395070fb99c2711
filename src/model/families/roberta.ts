/** RoBERTa and XLM-RoBERTa: BERT whose positions start after the padding id, with heads of its own. */
import type { ModelConfig } from '../config.ts';
import type { ModelSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import { type EncoderSizes, encoderBody, encoderSizes } from './encoder.ts';
import type { Family } from './family.ts';

function describe(config: ModelConfig, tensors: TensorScope): ModelSpec {
  const body = tensors.firstWith('embeddings.word_embeddings.weight', ['roberta', '']);
  const spec = encoderBody('roberta', config, body, {
    positionOffset: config.index(['pad_token_id'], 1) + 1,
    tokenTypes: true,
  });
  return { ...spec, ...robertaHead(config, tensors, spec, encoderSizes(config)) };
}

/** Classifier or masked-token head, as RoBERTa and MPNet name them. */
export function robertaHead(
  config: ModelConfig,
  tensors: TensorScope,
  spec: ModelSpec,
  { width, vocabularySize, epsilon }: EncoderSizes,
): Pick<ModelSpec, 'head' | 'classifier'> {
  const bias = { bias: true };
  if (config.architecture.endsWith('ForSequenceClassification')) {
    return {
      classifier: {
        state: 'first',
        dense: tensors.linear('classifier.dense', width, width, bias),
        activation: 'tanh',
        projection: tensors.linear('classifier.out_proj', config.labels.length, width, bias),
        labels: config.labels,
      },
    };
  }
  const head = tensors.at('lm_head');
  if (!config.isMaskedModel && !head.has('dense.weight')) return {};
  return {
    head: {
      transform: {
        dense: head.linear('dense', width, width, bias),
        activation: 'gelu',
        norm: head.layerNorm('layer_norm', width, epsilon),
      },
      projection: {
        weight: config.flag(['tie_word_embeddings'], true)
          ? spec.embedding.tokens
          : head.get('decoder.weight', [vocabularySize, width]),
        bias: head.get(head.has('bias') ? 'bias' : 'decoder.bias', [vocabularySize]),
        layout: 'out-in',
      },
    },
  };
}

export const roberta: Family = { modelTypes: ['roberta', 'xlm-roberta', 'camembert'], describe };
