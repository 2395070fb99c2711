/** Shared vocabulary of the family files: sizes, head geometry, activations, layer patterns, heads. */
import type { LocatedTensor } from '../artifact/tensor.ts';
import type { ModelConfig } from './config.ts';
import type { Activation, ModelSpec } from './spec.ts';
import type { TensorScope } from './tensor-scope.ts';

/** Above any published model; a config that claims more is refused before anything is sized by it. */
export const MAX_LAYERS = 1024;
const MAX_HEADS = 4096;
const MAX_HEAD_DIM = 8192;

export interface DecoderSizes {
  readonly width: number;
  readonly layers: number;
  readonly vocabularySize: number;
  readonly maxPositions: number;
}

/** Sizes under the names that transformers uses, newest first. */
export function sizesOf(config: ModelConfig, defaultPositions = 2048): DecoderSizes {
  return {
    width: config.count(['hidden_size', 'n_embd', 'n_embed', 'dim']),
    layers: config.count(
      ['num_hidden_layers', 'n_layer', 'num_layers', 'n_layers'],
      undefined,
      MAX_LAYERS,
    ),
    vocabularySize: config.count(['vocab_size']),
    maxPositions: config.count(
      ['max_position_embeddings', 'n_positions', 'n_ctx', 'seq_length'],
      defaultPositions,
    ),
  };
}

export interface HeadGeometry {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
}

/**
 * @param fallback what a family says where config.json has no such key, or names it in its own way
 * @throws ScanError `E_MODEL_CONFIG` when heads do not divide the width or each other
 */
export function headGeometry(
  config: ModelConfig,
  width: number,
  fallback: { readonly keyValueHeads?: number; readonly headDim?: number | undefined } = {},
): HeadGeometry {
  const heads = config.count(
    ['num_attention_heads', 'n_head', 'num_heads', 'n_heads'],
    undefined,
    MAX_HEADS,
  );
  const keyValueHeads =
    fallback.keyValueHeads ?? config.count(['num_key_value_heads'], heads, MAX_HEADS);
  if (heads % keyValueHeads !== 0) {
    throw config.fail(`${heads} heads cannot share ${keyValueHeads} key-value heads`);
  }
  if (config.has('head_dim') || fallback.headDim !== undefined) {
    const headDim = config.count(['head_dim'], fallback.headDim, MAX_HEAD_DIM);
    return { heads, keyValueHeads, headDim };
  }
  if (width % heads !== 0) throw config.fail(`${heads} heads do not divide width ${width}`);
  return { heads, keyValueHeads, headDim: width / heads };
}

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_fast: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  quick_gelu: 'quick-gelu',
  relu: 'relu',
  tanh: 'tanh',
};

const ACTIVATION_KEYS = ['hidden_act', 'hidden_activation', 'activation_function', 'activation'];

export function activationOf(
  config: ModelConfig,
  fallback: string,
  keys: readonly string[] = ACTIVATION_KEYS,
): Activation {
  const name = config.string(keys, fallback);
  const activation = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (activation === undefined) throw config.fail(`unknown activation ${JSON.stringify(name)}`);
  return activation;
}

/**
 * Whether each layer slides, from `layer_types` or else from the family's own pattern.
 * @throws ScanError `E_MODEL_CONFIG` for a kind of layer that is not attention
 */
export function slidingLayers(
  config: ModelConfig,
  layers: number,
  pattern: (layer: number) => boolean,
): readonly boolean[] {
  const types = config.raw('layer_types');
  if (types === undefined || types === null)
    return Array.from({ length: layers }, (_, i) => pattern(i));
  if (!Array.isArray(types) || types.length !== layers) {
    throw config.fail(`layer_types does not name ${layers} layers`);
  }
  return types.map((type) => {
    if (type === 'sliding_attention') return true;
    if (type === 'full_attention') return false;
    throw config.fail(`unknown layer type ${JSON.stringify(type)}`);
  });
}

/** ALiBi slopes (Press et al. 2022); between powers of two, every second slope of the next one. */
export function alibiSlopes(heads: number): number[] {
  const power = 2 ** Math.floor(Math.log2(heads));
  const slopes = (count: number) =>
    Array.from({ length: count }, (_, i) => 2 ** ((-8 * (i + 1)) / count));
  const extra = slopes(2 * power).filter((_, i) => i % 2 === 0);
  return [...slopes(power), ...extra.slice(0, heads - power)];
}

export interface HeadOptions {
  readonly tiedByDefault: boolean;
  /** `lm_head` unless the family says otherwise. */
  readonly name?: string;
  readonly bias?: boolean;
  readonly softcap?: number | undefined;
  readonly scale?: number;
}

/**
 * Language-model head or last-token classifier of a decoder, whichever its tensors and `architectures` say;
 * neither for a bare body.
 */
export function decoderHead(
  config: ModelConfig,
  root: TensorScope,
  tokens: LocatedTensor,
  options: HeadOptions,
): Pick<ModelSpec, 'head' | 'classifier'> {
  const [vocabularySize = 0, embeddingWidth = 0] = tokens.shape;
  const architecture = config.architecture;
  if (architecture.endsWith('ForSequenceClassification')) {
    const { labels } = config;
    const projection = root.linear('score', labels.length, embeddingWidth);
    return { classifier: { state: 'last', projection, labels } };
  }
  const name = options.name ?? 'lm_head';
  const tied = config.flag(['tie_word_embeddings'], options.tiedByDefault);
  const bare =
    !root.has(`${name}.weight`) && /Model$/.test(architecture) && !/LMHead/.test(architecture);
  if (bare) return {};
  const { softcap, scale } = options;
  const bias = options.bias === true ? { bias: root.get(`${name}.bias`, [vocabularySize]) } : {};
  const weight = tied ? tokens : root.get(`${name}.weight`, [vocabularySize, embeddingWidth]);
  return {
    head: {
      projection: { weight, ...bias, layout: 'out-in' },
      ...(softcap !== undefined && { softcap }),
      ...(scale !== undefined && { scale }),
    },
  };
}
