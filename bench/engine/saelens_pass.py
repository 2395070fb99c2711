#!/usr/bin/env python3
"""The other side of the paired benchmark: TransformerLens to the hook, SAELens' encode, per-feature statistics.

    saelens_pass.py EXPORT_DIR BATCH LENGTH BATCHES

Makes a GPT-2-small-shaped model with seeded random weights and a random standard SAE of 24,576 features, writes both
and the tokens to EXPORT_DIR, prints {"ready": ...}, then answers each line "round" on stdin with the CPU seconds of
one pass over all tokens, and "end" with the statistics. One thread.
"""
import json
import os
import resource
import sys
import time
import warnings

warnings.filterwarnings("ignore")
os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
import torch  # noqa: E402
from sae_lens import SAE  # noqa: E402
from transformer_lens import HookedTransformer, HookedTransformerConfig  # noqa: E402
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights  # noqa: E402
from transformers import GPT2Config, GPT2LMHeadModel  # noqa: E402

folder, batch, length, batches = sys.argv[1], *map(int, sys.argv[2:5])
LAYER, WIDTH, HEADS, LAYERS, VOCABULARY, FEATURES, L0 = 8, 768, 12, 12, 50257, 24576, 60
HOOK = f"blocks.{LAYER}.hook_resid_pre"
torch.set_num_threads(1)
torch.set_grad_enabled(False)
torch.manual_seed(0)

source = GPT2LMHeadModel(GPT2Config()).eval()
generator = torch.Generator().manual_seed(1)
for name, weight in source.named_parameters():
    # The usual 0.02 leaves a nearly linear stream.
    if weight.ndim == 2 and "wte" not in name and "wpe" not in name:
        weight.copy_(torch.randn(weight.shape, generator=generator) / weight.shape[0] ** 0.5)
tokens = torch.randint(0, VOCABULARY, (batches, batch, length), generator=generator)
config = HookedTransformerConfig(
    n_layers=LAYERS, d_model=WIDTH, n_ctx=1024, d_head=WIDTH // HEADS, n_heads=HEADS, d_mlp=4 * WIDTH,
    d_vocab=VOCABULARY, act_fn="gelu_new", normalization_type="LN", eps=1e-5, attention_dir="causal",
    original_architecture="GPT2LMHeadModel", device="cpu", init_weights=False)
model = HookedTransformer(config)
model.load_state_dict(convert_gpt2_weights(source, config), strict=False)


def activations(ids):
    _, cache = model.run_with_cache(ids, prepend_bos=False, names_filter=[HOOK], stop_at_layer=LAYER + 1)
    return cache[HOOK]


sae = SAE.from_dict(dict(
    d_in=WIDTH, d_sae=FEATURES, dtype="float32", device="cpu", architecture="standard", apply_b_dec_to_input=True,
    normalize_activations="none", reshape_activations="none",
    metadata=dict(model_name="gpt2-random", hook_name=HOOK, context_size=length, prepend_bos=False)))
directions = torch.randn(FEATURES, WIDTH, generator=generator)
directions /= directions.norm(dim=-1, keepdim=True)
sae.W_dec.data = directions
sae.W_enc.data = directions.T.contiguous()
sample = activations(tokens[0]).reshape(-1, WIDTH)
sae.b_dec.data = sample.mean(0)
before = ((sample[:128] - sae.b_dec) @ sae.W_enc).flatten()
sae.b_enc.data.fill_(-float(before.sort().values[int(before.numel() * (1 - L0 / FEATURES))]))

source.save_pretrained(os.path.join(folder, "model"))
sae.save_model(os.path.join(folder, "sae"))
tokens.to(torch.int32).numpy().tofile(os.path.join(folder, "tokens.i32"))
left, right = torch.randn(256, WIDTH), torch.randn(WIDTH, FEATURES)
best = 1e9
for _ in range(8):
    start = time.process_time()
    left @ right
    best = min(best, time.process_time() - start)
flops = 2 * 256 * WIDTH * FEATURES / best
print(json.dumps({"ready": True, "torch": torch.__version__, "productFlops": flops}), flush=True)

count = total = highest = None
for line in sys.stdin:
    if line.strip() != "round":
        break
    count, total, highest = torch.zeros(FEATURES), torch.zeros(FEATURES), torch.zeros(FEATURES)
    start = time.process_time()
    for ids in tokens:
        features = sae.encode(activations(ids)).reshape(-1, FEATURES)
        count += (features > 0).sum(0)
        total += features.sum(0)
        highest = torch.maximum(highest, features.max(0).values)
    print(json.dumps({"cpuSeconds": time.process_time() - start, "tokens": tokens.numel()}), flush=True)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
torch.stack([count, total, highest]).numpy().tofile(os.path.join(folder, "reference.f32"))
print(json.dumps({"peakBytes": peak}), flush=True)
