/** MPNet: RoBERTa's layout with a learned bias by distance, shared by all layers. */
import type { ModelConfig } from '../config.ts';
import type { ModelSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import { type EncoderNames, encoderBody, encoderSizes } from './encoder.ts';
import type { Family } from './family.ts';
import { robertaHead } from './roberta.ts';

const NAMES: EncoderNames = {
  layers: 'encoder.layer',
  query: 'attention.attn.q',
  key: 'attention.attn.k',
  value: 'attention.attn.v',
  output: 'attention.attn.o',
  attentionNorm: 'attention.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  mlpNorm: 'output.LayerNorm',
};

/** Positions start at row two, whatever the padding id (transformers, MPNetEmbeddings). */
const POSITION_OFFSET = 2;
const MAX_DISTANCE = 128;

function describe(config: ModelConfig, tensors: TensorScope): ModelSpec {
  const body = tensors.firstWith('embeddings.word_embeddings.weight', ['mpnet', '']);
  const buckets = config.count(['relative_attention_num_buckets'], 32, 1024);
  if (buckets < 4)
    throw config.fail(`relative_attention_num_buckets is ${buckets}, wanted 4 or more`);
  const spec = encoderBody('mpnet', config, body, {
    positionOffset: POSITION_OFFSET,
    tokenTypes: false,
    names: NAMES,
    attention: (heads) => ({
      relativeBias: {
        table: body.get('encoder.relative_attention_bias.weight', [buckets, heads]),
        maxDistance: MAX_DISTANCE,
      },
    }),
  });
  return { ...spec, ...robertaHead(config, tensors, spec, encoderSizes(config)) };
}

export const mpnet: Family = { modelTypes: ['mpnet'], describe };
