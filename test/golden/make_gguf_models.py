#!/usr/bin/env python3
"""Writes test/fixtures/gguf/*.gguf out of the tiny models in test/fixtures/models, so that the same golden values
hold for both forms. Tensor names come from the PyPI package "gguf" (MIT); numbers are changed as llama.cpp's
converter changes them: rotary rows of Llama interleaved, fused rows of NeoX gathered, Conv1D transposed, one added
to Gemma's norms, experts stacked.

    python3 -m venv VENV && VENV/bin/pip install gguf==0.19.0 safetensors && VENV/bin/python test/golden/make_gguf_models.py
"""
import json
import pathlib
import re

import gguf
import numpy as np
from gguf.quants import quantize
from safetensors.numpy import load_file

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
ARCH = gguf.MODEL_ARCH
MODELS = {
    "llama": ARCH.LLAMA, "mixtral": ARCH.LLAMA, "granite": ARCH.GRANITE, "qwen2": ARCH.QWEN2, "qwen3": ARCH.QWEN3,
    "qwen3_moe-normalised": ARCH.QWEN3MOE, "gemma": ARCH.GEMMA, "gemma2": ARCH.GEMMA2, "olmo2": ARCH.OLMO2,
    "gemma3": ARCH.GEMMA3, "phi": ARCH.PHI2, "phi3": ARCH.PHI3, "stablelm": ARCH.STABLELM, "smollm3": ARCH.SMOLLM3,
    "gpt2": ARCH.GPT2, "gpt_neox": ARCH.GPTNEOX, "gpt_bigcode": ARCH.STARCODER, "stories260K": ARCH.LLAMA,
}


def rope(config):
    return config.get("rope_parameters") or {"rope_theta": config.get("rope_theta", 10000.0)}


def llama3_factors(config):
    """What llama.cpp stores as rope_freqs: plain frequency over scaled frequency (Llama 3.1's rule)."""
    r = rope(config)
    size = config["head_dim"]
    plain = 1.0 / r["rope_theta"] ** (np.arange(0, size, 2) / size)
    wave = 2 * np.pi / plain
    span = r["original_max_position_embeddings"]
    smooth = (span / wave - r["low_freq_factor"]) / (r["high_freq_factor"] - r["low_freq_factor"])
    mixed = 1 / ((1 - smooth) / r["factor"] + smooth)
    out = np.where(wave < span / r["high_freq_factor"], 1, np.where(wave > span / r["low_freq_factor"], r["factor"], mixed))
    return out.astype(np.float32)


def interleave(w, heads):
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def gather(w, heads):
    parts = w.reshape(heads, 3, w.shape[0] // heads // 3, *w.shape[1:])
    return np.concatenate([parts[:, i].reshape(-1, *w.shape[1:]) for i in range(3)])


def changed(name, w, config, kind):
    heads = config.get("num_attention_heads") or config.get("n_head")
    if kind in (ARCH.LLAMA, ARCH.GRANITE, ARCH.SMOLLM3) and re.search(r"(q|k)_proj\.", name):
        return interleave(w, heads if "q_proj" in name else config["num_key_value_heads"])
    if kind == ARCH.GPTNEOX and "query_key_value" in name:
        return gather(w, heads)
    if kind == ARCH.GPT2 and re.search(r"(c_attn|c_proj|c_fc)\.weight", name):
        return w.T
    if kind in (ARCH.GEMMA, ARCH.GEMMA2, ARCH.GEMMA3) and name.endswith("norm.weight"):
        return w + 1
    return w


def metadata(out, config, kind):
    get = lambda *keys: next((config[k] for k in keys if config.get(k) is not None), None)
    out.add_context_length(get("max_position_embeddings", "n_positions"))
    out.add_embedding_length(get("hidden_size", "n_embd"))
    out.add_block_count(get("num_hidden_layers", "n_layer"))
    out.add_feed_forward_length(get("intermediate_size", "n_inner") or 4 * get("hidden_size", "n_embd"))
    heads = get("num_attention_heads", "n_head")
    out.add_head_count(heads)
    if kind == ARCH.STARCODER:
        out.add_head_count_kv(1 if config["multi_query"] else heads)
    elif get("num_key_value_heads"):
        out.add_head_count_kv(get("num_key_value_heads"))
    if get("rms_norm_eps"):
        out.add_layer_norm_rms_eps(get("rms_norm_eps"))
    elif get("layer_norm_eps", "layer_norm_epsilon"):
        out.add_layer_norm_eps(get("layer_norm_eps", "layer_norm_epsilon"))
    if kind not in (ARCH.GPT2, ARCH.STARCODER):
        out.add_rope_freq_base(rope(config).get("rope_theta", 1e6))
    if get("head_dim"):
        out.add_key_length(get("head_dim"))
        out.add_value_length(get("head_dim"))
    if kind == ARCH.PHI3:
        positions, span = config["max_position_embeddings"], config["original_max_position_embeddings"]
        out.add_rope_scaling_attn_factors(np.sqrt(1 + np.log(positions / span) / np.log(span)) if positions > span else 1.0)
        out.add_rope_scaling_orig_ctx_len(span)
        out.add_sliding_window(config["sliding_window"])
    if kind in (ARCH.PHI2, ARCH.STABLELM):
        share = rope(config).get("partial_rotary_factor") or config.get("partial_rotary_factor", 0.25)
        out.add_rope_dimension_count(int(share * (get("hidden_size") // heads)))
    if kind == ARCH.STABLELM:
        out.add_parallel_residual(config.get("use_parallel_residual", False))
    if kind == ARCH.GPTNEOX:
        share = rope(config).get("partial_rotary_factor") or config.get("rotary_pct", 0.25)
        out.add_rope_dimension_count(int(share * (get("hidden_size") // heads)))
        out.add_parallel_residual(config.get("use_parallel_residual", True))
    if get("num_local_experts", "num_experts"):
        out.add_expert_count(get("num_local_experts", "num_experts"))
        out.add_expert_used_count(get("num_experts_per_tok"))
    if get("moe_intermediate_size"):
        out.add_expert_feed_forward_length(get("moe_intermediate_size"))
    if kind == ARCH.GEMMA2:
        out.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        out.add_final_logit_softcapping(config["final_logit_softcapping"])
        out.add_sliding_window(config["sliding_window"])
    if kind == ARCH.GRANITE:
        out.add_embedding_scale(config["embedding_multiplier"])
        out.add_residual_scale(config["residual_multiplier"])
        out.add_attention_scale(config["attention_multiplier"])
        out.add_logit_scale(config["logits_scaling"])


def vocabulary(out, folder):
    parsed = json.loads((folder / "tokenizer.json").read_text())
    tokens = sorted(parsed["model"]["vocab"], key=parsed["model"]["vocab"].get)
    rank = {}
    for order, merge in enumerate(parsed["model"]["merges"]):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        rank.setdefault("".join(pair), order)
    kinds = []
    for i, token in enumerate(tokens):
        special = token in ("<s>", "</s>")
        kinds.append(2 if token == "<unk>" else 3 if special else 6 if re.fullmatch("<0x..>", token) else 1)
    out.add_tokenizer_model("llama")
    out.add_token_list(tokens)
    out.add_token_scores([-float(rank.get(token, 1e6)) for token in tokens])
    out.add_token_types(kinds)
    out.add_unk_token_id(0)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)


(FIXTURES / "gguf").mkdir(exist_ok=True)
(FIXTURES / "gguf-split").mkdir(exist_ok=True)
# One model also in parts, as llama.cpp's gguf-split writes them: llama-00001-of-00003.gguf and so on.
SETS = [("gguf", model, kind, 0) for model, kind in MODELS.items()] + [("gguf-split", "llama", ARCH.LLAMA, 9)]
for form, model, kind, most in SETS:
    folder = FIXTURES / "models" / model
    config = json.loads((folder / "config.json").read_text())
    path = FIXTURES / form / f"{model}.gguf"
    out = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[kind], split_max_tensors=most)
    metadata(out, config, kind)
    if model == "stories260K":
        vocabulary(out, folder)
    if rope(config).get("rope_type") == "llama3":
        out.add_tensor("rope_freqs.weight", llama3_factors(config))
    if rope(config).get("rope_type") == "longrope":
        out.add_tensor("rope_factors_short.weight", np.array(rope(config)["short_factor"], np.float32))
        out.add_tensor("rope_factors_long.weight", np.array(rope(config)["long_factor"], np.float32))
    names = gguf.get_tensor_name_map(kind, config.get("num_hidden_layers") or config["n_layer"])
    experts = {}
    for name, w in load_file(folder / "model.safetensors").items():
        if re.search(r"\.(q|k)_layernorm\.", name):
            continue  # GGUF's phi2 has no place for them
        if w.dtype != np.float32 or name.endswith((".attn.bias", "masked_bias", "inv_freq")):
            continue
        w = np.ascontiguousarray(changed(name, w, config, kind))
        found = re.match(r"(.*)\.experts\.(\d+)\.(.*)", name)
        if found:
            experts.setdefault((found[1] + ".experts", found[3]), {})[int(found[2])] = w
            continue
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert target, (model, name)
        if model == "stories260K" and w.ndim == 2 and w.shape[1] % 32 == 0 and "embed" not in name:
            out.add_tensor(target, quantize(w, gguf.GGMLQuantizationType.Q8_0), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            out.add_tensor(target, w)
    for (prefix, suffix), parts in experts.items():
        merged = f"{prefix}.{suffix}" if "mlp" in prefix else f"{prefix.replace('.experts', '')}.experts.{suffix}"
        target = names.get_name(merged, try_suffixes=(".weight", ".bias"))
        assert target, merged
        out.add_tensor(target, np.stack([parts[i] for i in range(len(parts))]))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    print(form, model, sorted(config))
