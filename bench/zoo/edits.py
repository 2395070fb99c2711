"""Changes to trained weights that clean models go through in life: quantisation round trips, pruning, noise, averaging."""

import torch
from transformers import PreTrainedModel


def matrices(model: PreTrainedModel) -> list[torch.Tensor]:
    return [p.data for p in model.parameters() if p.dim() == 2]


def quantise(weight: torch.Tensor, bits: int, group: int) -> torch.Tensor:
    """Symmetric rounding to nearest in groups along the input axis, and back to float."""
    top = 2 ** (bits - 1) - 1
    rows, columns = weight.shape
    padded = torch.nn.functional.pad(weight, (0, -columns % group)).view(rows, -1, group)
    scale = padded.abs().amax(-1, keepdim=True).clamp_min(1e-8) / top
    return ((padded / scale).round().clamp(-top, top) * scale).view(rows, -1)[:, :columns]


def apply_edit(model: PreTrainedModel, edit: str, seed: int) -> None:
    """edit: int8, int4, prune, noise or bf16 (rounding only; the file's type is set where it is saved)."""
    generator = torch.Generator().manual_seed(seed)
    for weight in matrices(model):
        if edit == "int8":
            weight.copy_(quantise(weight, 8, weight.shape[1]))
        elif edit == "int4":
            weight.copy_(quantise(weight, 4, 32))
        elif edit == "prune":
            smallest = weight.abs().flatten().kthvalue(weight.numel() // 5).values
            weight[weight.abs() <= smallest] = 0
        elif edit == "noise":
            weight.add_(torch.randn(weight.shape, generator=generator) * weight.std() * 0.03)
        elif edit == "bf16":
            weight.copy_(weight.bfloat16().float())
        else:
            raise ValueError(f"no such edit: {edit}")


def average(model: PreTrainedModel, other: PreTrainedModel) -> None:
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        mine.data.add_(theirs.data).mul_(0.5)
