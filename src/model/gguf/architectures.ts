/**
 * GGUF architectures in Hugging Face terms: model type, tensor names, and how the converter changed the numbers.
 * Facts: ggml's gguf-py/gguf/tensor_mapping.py and the model classes of llama.cpp's conversion scripts.
 */

/** What the converter did, to be undone. */
export type Change =
  /** Rows of each head's rotary pairs were interleaved. */
  | 'rotary-rows'
  /** Fused rows of each head (q, k, v) were gathered to all q, all k, all v. */
  | 'gathered-qkv'
  /** [in, out] was stored as [out, in]. */
  | 'transposed'
  /** One was added. */
  | 'plus-one';

export interface Architecture {
  readonly modelType: string;
  /** GGUF name without `.weight` or `.bias`, to the Hugging Face one. */
  readonly names: Readonly<Record<string, string>>;
  /** `N` stands for the layer. */
  readonly blockPrefix: string;
  readonly blockNames: Readonly<Record<string, string>>;
  readonly changes?: Readonly<Record<string, Change>>;
  /** Experts, stacked in GGUF: the name with `E` for the expert. */
  readonly experts?: Readonly<Record<string, string>>;
}

const ROTARY_ROWS = { attn_q: 'rotary-rows', attn_k: 'rotary-rows' } as const;

const LLAMA_NAMES = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
};
const LLAMA_BLOCK = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};
const GEMMA_BLOCK = {
  ...LLAMA_BLOCK,
  post_attention_norm: 'post_attention_layernorm',
  ffn_norm: 'pre_feedforward_layernorm',
  post_ffw_norm: 'post_feedforward_layernorm',
};
const GEMMA_NORMS = Object.fromEntries(
  [
    'output_norm',
    'attn_norm',
    'ffn_norm',
    'post_attention_norm',
    'post_ffw_norm',
    'attn_q_norm',
    'attn_k_norm',
  ].map((name) => [name, 'plus-one' as const]),
);
const GPT2_NAMES = {
  token_embd: 'transformer.wte',
  position_embd: 'transformer.wpe',
  output_norm: 'transformer.ln_f',
  output: 'lm_head',
};
const GPT2_BLOCK = {
  attn_norm: 'ln_1',
  attn_qkv: 'attn.c_attn',
  attn_output: 'attn.c_proj',
  ffn_norm: 'ln_2',
  ffn_up: 'mlp.c_fc',
  ffn_down: 'mlp.c_proj',
};

function llamaLike(modelType: string, more: Partial<Architecture> = {}): Architecture {
  return {
    modelType,
    names: LLAMA_NAMES,
    blockPrefix: 'model.layers.N.',
    blockNames: LLAMA_BLOCK,
    ...more,
  };
}

const GGUF_ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  llama: llamaLike('llama', { changes: ROTARY_ROWS }),
  granite: llamaLike('granite', { changes: ROTARY_ROWS }),
  smollm3: llamaLike('smollm3', { changes: ROTARY_ROWS }),
  qwen2: llamaLike('qwen2'),
  qwen3: llamaLike('qwen3'),
  qwen3moe: llamaLike('qwen3_moe', {
    blockNames: { ...LLAMA_BLOCK, ffn_gate_inp: 'mlp.gate' },
    experts: {
      ffn_gate_exps: 'mlp.experts.E.gate_proj',
      ffn_up_exps: 'mlp.experts.E.up_proj',
      ffn_down_exps: 'mlp.experts.E.down_proj',
    },
  }),
  gemma: llamaLike('gemma', { changes: GEMMA_NORMS }),
  gemma2: llamaLike('gemma2', { blockNames: GEMMA_BLOCK, changes: GEMMA_NORMS }),
  gemma3: llamaLike('gemma3_text', { blockNames: GEMMA_BLOCK, changes: GEMMA_NORMS }),
  olmo2: llamaLike('olmo2', {
    blockNames: {
      ...LLAMA_BLOCK,
      post_attention_norm: 'post_attention_layernorm',
      post_ffw_norm: 'post_feedforward_layernorm',
    },
  }),
  stablelm: llamaLike('stablelm'),
  phi3: llamaLike('phi3', {
    blockNames: { ...LLAMA_BLOCK, attn_qkv: 'self_attn.qkv_proj', ffn_up: 'mlp.gate_up_proj' },
  }),
  phi2: llamaLike('phi', {
    names: { ...LLAMA_NAMES, output_norm: 'model.final_layernorm' },
    blockNames: {
      ...LLAMA_BLOCK,
      attn_output: 'self_attn.dense',
      ffn_up: 'mlp.fc1',
      ffn_down: 'mlp.fc2',
    },
  }),
  gpt2: {
    modelType: 'gpt2',
    names: GPT2_NAMES,
    blockPrefix: 'transformer.h.N.',
    blockNames: GPT2_BLOCK,
    changes: {
      attn_qkv: 'transposed',
      attn_output: 'transposed',
      ffn_up: 'transposed',
      ffn_down: 'transposed',
    },
  },
  starcoder: {
    modelType: 'gpt_bigcode',
    names: GPT2_NAMES,
    blockPrefix: 'transformer.h.N.',
    blockNames: GPT2_BLOCK,
  },
  gptneox: {
    modelType: 'gpt_neox',
    names: {
      token_embd: 'gpt_neox.embed_in',
      output_norm: 'gpt_neox.final_layer_norm',
      output: 'embed_out',
    },
    blockPrefix: 'gpt_neox.layers.N.',
    blockNames: {
      attn_norm: 'input_layernorm',
      attn_qkv: 'attention.query_key_value',
      attn_output: 'attention.dense',
      ffn_norm: 'post_attention_layernorm',
      ffn_up: 'mlp.dense_h_to_4h',
      ffn_down: 'mlp.dense_4h_to_h',
    },
    changes: { attn_qkv: 'gathered-qkv' },
  },
};

/** Mixtral is stored as `llama` with experts. */
const MIXTRAL = llamaLike('mixtral', {
  changes: ROTARY_ROWS,
  blockNames: { ...LLAMA_BLOCK, ffn_gate_inp: 'block_sparse_moe.gate' },
  experts: {
    ffn_gate_exps: 'block_sparse_moe.experts.E.w1',
    ffn_down_exps: 'block_sparse_moe.experts.E.w2',
    ffn_up_exps: 'block_sparse_moe.experts.E.w3',
  },
});

export function ggufArchitecture(name: string, expertCount: number): Architecture | undefined {
  if (name === 'llama' && expertCount > 0) return MIXTRAL;
  return Object.hasOwn(GGUF_ARCHITECTURES, name) ? GGUF_ARCHITECTURES[name] : undefined;
}

export function ggufArchitectureNames(): readonly string[] {
  return Object.keys(GGUF_ARCHITECTURES).sort();
}
