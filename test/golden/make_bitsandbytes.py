#!/usr/bin/env python3
"""Writes test/fixtures/bitsandbytes/*.safetensors: random matrices packed by bitsandbytes on the CPU as transformers saves
them, and what bitsandbytes makes of them again.

    python3 -m venv VENV && VENV/bin/pip install bitsandbytes==0.50.2 safetensors && VENV/bin/python test/golden/make_bitsandbytes.py
"""
import pathlib

import bitsandbytes.functional as F
import torch
from safetensors.torch import save_file

folder = pathlib.Path(__file__).parent.parent / "fixtures" / "bitsandbytes"
folder.mkdir(parents=True, exist_ok=True)
torch.manual_seed(3)
weight = torch.randn(12, 128)  # rows of whole blocks: the CPU kernel starts blocks anew in every row
for kind in ("nf4", "fp4"):
    for nested in (False, True):
        packed, state = F.quantize_4bit(weight, quant_type=kind, blocksize=64, compress_statistics=nested)
        out = {"m.weight": packed, "expected": F.dequantize_4bit(packed, state).float()}
        for name, part in state.as_dict(packed=True).items():
            out[f"m.weight.{name}"] = part.contiguous().clone()
        save_file(out, folder / f"{kind}{'-nested' if nested else ''}.safetensors")
        print(kind, nested, {k: (tuple(v.shape), v.dtype) for k, v in out.items()})
codes, scales, _ = F.int8_vectorwise_quant(weight.half())
expected = F.int8_vectorwise_dequant(codes, scales)
save_file({"m.weight": codes, "m.SCB": scales, "expected": expected.float()}, folder / "int8.safetensors")
