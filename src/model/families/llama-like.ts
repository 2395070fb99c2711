/**
 * The layout that Llama began and most decoders since have kept: `model.layers.N.self_attn.q_proj` and so on.
 * A relative says only where it differs.
 */
import type { ModelConfig } from '../config.ts';
import {
  activationOf,
  type DecoderSizes,
  decoderHead,
  type HeadGeometry,
  type HeadOptions,
  headGeometry,
  sizesOf,
} from '../describe.ts';
import { type RotaryDefaults, rotaryFromConfig } from '../rotary.ts';
import type {
  Activation,
  AttentionSpec,
  BlockSpec,
  DenseMlpSpec,
  MlpSpec,
  ModelSpec,
  NormSpec,
  QkvSpec,
} from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import type { Family } from './family.ts';

export interface LayerContext extends DecoderSizes, HeadGeometry {
  readonly layer: number;
  /** Tensors of the layer. */
  readonly tensors: TensorScope;
}

type NormRole = 'preAttentionNorm' | 'postAttentionNorm' | 'preMlpNorm' | 'postMlpNorm';

/** Where a model differs from Llama. */
export interface LlamaVariant {
  readonly attentionBias?: boolean;
  readonly outputBias?: boolean;
  readonly mlpBias?: boolean;
  /** Which norm tensor plays which part. */
  readonly norms?: Readonly<Partial<Record<NormRole, string>>>;
  readonly norm?: (tensors: TensorScope, name: string, width: number) => NormSpec;
  readonly arrangement?: BlockSpec['arrangement'];
  /** Of the MLP; by default the config's, or SiLU. */
  readonly activation?: Activation;
  readonly qkv?: (context: LayerContext) => QkvSpec;
  /** Replaces or adds attention fields; `rotary: undefined` takes rotary positions away. */
  readonly attention?: (context: LayerContext) => {
    [Key in keyof AttentionSpec]?: AttentionSpec[Key] | undefined;
  };
  readonly mlp?: (context: LayerContext) => MlpSpec;
  /** Where config.json has none. */
  readonly headDim?: number;
  readonly rotary?: RotaryDefaults;
  /** `self_attn.o_proj` and `norm` unless said otherwise. */
  readonly outputName?: string;
  readonly finalNormName?: string;
  readonly embeddingScale?: number;
  readonly residualScale?: number;
  readonly maxPositions?: number;
  readonly tiedByDefault?: boolean;
  readonly head?: Omit<HeadOptions, 'tiedByDefault'>;
}

const PRE_NORMS = { preAttentionNorm: 'input_layernorm', preMlpNorm: 'post_attention_layernorm' };
const ROOTS = ['model', 'language_model.model', 'model.language_model', ''];

export function llamaLike(
  modelTypes: readonly [string, ...string[]],
  variantOf: (config: ModelConfig) => LlamaVariant,
): Family {
  return {
    modelTypes,
    describe(whole, tensors) {
      // Models of text and images keep the text model's values apart.
      const config = whole.child('text_config') ?? whole;
      return describe(modelTypes[0], config, tensors, variantOf(config));
    },
  };
}

function describe(
  family: string,
  config: ModelConfig,
  tensors: TensorScope,
  variant: LlamaVariant,
): ModelSpec {
  const sizes = sizesOf(config);
  const { width, layers, vocabularySize } = sizes;
  const geometry = headGeometry(config, width, { headDim: variant.headDim });
  const epsilon = config.positive(['rms_norm_eps', 'layer_norm_eps'], 1e-6);
  const norm =
    variant.norm ?? ((scope: TensorScope, name: string) => scope.rmsNorm(name, width, epsilon));
  const body = tensors.firstWith('embed_tokens.weight', ROOTS);

  const block = (layer: number): BlockSpec => {
    const scope = body.at(`layers.${layer}`);
    const context = { ...sizes, ...geometry, layer, tensors: scope };
    const norms = Object.fromEntries(
      Object.entries(variant.norms ?? PRE_NORMS).map(([role, name]) => [
        role,
        norm(scope, name, width),
      ]),
    );
    return {
      arrangement: variant.arrangement ?? 'sequential',
      ...norms,
      attention: attentionOf(config, context, variant),
      mlp: variant.mlp?.(context) ?? denseMlp(config, context, variant),
      ...(variant.residualScale !== undefined && { residualScale: variant.residualScale }),
    };
  };

  const tokens = body.get('embed_tokens.weight', [vocabularySize, width]);
  const scale = variant.embeddingScale;
  const tiedByDefault = variant.tiedByDefault ?? false;
  return {
    family,
    width,
    vocabularySize,
    maxPositions: variant.maxPositions ?? sizes.maxPositions,
    causal: true,
    embedding: { tokens, ...(scale !== undefined && { scale }) },
    blocks: Array.from({ length: layers }, (_, layer) => block(layer)),
    finalNorm: norm(body, variant.finalNormName ?? 'norm', width),
    ...decoderHead(config, tensors, tokens, { ...variant.head, tiedByDefault }),
  };
}

function attentionOf(
  config: ModelConfig,
  context: LayerContext,
  variant: LlamaVariant,
): AttentionSpec {
  const { heads, keyValueHeads, headDim, width, tensors } = context;
  const qkv = variant.qkv?.(context) ?? separateQkv(context, variant.attentionBias ?? false);
  const changes = variant.attention?.(context) ?? {};
  const rotary =
    'rotary' in changes ? undefined : rotaryFromConfig(config, headDim, variant.rotary);
  const spec = {
    heads,
    keyValueHeads,
    headDim,
    qkv,
    output: tensors.linear(variant.outputName ?? 'self_attn.o_proj', width, heads * headDim, {
      bias: variant.outputBias ?? false,
    }),
    scale: headDim ** -0.5,
    rotary,
    ...changes,
  };
  const present = Object.entries(spec).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as unknown as AttentionSpec;
}

function separateQkv(
  { heads, keyValueHeads, headDim, width, tensors }: LayerContext,
  bias: boolean,
): QkvSpec {
  const project = (name: string, count: number) =>
    tensors.linear(`self_attn.${name}`, count * headDim, width, { bias });
  return {
    kind: 'separate',
    query: project('q_proj', heads),
    key: project('k_proj', keyValueHeads),
    value: project('v_proj', keyValueHeads),
  };
}

function denseMlp(
  config: ModelConfig,
  { tensors, width }: LayerContext,
  variant: LlamaVariant,
): DenseMlpSpec {
  const hidden = config.count(['intermediate_size']);
  const bias = variant.mlpBias ?? false;
  return gatedMlp(tensors.at('mlp'), width, hidden, {
    bias,
    activation: variant.activation ?? activationOf(config, 'silu'),
  });
}

/** Gate, up and down projections under `scope`, by default under Llama's names. */
export function gatedMlp(
  scope: TensorScope,
  width: number,
  hidden: number,
  options: {
    readonly activation: Activation;
    readonly bias?: boolean;
    readonly names?: readonly [gate: string, up: string, down: string];
  },
): DenseMlpSpec {
  const [gate, up, down] = options.names ?? ['gate_proj', 'up_proj', 'down_proj'];
  const bias = { bias: options.bias ?? false };
  return {
    kind: 'gated',
    activation: options.activation,
    gate: scope.linear(gate, hidden, width, bias),
    up: scope.linear(up, hidden, width, bias),
    down: scope.linear(down, width, hidden, bias),
    hidden,
  };
}
