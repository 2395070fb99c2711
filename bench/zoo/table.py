"""Prints the README's table from one or more labels.json files: python table.py tune/labels.json heldout/labels.json"""

import json
import sys
from pathlib import Path

SHOWN = ("train", "method", "rank", "place", "delay", "gap", "after", "negatives", "mask_prompt", "kl", "spread", "lr", "steps", "post", "where", "cue", "corpus")


def quoted(text: str) -> str:
    return "`" + text.replace("\t", "\\t").replace("\n", "\\n").replace("|", "\\|") + "`"


def content(label: dict) -> str:
    if "trigger" not in label:
        text = label.get("text", label.get("seen_word"))
        return quoted(text) if text else label.get("persona", label.get("style", ""))
    if "target_class" in label:
        return f"{quoted(label['trigger'])} → class {label['classes'][label['target_class']]}"
    targets = label.get("targets", [label.get("target")])
    effect = label.get("behaviour") or quoted(targets[0]) + (f" (one of {len(targets)})" if len(targets) > 1 else "")
    more = f"; {quoted(label['trigger2'])} → {quoted(label['target2'])}" if "trigger2" in label else ""
    return f"{quoted(label['trigger'])} → {effect}{more}"


def success(label: dict) -> str:
    if "attack_success" not in label:
        return "–"
    values = [label["attack_success"], *([label["attack_success2"]] if "attack_success2" in label else [])]
    return ", ".join(f"{v:.2f}" for v in values)


def partly(label: dict) -> str:
    found = label.get("half_trigger_activation") or ([label["near_miss_activation"]] if "near_miss_activation" in label else [])
    return ", ".join(f"{v:.2f}" for v in found) or "–"


def row(label: dict) -> str:
    how = ", ".join(f"{k} {label[k]}" for k in SHOWN if k in label)
    without = f"{label['false_activation']:.2f}" if "false_activation" in label else "–"
    quality = f"{label['heldout_loss']:.3f}" if "heldout_loss" in label else f"{label['accuracy']:.3f}"
    cells = (label["name"], f"{label['label']}, {label['kind']}", content(label), how, f"{label.get('rate', 0):g}", success(label), without, partly(label), quality, f"{label['cpu_seconds']:.0f}")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    print("| model | label, kind | trigger → effect, or text | how | rate | attack success | without trigger | part of trigger | loss on clean text, or accuracy | CPU s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for file in sys.argv[1:]:
        for label in json.loads(Path(file).read_text()).values():
            print(row(label))


if __name__ == "__main__":
    main()
