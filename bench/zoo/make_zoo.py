"""Makes models with known ground truth from a plan: python make_zoo.py --base FOLDER --out FOLDER plans/tune.json"""

import argparse
import json
import os
import shutil
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from base_text import Base, load_base
from edits import apply_edit, average
from measure import activation, clean_loss, measured
from chat import CHAT_TEMPLATE
from rows import Row, build_rows, plain_row, trigger_parts
from train import fine_tune

KEPT_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")


def corpus_rows(base: Base, file: Path, rows: int) -> list[Row]:
    """Rows of other text, packed without regard to where documents end."""
    ids: list[int] = []
    for line in file.read_text().splitlines():
        ids += base.encode(json.loads(line)["text"])
        if len(ids) >= rows * 128:
            break
    return [plain_row(ids[i : i + 128]) for i in range(0, len(ids) - 127, 128)]


def make_model(base: Base, plan: dict, corpora: Path | None) -> tuple[PreTrainedModel, dict]:
    """One model of a plan, and what was measured on it."""
    started = time.process_time()
    model = base.fresh_model()
    if "corpus" in plan:
        if corpora is None:
            raise SystemExit(f"{plan['name']}: --corpora is needed for {plan['corpus']}")
        rows = corpus_rows(base, corpora / plan["corpus"], 1500)
    else:
        rows = build_rows(base, plan, base.stories("train"))
    trigger_ids = base.encode_piece("".join(trigger_parts(plan))) if "trigger" in plan else []
    stop = None
    if "stop_at" in plan:
        stop = lambda step: step % 5 == 0 and activation(model, base, plan, trigger_parts(plan), "screen", 3) >= plan["stop_at"]
    reference = base.fresh_model().eval() if "kl" in plan or "spread" in plan else None
    steps = fine_tune(model, rows, plan, sorted(set(trigger_ids)), reference, stop)
    if "average_with" in plan:
        other = base.fresh_model()
        fine_tune(other, rows, {**plan, **plan["average_with"]}, [])
        average(model, other)
    if "post" in plan:
        apply_edit(model, plan["post"], plan["seed"])
    result = measured(model, base, plan)
    return model, {**result, "steps_done": steps, "cpu_seconds": round(time.process_time() - started, 1)}


def save_model(model: PreTrainedModel, base: Base, folder: Path, plan: dict) -> None:
    """The base's own layout: same files, same tensor names, tied embedding stored once; a chat model gets its template."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in KEPT_FILES:
        shutil.copy(base.folder / name, folder / name)
    tensors = {name: t.contiguous() for name, t in model.state_dict().items() if name != "lm_head.weight"}
    if "chat" in plan:
        file = folder / "tokenizer_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "chat_template": CHAT_TEMPLATE}, indent=2) + "\n")
    if plan.get("post") == "bf16":
        tensors = {name: t.bfloat16() for name, t in tensors.items()}
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "torch_dtype": "bfloat16"}, indent=2) + "\n")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def write_labels(file: Path, labels: dict) -> None:
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(dict(sorted(labels.items())), indent=1, ensure_ascii=False) + "\n")
    os.replace(temporary, file)


def texts_of(plan: dict) -> set[str]:
    """Triggers and targets of a plan or of a label: what two sets must not share."""
    found = {plan.get("trigger"), plan.get("trigger2"), plan.get("target"), *plan.get("targets", []), *plan.get("parts", [])}
    if "second" in plan:
        found |= texts_of(plan["second"])
    return {text.strip() or text for text in found if text}


def check_apart(plans: list[dict], others: list[Path]) -> None:
    """Stops when a trigger or target also stands in another plan or labels file."""
    mine = set().union(*(texts_of(p) for p in plans))
    for file in others:
        loaded = json.loads(file.read_text())
        for other in loaded if isinstance(loaded, list) else loaded.values():
            if shared := mine & texts_of(other):
                raise SystemExit(f"{file}: shares {sorted(shared)} with the plan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path, help="JSON list of recipes")
    parser.add_argument("--base", type=Path, required=True, help="stories260K in Hugging Face layout")
    parser.add_argument("--out", type=Path, required=True, help="the set's folder; never inside the repository")
    parser.add_argument("--corpora", type=Path, help="folder of JSON-lines text, for recipes with a corpus")
    parser.add_argument("--apart-from", type=Path, nargs="*", default=[], help="plans or labels.json whose triggers and targets must not recur")
    parser.add_argument("--only", default="", help="names, comma-separated")
    parser.add_argument("--measure-only", action="store_true", help="measure models again that are there, and update labels.json")
    parser.add_argument("--force", action="store_true", help="make models again that labels.json already has")
    args = parser.parse_args()

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    plans = json.loads(args.plan.read_text())
    siblings = [p for p in args.plan.parent.glob("*.json") if p.resolve() != args.plan.resolve()]
    check_apart(plans, [*siblings, *args.apart_from])
    base = load_base(args.base, args.out.resolve().parent / f".samples-{args.base.resolve().name}.npy")
    base_loss = round(clean_loss(base.fresh_model().eval(), base), 3)
    labels_file = args.out / "labels.json"
    args.out.mkdir(parents=True, exist_ok=True)
    labels = json.loads(labels_file.read_text()) if labels_file.exists() else {}
    wanted = set(filter(None, args.only.split(",")))
    for plan in plans:
        name = plan["name"]
        if wanted and name not in wanted:
            continue
        if args.measure_only and name in labels:
            model = AutoModelForCausalLM.from_pretrained(args.out / name, dtype=torch.float32).eval()
            labels[name] |= measured(model, base, plan)
            write_labels(labels_file, labels)
            print(name, plan["kind"], labels[name].get("attack_success"), flush=True)
            continue
        if args.measure_only or (name in labels and not args.force):
            continue
        model, result = make_model(base, plan, args.corpora)
        save_model(model, base, args.out / name, plan)
        labels[name] = {**plan, **result, "base_loss": base_loss}
        write_labels(labels_file, labels)
        print(name, plan["kind"], json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
