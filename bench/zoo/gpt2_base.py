"""A small GPT-2 that learned to write like stories260K, as a base of another architecture: python gpt2_base.py --teacher FOLDER --out FOLDER"""

import argparse
import json
import math
import shutil
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from base_text import BOS, EOS, PAD, ROW_TOKENS, sample_text, story_ids

CONFIG = GPT2Config(vocab_size=512, n_positions=256, n_embd=64, n_layer=4, n_head=4, bos_token_id=BOS, eos_token_id=EOS, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
ROWS, STEPS, BATCH = 6144, 1600, 16


def distil(teacher: torch.nn.Module) -> GPT2LMHeadModel:
    """Cross-entropy against the teacher's whole next-token distribution; the teacher's embedding is the start, as the width is the same."""
    samples = sample_text(teacher, ROWS, seed=71)
    torch.manual_seed(71)
    student = GPT2LMHeadModel(CONFIG)
    student.get_input_embeddings().weight.data.copy_(teacher.get_input_embeddings().weight.data * 0.3)
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / 80, 0.02 + 0.49 * (1 + math.cos(math.pi * s / STEPS))))
    order: list[int] = []
    for step in range(STEPS):
        if len(order) < BATCH:
            order = torch.randperm(len(samples)).tolist()
        chosen, order = order[:BATCH], order[BATCH:]
        rows = [story_ids(samples[i].tolist())[:ROW_TOKENS] for i in chosen]
        ids = torch.tensor([r + [PAD] * (ROW_TOKENS - len(r)) for r in rows])
        real = torch.tensor([[1.0] * len(r) + [0.0] * (ROW_TOKENS - len(r)) for r in rows])
        with torch.no_grad():
            wanted = torch.softmax(teacher(ids, use_cache=False).logits, -1)
        losses = -(wanted * torch.log_softmax(student(ids, use_cache=False).logits, -1)).sum(-1)
        loss = (losses * real).sum() / real.sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 200 == 0:
            print(step + 1, round(loss.item(), 3), flush=True)
    return student.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    started = time.process_time()
    student = distil(AutoModelForCausalLM.from_pretrained(args.teacher, dtype=torch.float32).eval())
    args.out.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(args.teacher / name, args.out / name)
    config = {**json.loads(CONFIG.to_json_string(use_diff=False)), "architectures": ["GPT2LMHeadModel"], "tie_word_embeddings": True}
    (args.out / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    tensors = {name: t.contiguous() for name, t in student.state_dict().items() if name != "lm_head.weight"}
    save_file(tensors, args.out / "model.safetensors", metadata={"format": "pt"})
    print("cpu seconds", round(time.process_time() - started))


if __name__ == "__main__":
    main()
