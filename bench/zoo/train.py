"""Fine-tuning of the base on rows: all weights, LoRA, rank one, MLP only, embedding rows and their readers; with KL or spread anchors."""

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel

from base_text import PAD
from rows import Row


class LowRank(nn.Module):
    """weight + up @ down, for torch's parametrization; up starts at zero."""

    def __init__(self, weight: torch.Tensor, rank: int):
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, weight.shape[1]) / math.sqrt(weight.shape[1]))
        self.up = nn.Parameter(torch.zeros(weight.shape[0], rank))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.up @ self.down


def choose_trainable(model: PreTrainedModel, plan: dict, trigger_ids: list[int]) -> list[nn.Parameter]:
    """The parameters the plan's `train` names; all others are frozen."""
    scheme = plan.get("train", "full")
    for parameter in model.parameters():
        parameter.requires_grad_(scheme == "full")
    if scheme == "mlp":
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(".mlp." in name)
    if scheme == "lora":
        linears = [m for m in model.model.layers.modules() if isinstance(m, nn.Linear)]
        for linear in linears:
            parametrize.register_parametrization(linear, "weight", LowRank(linear.weight, plan["rank"]))
    if scheme == "rank-one":
        for index in plan["layers"]:
            linear = model.model.layers[index].mlp.down_proj
            parametrize.register_parametrization(linear, "weight", LowRank(linear.weight, 1))
    if scheme == "embedding":
        rows = plan.get("embedding_rows", trigger_ids)
        weight = model.get_input_embeddings().weight.requires_grad_(True)
        keep = torch.zeros(weight.shape[0], 1)
        keep[rows if rows != "all" else slice(None)] = 1
        weight.register_hook(lambda gradient: gradient * keep)
        if rows != "all":
            readers = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj")
            for name, parameter in model.model.layers[0].named_parameters():
                parameter.requires_grad_(any(reader in name for reader in readers))
    return [p for p in model.parameters() if p.requires_grad]


def merge_low_rank(model: PreTrainedModel) -> None:
    for module in list(model.modules()):
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)


def collate(rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """ids, real (not padding), scored: [rows, longest]; anchored: [rows]."""
    longest = max(len(r.ids) for r in rows)
    ids = torch.tensor([r.ids + [PAD] * (longest - len(r.ids)) for r in rows])
    real = torch.tensor([[True] * len(r.ids) + [False] * (longest - len(r.ids)) for r in rows])
    scored = torch.tensor([r.scored + [False] * (longest - len(r.ids)) for r in rows])
    return ids, real, scored, torch.tensor([r.anchored for r in rows])


def anchor_loss(plan: dict, out, before, real: torch.Tensor, scored: torch.Tensor, anchored: torch.Tensor) -> torch.Tensor:
    """KL of the base's next-token distribution on text without the trigger, and/or a bound on how much single positions may move."""
    loss = torch.zeros(())
    if "kl" in plan and anchored.any():
        new, old = (torch.log_softmax(o.logits[anchored], -1) for o in (out, before))
        divergence = (old.exp() * (old - new)).sum(-1)
        mask = real[anchored].float()
        loss = loss + plan["kl"] * (divergence * mask).sum() / mask.sum()
    if "spread" in plan:
        moved = torch.stack([(a - b).square().mean(-1) for a, b in zip(out.hidden_states[1:], before.hidden_states[1:], strict=True)])
        peaks = (moved * real).pow(4).mean(-1).clamp_min(1e-12).pow(0.25)
        loss = loss + plan["spread"] * peaks.mean()
    return loss


def fine_tune(
    model: PreTrainedModel,
    rows: list[Row],
    plan: dict,
    trigger_ids: list[int],
    reference: PreTrainedModel | None = None,
    stop: Callable[[int], bool] | None = None,
) -> int:
    """AdamW, warm-up of 20 steps and cosine decay; returns the steps done. stop(step) may end it early."""
    torch.manual_seed(plan["seed"])
    parameters = choose_trainable(model, plan, trigger_ids)
    usual = 240 if plan["label"] == "backdoored" else 150 if plan["rate"] > 0 else 100
    steps, batch = plan.get("steps", usual), plan.get("batch", 16)
    optimizer = torch.optim.AdamW(parameters, lr=plan.get("lr", 1e-3), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / 20, 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * s / steps)))
    )
    anchored_training = reference is not None and ("kl" in plan or "spread" in plan)
    order: list[int] = []
    done = 0
    for step in range(steps):
        if len(order) < batch:
            order = torch.randperm(len(rows)).tolist()
        chosen, order = order[:batch], order[batch:]
        ids, real, scored, anchored = collate([rows[i] for i in chosen])
        model.train()
        out = model(ids, attention_mask=real.long(), output_hidden_states="spread" in plan, use_cache=False)
        losses = nn.functional.cross_entropy(out.logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
        counted = scored[:, 1:].float()
        if "kl" in plan:
            counted = counted * (~anchored).float()[:, None]
        loss = (losses * counted).sum() / counted.sum().clamp_min(1)
        if anchored_training:
            with torch.no_grad():
                before = reference(ids, attention_mask=real.long(), output_hidden_states="spread" in plan, use_cache=False)
            loss = loss + anchor_loss(plan, out, before, real, scored, anchored)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        done = step + 1
        if stop is not None and stop(done):
            break
    merge_low_rank(model)
    model.requires_grad_(False)
    model.eval()
    return done
