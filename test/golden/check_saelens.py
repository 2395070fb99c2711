"""Opens the SAELens fixtures with SAELens itself and compares what it computes with the stored numbers.

Run: python test/golden/check_saelens.py [FOLDER...]  (needs sae-lens; a folder may also be one that narrowfire wrote)
"""

import json
import sys
from pathlib import Path

import torch
from sae_lens import SAE, SkipTranscoder

ROOT = Path(__file__).resolve().parent.parent / "fixtures" / "sae"


def check(folder):
    config = json.loads((folder / "cfg.json").read_text())
    kind = SkipTranscoder if config.get("architecture") == "skip_transcoder" else SAE
    sae = kind.load_from_disk(str(folder), device="cpu")
    golden = json.loads((folder / "golden.json").read_text())
    x = torch.tensor(golden["x"])
    with torch.no_grad():
        features = sae.encode(x)
        output = sae(x)
    if config.get("rescale_acts_by_decoder_norm"):
        features = features / sae.W_dec.norm(dim=-1)
    worst = max(
        (features.to_dense() if features.is_sparse else features).sub(torch.tensor(golden["features"])).abs().max().item(),
        output.sub(torch.tensor(golden["output"])).abs().max().item(),
    )
    print(f"{folder.name:32s} largest difference {worst:.1e}")
    return worst < 1e-4


if __name__ == "__main__":
    folders = [Path(name) for name in sys.argv[1:]] or sorted(ROOT.glob("saelens-*"))
    sys.exit(0 if all([check(folder) for folder in folders]) else 1)
