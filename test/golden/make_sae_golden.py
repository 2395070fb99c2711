"""Writes tiny dictionaries in the published layouts, and what each producer's formula makes of them.

The formulas are written out in numpy from the producers' sources (SAELens 6.54, Gemma Scope cards, sparsify,
dictionary_learning, llamascopium, circuit-tracer, OpenAI sparse_autoencoder). `check_saelens.py` compares the SAELens ones with SAELens itself.
Run: python test/golden/make_sae_golden.py  (needs numpy, safetensors and torch, which writes the .pt files)
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parent.parent / "fixtures" / "sae"
D, F, T, K = 6, 10, 5, 3


def rng(name):
    return np.random.default_rng(sum(map(ord, name)))


def make(name, weights_file, tensors, config, forward, config_name="cfg.json", width=D, extra=None,
         beside=None, compressed=False):
    folder = ROOT / name
    path = folder / weights_file
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {key: np.ascontiguousarray(value, dtype=np.float32) for key, value in tensors.items()}
    if path.suffix in (".pt", ".pth"):
        torch.save({key: torch.from_numpy(value) for key, value in tensors.items()} | (beside or {}), path)
    elif path.suffix == ".npz":
        (np.savez_compressed if compressed else np.savez)(path, **tensors)
    else:
        save_file(tensors, path)
    if config is not None:
        (folder / config_name).write_text(json.dumps(config, indent=1) + "\n")
    for file, text in (extra or {}).items():
        (folder / file).write_text(text)
    x = rng(name + "x").normal(size=(T, width)).astype(np.float32) * 2
    features, output = forward(x.astype(np.float64), {k: v.astype(np.float64) for k, v in tensors.items()})
    golden = {"x": x.tolist(), "features": features.tolist(), "output": output.tolist()}
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")


def relu(x):
    return np.maximum(x, 0)


def top(x, k, score=None):
    score = x if score is None else score
    cut = np.sort(score, axis=-1)[..., -k][..., None]
    return np.where(score >= cut, x, 0)


def base(name, d_in=D, d_out=D, features=F):
    r = rng(name)
    return {
        "W_enc": r.normal(size=(d_in, features)),
        "b_enc": r.normal(size=features) * 0.3,
        "W_dec": r.normal(size=(features, d_out)),
        "b_dec": r.normal(size=d_out),
    }


def lens(architecture, **extra):
    return {
        "architecture": architecture, "d_in": D, "d_sae": F, "dtype": "float32", "device": "cpu",
        "apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none",
        "metadata": {"model_name": "tiny", "hook_name": "blocks.2.hook_resid_pre", "hook_head_index": None,
                     "prepend_bos": True, "sae_lens_version": "6.54.12"},
        **extra,
    }


W = "sae_weights.safetensors"


def pre(x, t, c=1.0):
    return (x - c * t["b_dec"]) @ t["W_enc"] + t["b_enc"]


def plain(gate, c=1.0):
    def forward(x, t):
        f = gate(pre(x, t, c), t)
        return f, f @ t["W_dec"] + t["b_dec"]
    return forward


def saelens():
    make("saelens-standard", W, base("a"), lens("standard"), plain(lambda p, t: relu(p)))
    make("saelens-no-bias-subtracted", W, base("b"), lens("standard", apply_b_dec_to_input=False),
         plain(lambda p, t: relu(p), c=0))
    jump = base("c") | {"threshold": np.abs(rng("ct").normal(size=F))}
    make("saelens-jumprelu", W, jump, lens("jumprelu"), plain(lambda p, t: relu(p) * (p > t["threshold"])))
    make("saelens-topk", W, base("d"), lens("topk", k=K, rescale_acts_by_decoder_norm=False),
         plain(lambda p, t: relu(top(p, K))))

    def rescaled(x, t):
        norms = np.linalg.norm(t["W_dec"], axis=1)
        f = relu(top(pre(x, t) * norms, K)) / norms
        return f, f @ t["W_dec"] + t["b_dec"]
    make("saelens-topk-rescaled", W, base("e"), lens("topk", k=K, rescale_acts_by_decoder_norm=True), rescaled)
    make("saelens-abstopk", W, base("f"), lens("abstopk", k=K), plain(lambda p, t: top(p, K, np.abs(p))))

    gated = base("g")
    del gated["b_enc"]
    gated |= {"b_gate": rng("g1").normal(size=F), "b_mag": rng("g2").normal(size=F), "r_mag": rng("g3").normal(size=F) * 0.3}

    def gated_forward(x, t):
        centred = x - t["b_dec"]
        f = ((centred @ t["W_enc"] + t["b_gate"]) > 0) * relu(centred @ (t["W_enc"] * np.exp(t["r_mag"])) + t["b_mag"])
        return f, f @ t["W_dec"] + t["b_dec"]
    make("saelens-gated", W, gated, lens("gated"), gated_forward)

    def layer_normed(x, t):
        mean = x.mean(-1, keepdims=True)
        centred = x - mean
        std = centred.std(-1, ddof=1, keepdims=True)
        f = relu(top(pre(centred / (std + 1e-5), t), K))
        return f, (f @ t["W_dec"] + t["b_dec"]) * std + mean
    make("saelens-layer-norm", W, base("h"), lens("topk", k=K, normalize_activations="layer_norm"), layer_normed)

    def unit_normed(x, t):
        scale = np.sqrt(D) / np.linalg.norm(x, axis=-1, keepdims=True)
        f = relu(pre(x * scale, t))
        return f, (f @ t["W_dec"] + t["b_dec"]) / scale
    make("saelens-unit-norm", W, base("i"), lens("standard", normalize_activations="constant_norm_rescale"), unit_normed)

    skip = base("j", d_out=4) | {"W_skip": rng("js").normal(size=(4, D))}
    config = lens("skip_transcoder", d_out=4, apply_b_dec_to_input=False)
    config["metadata"] |= {"hook_name": "blocks.1.hook_resid_mid", "hook_name_out": "blocks.1.hook_mlp_out"}

    def transcode(x, t):
        f = relu(x @ t["W_enc"] + t["b_enc"])
        return f, f @ t["W_dec"] + t["b_dec"] + x @ t["W_skip"].T
    make("saelens-skip-transcoder", W, skip, config, transcode)

    old = {"d_in": D, "d_sae": F, "dtype": "torch.float32", "hook_point": "blocks.3.hook_mlp_out",
           "hook_point_layer": 3, "hook_point_head_index": None, "activation_fn_str": "topk",
           "activation_fn_kwargs": {"k": K}, "normalize_activations": False, "prepend_bos": True}
    make("saelens-old-topk", W, base("k"), old, plain(lambda p, t: relu(top(p, K))))


def others():
    t = base("l") | {"threshold": np.abs(rng("lt").normal(size=F))}
    lower = {"w_enc": t["W_enc"], "w_dec": t["W_dec"], "b_enc": t["b_enc"], "b_dec": t["b_dec"], "threshold": t["threshold"]}

    def gemma2(x, g):
        p = x @ g["w_enc"] + g["b_enc"]
        f = relu(p) * (p > g["threshold"])
        return f, f @ g["w_dec"] + g["b_dec"]
    make("gemma-scope-2/resid_post/layer_5_width_16k_l0_small", "params.safetensors", lower,
         {"architecture": "jump_relu", "model_name": "tiny", "hf_hook_point_in": "model.layers.5.output",
          "hf_hook_point_out": "model.layers.5.output", "affine_connection": False}, gemma2, "config.json")

    affine = lower | {"affine_skip_connection": rng("la").normal(size=(D, D))}

    def gemma2_affine(x, g):
        f, y = gemma2(x, g)
        return f, y + x @ g["affine_skip_connection"]
    make("gemma-scope-2/transcoder/layer_5_width_16k_l0_big_affine", "params.safetensors", affine,
         {"architecture": "jump_relu", "hf_hook_point_in": "model.layers.5.pre_feedforward_layernorm.output",
          "hf_hook_point_out": "model.layers.5.post_feedforward_layernorm.output"}, gemma2_affine, "config.json")

    s = base("m")
    sparse = {"encoder.weight": s["W_enc"].T, "encoder.bias": s["b_enc"], "W_dec": s["W_dec"], "b_dec": s["b_dec"]}

    def sparsify_topk(x, g):
        f = top(relu((x - g["b_dec"]) @ g["encoder.weight"].T + g["encoder.bias"]), K)
        return f, f @ g["W_dec"] + g["b_dec"]
    settings = {"activation": "topk", "expansion_factor": 32, "num_latents": 0, "k": K, "skip_connection": False, "transcode": False, "d_in": D}
    make("sparsify/layers.3", "sae.safetensors", sparse, settings, sparsify_topk)

    def groupmax(x, g):
        groups = relu((x - g["b_dec"]) @ g["encoder.weight"].T + g["encoder.bias"]).reshape(len(x), 5, 2)
        f = np.where(groups == groups.max(-1, keepdims=True), groups, 0).reshape(len(x), F)
        return f, f @ g["W_dec"] + g["b_dec"]
    make("sparsify/layers.4", "sae.safetensors", sparse, settings | {"activation": "groupmax", "k": 5}, groupmax)

    def transcoder(x, g):
        f = top(relu(x @ g["encoder.weight"].T + g["encoder.bias"]), K)
        return f, f @ g["W_dec"] + g["b_dec"] + x @ g["W_skip"].T
    make("sparsify/layers.3.mlp", "sae.safetensors", sparse | {"W_skip": rng("mw").normal(size=(D, D))},
         settings | {"transcode": True, "skip_connection": True}, transcoder)

    # A square one: names and shapes alone do not tell the orientation.
    q = base("sq", features=D)
    square = {"encoder.weight": q["W_enc"].T, "encoder.bias": q["b_enc"], "W_dec": q["W_dec"], "b_dec": q["b_dec"]}
    make("sparsify/layers.5", "sae.safetensors", square, settings | {"num_latents": D}, sparsify_topk)

    o = base("n")
    llama = {"encoder.weight": o["W_enc"].T, "encoder.bias": o["b_enc"], "decoder.weight": o["W_dec"].T, "decoder.bias": o["b_dec"]}

    def llama_scope(x, g):
        p = x * (np.sqrt(D) / 4) @ g["encoder.weight"].T + g["encoder.bias"]
        f = relu(p) * (p > 0.5)
        return f, (f @ g["decoder.weight"].T + g["decoder.bias"]) / (np.sqrt(D) / 5)
    make("llama-scope-1/Llama3_1-8B-Base-L2R-8x", "checkpoints/final.safetensors", llama,
         {"hook_point_in": "blocks.2.hook_resid_post", "hook_point_out": "blocks.2.hook_resid_post",
          "jump_relu_threshold": 0.5, "dataset_average_activation_norm": {"in": 4, "out": 5}},
         llama_scope, "hyperparams.json")

    moss = {"W_E": o["W_enc"], "b_E": o["b_enc"], "W_D": o["W_dec"], "b_D": o["b_dec"],
            "activation_function.log_jumprelu_threshold": rng("nt").normal(size=F) * 0.3,
            "dataset_average_activation_norm.blocks.1.hook_resid_post": np.array(3.0)}

    def openmoss(x, g):
        s = np.sqrt(D) / 3
        norms = np.linalg.norm(g["W_D"], axis=1)
        p = (x * s @ g["W_E"] + g["b_E"]) * norms
        f = relu(p) * (p > np.exp(g["activation_function.log_jumprelu_threshold"])) / norms
        return f, (f @ g["W_D"] + g["b_D"]) / s
    make("openmoss-jumprelu", W, moss,
         {"sae_type": "sae", "d_model": D, "act_fn": "jumprelu", "norm_activation": "dataset-wise",
          "hook_point_in": "blocks.1.hook_resid_post", "hook_point_out": "blocks.1.hook_resid_post",
          "use_decoder_bias": True, "sparsity_include_decoder_norm": True}, openmoss, "config.json")

    c = base("p")
    plt = {"W_enc": c["W_enc"].T, "W_dec": c["W_dec"], "b_enc": c["b_enc"], "b_dec": c["b_dec"],
           "W_skip": rng("ps").normal(size=(D, D)), "activation_function.threshold": np.abs(rng("pt").normal(size=F))}

    def circuit(x, g):
        p = x @ g["W_enc"].T + g["b_enc"]
        f = relu(p) * (p > g["activation_function.threshold"])
        return f, f @ g["W_dec"] + g["b_dec"] + x @ g["W_skip"].T
    make("circuit-tracer", "layer_4.safetensors", plt, None, circuit,
         extra={"config.yaml": "model_name: tiny\nfeature_input_hook: hook_resid_mid\nfeature_output_hook: hook_mlp_out\n"})


def numpy_files():
    t = base("r") | {"threshold": np.abs(rng("rt").normal(size=F))}

    def gemma1(x, g):
        p = x @ g["W_enc"] + g["b_enc"]
        f = relu(p) * (p > g["threshold"])
        return f, f @ g["W_dec"] + g["b_dec"]
    make("gemma-scope-2b-pt-res/layer_7/width_16k/average_l0_71", "params.npz", t, None, gemma1)
    make("gemma-scope-2b-pt-mlp/layer_8/width_16k/average_l0_9", "params.npz", t, None, gemma1, compressed=True)


def torch_files():
    s = base("t")
    linear = {"encoder.weight": s["W_enc"].T, "encoder.bias": s["b_enc"], "decoder.weight": s["W_dec"].T}

    def encode(x, g, c):
        return (x - c) @ g["encoder.weight"].T + g["encoder.bias"]

    def trainer(name, dict_class, tensors, forward, **config):
        make(f"dictionary-learning/{name}", "ae.pt", tensors,
             {"trainer": {"dict_class": dict_class, "activation_dim": D, "dict_size": F, "layer": 3,
                          "lm_name": "tiny", "submodule_name": None, **config}, "buffer": {"ctx_len": 128}},
             forward, "config.json")

    def auto_encoder(x, g):
        f = relu(encode(x, g, g["bias"]))
        return f, f @ g["decoder.weight"].T + g["bias"]
    trainer("trainer_0", "AutoEncoder", linear | {"bias": s["b_dec"]}, auto_encoder)

    def auto_encoder_new(x, g):
        f = relu(encode(x, g, 0))
        return f, f @ g["decoder.weight"].T + g["decoder.bias"]
    trainer("trainer_1", "AutoEncoderNew", linear | {"decoder.bias": s["b_dec"]}, auto_encoder_new)

    gated = {"encoder.weight": s["W_enc"].T, "decoder.weight": s["W_dec"].T, "decoder_bias": s["b_dec"],
             "gate_bias": s["b_enc"], "mag_bias": rng("t2").normal(size=F), "r_mag": rng("t3").normal(size=F) * 0.3}

    def gated_forward(x, g):
        e = (x - g["decoder_bias"]) @ g["encoder.weight"].T
        f = (e + g["gate_bias"] > 0) * relu(np.exp(g["r_mag"]) * e + g["mag_bias"])
        return f, f @ g["decoder.weight"].T + g["decoder_bias"]
    trainer("trainer_2", "GatedAutoEncoder", gated, gated_forward)

    jump = s | {"threshold": np.abs(rng("t4").normal(size=F))}

    def jump_forward(x, g):
        p = x @ g["W_enc"] + g["b_enc"]
        f = relu(p * (p > g["threshold"]))
        return f, f @ g["W_dec"] + g["b_dec"]
    trainer("trainer_3", "JumpReluAutoEncoder", jump, jump_forward)

    top_k = linear | {"b_dec": s["b_dec"], "threshold": np.array(0.7)}

    def top_k_forward(x, g):
        f = top(relu(encode(x, g, g["b_dec"])), K)
        return f, f @ g["decoder.weight"].T + g["b_dec"]
    trainer("trainer_4", "AutoEncoderTopK", top_k, top_k_forward, k=K)

    def batch_top_k(x, g):
        f = relu(encode(x, g, g["b_dec"]))
        f = f * (f > g["threshold"])
        return f, f @ g["decoder.weight"].T + g["b_dec"]
    trainer("trainer_5", "BatchTopKSAE", top_k, batch_top_k, k=K)

    def matryoshka(x, g):
        f = relu((x - g["b_dec"]) @ g["W_enc"] + g["b_enc"])
        f = f * (f > g["threshold"])
        return f, f @ g["W_dec"] + g["b_dec"]
    trainer("trainer_6", "MatryoshkaBatchTopKSAE", s | {"threshold": np.array(0.4)}, matryoshka, k=K)

    openai = {"pre_bias": s["b_dec"], "latent_bias": s["b_enc"], "encoder.weight": s["W_enc"].T, "decoder.weight": s["W_dec"].T}

    def openai_relu(x, g):
        f = relu((x - g["pre_bias"]) @ g["encoder.weight"].T + g["latent_bias"])
        return f, f @ g["decoder.weight"].T + g["pre_bias"]
    make("openai/resid_delta_mlp_v4", "autoencoders/5.pt", openai, None, openai_relu, beside={"activation": "ReLU"})
    wide = base("w", features=40)

    def openai_topk(x, g):
        mean = x.mean(-1, keepdims=True)
        std = (x - mean).std(-1, ddof=1, keepdims=True)
        normed = (x - mean) / (std + 1e-5)
        f = relu(top((normed - g["pre_bias"]) @ g["encoder.weight"].T + g["latent_bias"], 32))
        return f, (f @ g["decoder.weight"].T + g["pre_bias"]) * std + mean
    make("openai/resid_post_mlp_v5_32k", "autoencoders/3.pt",
         {"pre_bias": wide["b_dec"], "latent_bias": wide["b_enc"], "encoder.weight": wide["W_enc"].T, "decoder.weight": wide["W_dec"].T},
         None, openai_topk, beside={"activation": "TopK", "activation_state_dict": {"k": 32}})

    goodfire = {"encoder_linear.weight": s["W_enc"].T, "encoder_linear.bias": s["b_enc"],
                "decoder_linear.weight": s["W_dec"].T, "decoder_linear.bias": s["b_dec"]}

    def goodfire_forward(x, g):
        f = relu(x @ g["encoder_linear.weight"].T + g["encoder_linear.bias"])
        return f, f @ g["decoder_linear.weight"].T + g["decoder_linear.bias"]
    make("goodfire", "Llama-3.1-8B-Instruct-SAE-l19.pth", goodfire, None, goodfire_forward)

    def qwen(x, g):
        f = relu(top(x @ g["W_enc"].T + g["b_enc"], 5))
        return f, f @ g["W_dec"].T + g["b_dec"]
    make("SAE-Res-Qwen3-8B-W64K-L0_5", "layer2.sae.pt",
         {"W_enc": s["W_enc"].T, "W_dec": s["W_dec"].T, "b_enc": s["b_enc"], "b_dec": s["b_dec"]}, None, qwen)
    make("qresearch", "DeepSeek-R1-Distill-Llama-8B-SAE-l19.pt", linear | {"decoder.bias": s["b_dec"]}, None, auto_encoder_new)


if __name__ == "__main__":
    shutil.rmtree(ROOT, ignore_errors=True)
    saelens()
    others()
    numpy_files()
    torch_files()
