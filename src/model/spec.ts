/**
 * Block description: what a family file makes of config.json and tensor names, and all that graph emission
 * knows of a model. Differences between families are data here, never branches in the emitter.
 * Facts on families: TransformerLens and transformers sources.
 */
import type { LocatedTensor } from '../artifact/tensor.ts';

/** y = x W^T + b for `out-in` (torch Linear), y = x W + b for `in-out` (GPT-2's Conv1D). */
export interface LinearSpec {
  readonly weight: LocatedTensor;
  readonly bias?: LocatedTensor;
  readonly layout: 'out-in' | 'in-out';
  /** Eight-bit copy that runs in its place (screening). */
  readonly int8?: Int8Matrix;
}

/** weight[o, i] is about codes[i, o] · scales[o]. */
export interface Int8Matrix {
  /** i8 [in, out] */
  readonly codes: LocatedTensor;
  /** f32 [out] */
  readonly scales: LocatedTensor;
}

export interface NormSpec {
  readonly kind: 'rms' | 'layer';
  /** Absent: no gain. */
  readonly weight?: LocatedTensor;
  readonly bias?: LocatedTensor;
  readonly epsilon: number;
  /** Gemma multiplies by (1 + weight). */
  readonly weightOffset: 0 | 1;
}

export interface RotarySpec {
  /** Leading dimensions of a head that rotate; even. */
  readonly dims: number;
  /** dims / 2 angular frequencies, radians a position. */
  readonly inverseFrequencies: readonly number[];
  readonly style: 'half' | 'interleaved';
  /** Factor on cos and sin (YaRN, longrope). */
  readonly attentionFactor: number;
}

export type QkvSpec =
  | {
      readonly kind: 'separate';
      readonly query: LinearSpec;
      readonly key: LinearSpec;
      readonly value: LinearSpec;
    }
  | {
      readonly kind: 'fused';
      readonly weight: LinearSpec;
      /**
       * Order of the output: all q, all k, all v (`stacked`); q, k, v of head 0, of head 1, … (`per-head`);
       * for each key-value head its q heads, then k, then v (`grouped`).
       */
      readonly order: 'stacked' | 'per-head' | 'grouped';
    };

export interface HeadNormSpec {
  readonly norm: NormSpec;
  /** Over each head's dimensions, or over the whole projection (OLMo 2). */
  readonly over: 'head' | 'projection';
  /** Gains that differ by head, in order, each [headDim] or all in one [heads, headDim]; `norm` then has none. */
  readonly gains?: readonly LocatedTensor[];
}

/** Penalty that grows with distance (Press et al. 2022). */
export interface AlibiSpec {
  /** Of each head. */
  readonly slopes: readonly number[];
  /** Multiplies the penalty. */
  readonly factor: number;
  /** Slopes, positions and their products are rounded as Falcon's training code rounded them. */
  readonly rounded?: 'bfloat16';
}

/** Learned bias by distance (T5, MPNet). */
export interface RelativeBiasSpec {
  /** [buckets, heads] */
  readonly table: LocatedTensor;
  /** Distances at or beyond share the last bucket of their side. */
  readonly maxDistance: number;
}

export interface AttentionSpec {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  readonly qkv: QkvSpec;
  readonly output: LinearSpec;
  /** Multiplies q·k. */
  readonly scale: number;
  readonly rotary?: RotarySpec;
  readonly queryNorm?: HeadNormSpec;
  readonly keyNorm?: HeadNormSpec;
  /** cap * tanh(score / cap). */
  readonly softcap?: number;
  /** A token sees at most this many tokens, itself included. */
  readonly window?: number;
  readonly alibi?: AlibiSpec;
  readonly relativeBias?: RelativeBiasSpec;
}

export type Activation = 'silu' | 'gelu' | 'gelu-tanh' | 'relu' | 'quick-gelu' | 'tanh';

export interface DenseMlpSpec {
  readonly kind: 'gated' | 'plain';
  readonly activation: Activation;
  /** Only for `gated`. */
  readonly gate?: LinearSpec;
  readonly up: LinearSpec;
  readonly down: LinearSpec;
  /** Width of the hidden layer; needed to split a fused gate and up projection. */
  readonly hidden: number;
  /** `up` holds gate rows, then up rows (Phi-3). */
  readonly fusedGateUp?: boolean;
}

export interface MoeMlpSpec {
  readonly kind: 'experts';
  readonly router: LinearSpec;
  readonly experts: readonly DenseMlpSpec[];
  readonly expertsPerToken: number;
  /** Weights are renormalised over the chosen experts. */
  readonly normaliseChosen: boolean;
}

export type MlpSpec = DenseMlpSpec | MoeMlpSpec;

export interface BlockSpec {
  /** `parallel`: attention and MLP both read the block's input. */
  readonly arrangement: 'sequential' | 'parallel';
  readonly attention: AttentionSpec;
  readonly mlp: MlpSpec;
  readonly preAttentionNorm?: NormSpec;
  /** On the attention's output, before it is added. */
  readonly postAttentionNorm?: NormSpec;
  /** In a parallel block, absent means that the MLP reads the attention's normalised input. */
  readonly preMlpNorm?: NormSpec;
  readonly postMlpNorm?: NormSpec;
  /** Norm after each addition (BERT, OPT-350m). */
  readonly afterAttentionAddNorm?: NormSpec;
  readonly afterMlpAddNorm?: NormSpec;
  /** Granite scales what is added. */
  readonly residualScale?: number;
  /** What a sublayer's output is added to: its input, or its normalised input (BLOOM by option). */
  readonly residualFrom?: 'input' | 'normalised';
  /** Names only: transformers' attention and MLP modules end with the addition (BLOOM). */
  readonly modulesAdd?: boolean;
}

export interface EmbeddingSpec {
  readonly tokens: LocatedTensor;
  readonly scale?: number;
  /** Learned positions; a token at position p reads row p + offset. */
  readonly positions?: { readonly table: LocatedTensor; readonly offset: number };
  /** One row added to every token (BERT's token type 0). */
  readonly tokenTypes?: LocatedTensor;
  readonly norm?: NormSpec;
  /** OPT-350m embeds narrower than the blocks are wide. */
  readonly projection?: LinearSpec;
}

export interface HeadSpec {
  /** [vocabulary, width]; the embedding itself when tied. */
  readonly projection: LinearSpec;
  readonly softcap?: number;
  /** Multiplies the logits. */
  readonly scale?: number;
  /** Dense, activation and norm before the decoder (BERT's masked-token head). */
  readonly transform?: {
    readonly dense: LinearSpec;
    readonly activation: Activation;
    readonly norm?: NormSpec;
  };
}

/** Sentence embedding from the last states, as sentence-transformers' modules make it. */
export interface PoolingSpec {
  readonly kind: 'mean' | 'first' | 'last' | 'max';
  /** Dense modules after pooling. */
  readonly dense?: readonly { readonly linear: LinearSpec; readonly activation?: Activation }[];
  /** To unit length. */
  readonly normalise: boolean;
}

/** Class scores from one token's last state. */
export interface ClassifierSpec {
  readonly state: 'first' | 'last';
  readonly dense?: LinearSpec;
  readonly activation?: Activation;
  readonly projection: LinearSpec;
  /** Names of the classes, one for each row of the projection. */
  readonly labels: readonly string[];
}

export interface ModelSpec {
  readonly family: string;
  readonly width: number;
  readonly vocabularySize: number;
  /** Longest sequence the position scheme allows. */
  readonly maxPositions: number;
  readonly causal: boolean;
  readonly embedding: EmbeddingSpec;
  readonly blocks: readonly BlockSpec[];
  readonly finalNorm?: NormSpec;
  /** After the final norm: OPT-350m narrows its states to the width of its embeddings. */
  readonly finalProjection?: LinearSpec;
  readonly head?: HeadSpec;
  readonly pooling?: PoolingSpec;
  readonly classifier?: ClassifierSpec;
}
