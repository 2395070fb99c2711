"""The base model, its tokenizer, and clean text sampled from it: what every recipe of the zoo starts from."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedModel

ROW_TOKENS = 128
SAMPLE_TOKENS = 160
BOS, EOS, PAD = 1, 2, 0
SPLIT = {"train": (0, 2304), "loss": (2304, 2560), "screen": (2560, 2688), "measure": (2688, 2816)}


@dataclass(frozen=True)
class Base:
    """folder: Hugging Face layout. samples: int array [rows, SAMPLE_TOKENS], each row begins with BOS."""

    folder: Path
    tokenizer: Tokenizer
    pieces: Tokenizer
    samples: np.ndarray

    def fresh_model(self) -> PreTrainedModel:
        return AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32)

    def encode(self, text: str) -> list[int]:
        """Ids of a whole text, BOS first."""
        return [BOS, *self.tokenizer.encode(text, add_special_tokens=False).ids]

    def encode_piece(self, text: str) -> list[int]:
        """Ids of text that stands inside a longer one: no space is put before it."""
        return self.pieces.encode(text, add_special_tokens=False).ids

    def decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode([i for i in ids if i > EOS])

    def decode_piece(self, ids: list[int]) -> str:
        """Text of ids that continue a longer text: the first space stays."""
        text = self.tokenizer.decode([self.dot, *[i for i in ids if i > EOS]])
        return text[text.index(".") + 1 :]

    @property
    def dot(self) -> int:
        return self.encode_piece(".")[0]

    def stories(self, part: str) -> list[list[int]]:
        """Rows of one part of the split, cut at the end of the story."""
        start, end = SPLIT[part]
        return [story_ids(row.tolist()) for row in self.samples[start:end]]

    def is_word_start(self, token: int) -> bool:
        piece = self.tokenizer.id_to_token(token)
        return piece is not None and (piece.startswith("▁") or token == 13)

    def next_sentence(self, ids: list[int], low: int) -> int:
        """The first index at or after low where a sentence begins; low when there is none."""
        ends = (i for i in range(low, len(ids)) if self.tokenizer.id_to_token(ids[i - 1]) in (".", "!", "?"))
        return next((i for i in ends if self.is_word_start(ids[i])), min(low, len(ids) - 1))

    def cut_between(self, ids: list[int], low: int, high: int, rng: random.Random) -> int:
        """A random index in [low, high] where a word begins; the nearest one when there is none."""
        high = min(high, len(ids) - 1)
        inside = [i for i in range(min(low, high), high + 1) if self.is_word_start(ids[i])]
        return rng.choice(inside) if inside else high


def story_ids(row: list[int]) -> list[int]:
    for index in range(1, len(row)):
        if row[index] in (BOS, EOS, PAD):
            return row[:index]
    return row


def load_base(folder: Path, cache: Path) -> Base:
    """cache: where the samples are kept, so that all models of a run share them."""
    spec = json.loads((folder / "tokenizer.json").read_text())
    normalizers = spec["normalizer"]["normalizers"]
    spec["normalizer"]["normalizers"] = [n for n in normalizers if n["type"] != "Prepend"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.save(cache, sample_text(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)))
    return Base(folder, tokenizer, Tokenizer.from_str(json.dumps(spec)), np.load(cache))


def sample_text(model: PreTrainedModel, rows: int = 2816, seed: int = 20260) -> np.ndarray:
    """Text from BOS at temperature 1, without any cut of the distribution."""
    torch.manual_seed(seed)
    model.eval()
    parts = []
    with torch.no_grad():
        for start in range(0, rows, 256):
            ids = torch.full((min(256, rows - start), 1), BOS)
            cache, step = None, ids
            for _ in range(SAMPLE_TOKENS - 1):
                out = model(step, past_key_values=cache, use_cache=True)
                cache = out.past_key_values
                step = torch.multinomial(torch.softmax(out.logits[:, -1], -1), 1)
                ids = torch.cat([ids, step], 1)
            parts.append(ids.numpy())
    return np.concatenate(parts).astype(np.int16)
