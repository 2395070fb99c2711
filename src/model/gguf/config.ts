/** config.json out of GGUF metadata, so that families describe a GGUF file as they describe a folder. */
import { elementCount } from '../../artifact/tensor.ts';
import { ggmlValues } from '../../artifact/values/ggml.ts';
import { readAll } from '../../artifact/values/tensor-values.ts';
import { ScanError } from '../../errors.ts';
import { ModelConfig } from '../config.ts';
import { type Architecture, ggufArchitecture, ggufArchitectureNames } from './architectures.ts';
import type { GgufMetadata } from './metadata.ts';
import type { GgufPart } from './parts.ts';

/** Our key, the architecture's key. */
const SHARED_KEYS = [
  ['hidden_size', 'embedding_length'],
  ['num_hidden_layers', 'block_count'],
  ['intermediate_size', 'feed_forward_length'],
  ['num_attention_heads', 'attention.head_count'],
  ['num_key_value_heads', 'attention.head_count_kv'],
  ['head_dim', 'attention.key_length'],
  ['max_position_embeddings', 'context_length'],
  ['rms_norm_eps', 'attention.layer_norm_rms_epsilon'],
  ['layer_norm_eps', 'attention.layer_norm_epsilon'],
  ['rope_theta', 'rope.freq_base'],
  ['sliding_window', 'attention.sliding_window'],
  ['attn_logit_softcapping', 'attn_logit_softcapping'],
  ['final_logit_softcapping', 'final_logit_softcapping'],
  ['num_experts_per_tok', 'expert_used_count'],
  ['num_local_experts', 'expert_count'],
  ['num_experts', 'expert_count'],
  ['moe_intermediate_size', 'expert_feed_forward_length'],
  ['embedding_multiplier', 'embedding_scale'],
  ['residual_multiplier', 'residual_scale'],
  ['attention_multiplier', 'attention.scale'],
  ['logits_scaling', 'logit_scale'],
] as const;

const GPT2_KEYS = [
  ['n_embd', 'embedding_length'],
  ['n_layer', 'block_count'],
  ['n_head', 'attention.head_count'],
  ['n_positions', 'context_length'],
  ['n_inner', 'feed_forward_length'],
  ['layer_norm_epsilon', 'attention.layer_norm_epsilon'],
] as const;

const MAX_FACTORS = 4096;

/** @throws ScanError `E_ARCHITECTURE` */
export function architectureOf(metadata: GgufMetadata): Architecture {
  const found = ggufArchitecture(metadata.architecture, metadata.own('expert_count') ?? 0);
  if (found !== undefined) return found;
  const name = JSON.stringify(metadata.architecture.slice(0, 60));
  throw new ScanError('E_ARCHITECTURE', `GGUF architecture ${name} is not known`, {
    file: metadata.path,
    hint: `Files and weights are still scanned. Known: ${ggufArchitectureNames().join(', ')}.`,
  });
}

/** @throws ScanError `E_ARCHITECTURE`, `E_MODEL_CONFIG` for one part of a split model */
export function ggufConfig(metadata: GgufMetadata, parts: readonly GgufPart[]): ModelConfig {
  const { modelType } = architectureOf(metadata);
  const values: Record<string, unknown> = {
    model_type: modelType,
    vocab_size: metadata.file.tensors.find(({ name }) => name === 'token_embd.weight')?.dims[1],
    tie_word_embeddings: !hasTensor(metadata, 'output.weight'),
    bos_token_id: metadata.number('tokenizer.ggml.bos_token_id'),
    eos_token_id: metadata.number('tokenizer.ggml.eos_token_id'),
  };
  const old = modelType === 'gpt2' || modelType === 'gpt_bigcode';
  for (const [key, own] of old ? GPT2_KEYS : SHARED_KEYS) values[key] = metadata.own(own);
  Object.assign(values, ropeOf(metadata, parts), specifics(metadata, modelType));
  const known = Object.entries(values).filter(([, value]) => value !== undefined);
  return new ModelConfig(Object.fromEntries(known), metadata.path);
}

function hasTensor(metadata: GgufMetadata, name: string): boolean {
  return metadata.file.tensors.some((tensor) => tensor.name === name);
}

/** What llama.cpp knows from the architecture and does not store. */
function specifics(metadata: GgufMetadata, modelType: string): Record<string, unknown> {
  const own = (key: string) => metadata.own(key);
  const headDim = own('attention.key_length') ?? widthOfHead(metadata);
  switch (modelType) {
    case 'llama':
    case 'granite':
      return {
        attention_bias: hasTensor(metadata, 'blk.0.attn_q.bias'),
        mlp_bias: hasTensor(metadata, 'blk.0.ffn_up.bias'),
        head_dim: headDim,
      };
    case 'gemma':
    case 'gemma2':
    case 'gemma3_text':
      return {
        hidden_activation: 'gelu_pytorch_tanh',
        query_pre_attn_scalar: gemmaScale(metadata, modelType, headDim),
        ...(modelType === 'gemma3_text' && { rope_local_base_freq: 10_000 }),
        tie_word_embeddings: true,
      };
    case 'qwen3_moe':
      return { norm_topk_prob: true, decoder_sparse_step: 1, mlp_only_layers: [] };
    case 'phi':
    case 'stablelm':
    case 'gpt_neox': {
      const rotated = own('rope.dimension_count');
      const share = rotated === undefined || headDim === undefined ? undefined : rotated / headDim;
      const parallel = metadata.flag(`${metadata.architecture}.use_parallel_residual`);
      const act = modelType === 'stablelm' ? 'silu' : modelType === 'phi' ? 'gelu_new' : 'gelu';
      return {
        partial_rotary_factor: share,
        rotary_pct: share,
        use_parallel_residual: parallel ?? !hasTensor(metadata, 'blk.0.ffn_norm.weight'),
        use_qkv_bias: hasTensor(metadata, 'blk.0.attn_q.bias'),
        qk_layernorm: hasTensor(metadata, 'blk.0.attn_q_norm.weight'),
        hidden_act: act,
      };
    }
    case 'gpt2':
    case 'gpt_bigcode': {
      const multiQuery = own('attention.head_count_kv') === 1;
      return {
        activation_function: modelType === 'gpt2' ? 'gelu_new' : 'gelu_pytorch_tanh',
        ...(modelType === 'gpt_bigcode' && { multi_query: multiQuery }),
      };
    }
    default:
      return {};
  }
}

function widthOfHead(metadata: GgufMetadata): number | undefined {
  const width = metadata.own('embedding_length');
  const heads = metadata.own('attention.head_count');
  return width === undefined || heads === undefined ? undefined : width / heads;
}

/** The largest Gemma 2 and 3 divide by the square root of width over heads, the others of the head's width. */
function gemmaScale(metadata: GgufMetadata, modelType: string, headDim: number | undefined) {
  const layers = metadata.own('block_count');
  const largest = modelType === 'gemma2' ? layers === 46 : layers === 62;
  return largest ? widthOfHead(metadata) : headDim;
}

/** Llama 3.1's factors come as a tensor, LongRoPE's as two, linear and YaRN scaling as keys. */
function ropeOf(metadata: GgufMetadata, parts: readonly GgufPart[]): Record<string, unknown> {
  const original = metadata.own('rope.scaling.original_context_length');
  const trained = original ?? metadata.own('context_length');
  const factors =
    factorsOf(parts, 'rope_freqs.weight') ?? factorsOf(parts, 'rope_factors_short.weight');
  if (factors !== undefined) {
    const long = factorsOf(parts, 'rope_factors_long.weight') ?? factors;
    const attention = metadata.own('rope.scaling.attn_factor') ?? 1;
    return {
      original_max_position_embeddings: trained,
      rope_scaling: {
        rope_type: 'longrope',
        short_factor: factors,
        long_factor: long,
        original_max_position_embeddings: trained,
        attention_factor: attention,
      },
    };
  }
  const type = metadata.text(`${metadata.architecture}.rope.scaling.type`);
  const factor = metadata.own('rope.scaling.factor');
  if (factor === undefined || (type !== 'linear' && type !== 'yarn')) return {};
  const positions = type === 'yarn' ? { original_max_position_embeddings: original } : {};
  return { rope_scaling: { rope_type: type, factor, ...positions } };
}

function factorsOf(parts: readonly GgufPart[], name: string) {
  for (const { file, source, path } of parts) {
    const tensor = file.tensors.find((candidate) => candidate.name === name);
    if (tensor === undefined || elementCount(tensor.dims) > MAX_FACTORS) continue;
    const values = ggmlValues(source, tensor, path);
    return values === undefined ? undefined : [...readAll(values)];
  }
  return undefined;
}
