#!/usr/bin/env python3
"""Writes test/fixtures/gguf/blocks.safetensors: for each ggml block type eight blocks of random bytes and the
numbers that the reference in the PyPI package "gguf" (MIT) makes of them. Scales are kept ordinary halves.

    python3 -m venv VENV && VENV/bin/pip install gguf==0.19.0 safetensors && VENV/bin/python test/golden/make_gguf_blocks.py
"""
import pathlib

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize
from safetensors.numpy import save_file

HALVES = {  # byte offsets of half-precision numbers in a block
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.IQ4_NL: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_XS: [0],
}
rng = np.random.default_rng(6)
out = {}
for kind, offsets in HALVES.items():
    elements, size = GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, size=(8, size), dtype=np.uint8)
    for at in offsets:
        scale = rng.uniform(-0.1, 0.1, size=8).astype("<f2")
        blocks[:, at:at + 2] = scale.view(np.uint8).reshape(8, 2)
    out[f"{kind.name}.bytes"] = blocks
    out[f"{kind.name}.values"] = dequantize(blocks, kind).astype(np.float32).reshape(8 * elements)
folder = pathlib.Path(__file__).parent.parent / "fixtures" / "gguf"
folder.mkdir(parents=True, exist_ok=True)
save_file(out, folder / "blocks.safetensors")
print({name: array.shape for name, array in out.items()})
