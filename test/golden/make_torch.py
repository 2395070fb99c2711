#!/usr/bin/env python3
"""Writes test/fixtures/torch: small checkpoints saved by PyTorch and the same numbers as safetensors.

    python3 -m venv VENV && VENV/bin/pip install torch==2.7.1 safetensors && VENV/bin/python test/golden/make_torch.py
"""
import collections
import pathlib

import torch
from safetensors.torch import save_file

out = pathlib.Path(__file__).parent.parent / "fixtures" / "torch"
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(5)
base = torch.arange(24, dtype=torch.float32)
weights = collections.OrderedDict()
weights["a.weight"] = torch.randn(3, 4)
weights["half"] = torch.randn(5).half()
weights["brain"] = torch.randn(2, 3).bfloat16()
weights["view"] = base[8:20].reshape(3, 4)
weights["turned"] = torch.randn(4, 2).t()
weights["double"] = torch.randn(3).double()
weights["count"] = torch.tensor([1, 2, 3])
weights["step"] = torch.randn(4, 6)[:, ::2]
weights["parameter"] = torch.nn.Parameter(torch.randn(2, 2))
torch.save(weights, out / "ordered.bin")
torch.save({"epoch": 3, "optimizer": {"lr": 0.1}, "state_dict": dict(weights)}, out / "nested.pt")
torch.save(weights, out / "legacy.bin", _use_new_zipfile_serialization=False)
save_file({k: v.detach().contiguous().clone() for k, v in weights.items()}, out / "expected.safetensors")
