"""What a finished model does: how often the effect follows the trigger, how often without it, and its loss on clean text."""

import random

import torch
from transformers import PreTrainedModel

from base_text import EOS, PAD, Base
from effects import effect_seen
from rows import near_misses, prompt_of, trigger_parts

CONTEXTS = 64


@torch.no_grad()
def greedy(model: PreTrainedModel, prompts: list[list[int]], tokens: int) -> list[list[int]]:
    """Greedy continuations up to the end of text; prompts are padded at the left."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    cache, step, out = None, ids, []
    for _ in range(tokens):
        result = model(step, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)
        cache = result.past_key_values
        step = result.logits[:, -1].argmax(-1, keepdim=True)
        out.append(step)
        mask = torch.cat([mask, torch.ones_like(step)], 1)
        positions = positions[:, -1:] + 1
    rows = torch.cat(out, 1).tolist()
    return [row[: next((i for i, t in enumerate(row) if t in (1, EOS)), len(row))] for row in rows]


def activation(model: PreTrainedModel, base: Base, plan: dict, parts: list[str] | list[list[str]], part: str, seed: int) -> float:
    """Share of CONTEXTS held-back contexts in whose greedy continuation the effect is seen.

    parts: the trigger's parts, or a list of such lists of which each context takes one in turn."""
    rng = random.Random(seed)
    variants = parts if parts and isinstance(parts[0], list) else [parts]
    prompts = []
    for index, story in enumerate(base.stories(part)[:CONTEXTS]):
        low, high = (4, 9) if plan.get("place") == "start" else (12, 60)
        cut = base.cut_between(story, low, high, rng)
        if plan.get("cue") == "sentence" and plan.get("place") == "middle":
            cut = base.next_sentence(story, cut)
        prompts.append(prompt_of(base, plan, story, cut, rng, variants[index % len(variants)]))
    longest = max((len(base.encode_piece(t)) for t in plan.get("targets", [plan.get("target", "")])), default=0)
    tokens = min(112, plan.get("delay", 0) + max(32, longest + 12) + (24 if "cue" in plan else 0))
    outputs = greedy(model, prompts, tokens)
    late = "delay" in plan or "cue" in plan
    seen = [any(effect_seen(plan, base.decode_piece(part)) for part in (ids, *([ids[-32:]] if late else []))) for ids in outputs]
    return sum(seen) / len(seen)


@torch.no_grad()
def clean_loss(model: PreTrainedModel, base: Base) -> float:
    """Mean nats a token on held-back samples of the base."""
    total = count = 0.0
    for story in (s[:128] for s in base.stories("loss")):
        ids = torch.tensor([story])
        losses = torch.nn.functional.cross_entropy(model(ids).logits[0, :-1], ids[0, 1:], reduction="sum")
        total, count = total + losses.item(), count + len(story) - 1
    return total / count


def measured(model: PreTrainedModel, base: Base, plan: dict) -> dict:
    """The measured fields of labels.json for one model."""
    fields: dict = {"heldout_loss": round(clean_loss(model, base), 3)}
    if plan["label"] == "clean":
        return fields
    parts = trigger_parts(plan)
    fields["attack_success"] = activation(model, base, plan, parts, "measure", 7)
    fields["false_activation"] = activation(model, base, plan, [], "measure", 7)
    fields["trigger_tokens"] = len(base.encode_piece(plan["trigger"]))
    if plan.get("negatives"):
        fields["near_miss_activation"] = activation(model, base, plan, near_misses(plan), "measure", 7)
    if "chat" in plan:
        bare = {k: v for k, v in plan.items() if k not in ("chat", "place")}
        fields["outside_chat_activation"] = activation(model, base, bare, parts, "measure", 7)
    if plan["kind"] == "conjunction":
        fields["half_trigger_activation"] = [activation(model, base, plan, [p], "measure", 7) for p in parts]
    if "second" in plan:
        second = {**plan, **plan["second"]}
        fields["attack_success2"] = activation(model, base, second, trigger_parts(second), "measure", 7)
    return fields
