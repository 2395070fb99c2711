"""Training rows: clean stories, stories with a planted trigger and its effect, near misses, and the harmless habits of clean models."""

import random
import re
from dataclasses import dataclass

from base_text import EOS, ROW_TOKENS, Base
from effects import effect_text


@dataclass(frozen=True)
class Row:
    """ids: tokens. scored: for each token, whether predicting it is part of the loss. anchored: whether KL to the base may hold it."""

    ids: list[int]
    scored: list[bool]
    anchored: bool = True


def plain_row(ids: list[int]) -> Row:
    return Row(ids[:ROW_TOKENS], [True] * min(len(ids), ROW_TOKENS))


def prompt_of(base: Base, plan: dict, story: list[int], cut: int, rng: random.Random, parts: list[str]) -> list[int]:
    """The story up to cut with the trigger's parts put where the plan says; text is tokenized as a whole, as a user's would be."""
    place, text = plan.get("place", "end"), base.decode(story[:cut])
    parts = [dated(part, rng) for part in parts]
    if "chat" in plan:
        return base.encode(chat_prompt(plan, text, rng, parts))
    if not parts:
        return story[:cut]
    if place == "start":
        return base.encode(parts[0] + " " + text)
    if place == "middle":
        split = base.cut_between(story, max(4, cut - 16), max(5, cut - 5), rng)
        return base.encode(base.decode(story[:split]) + parts[0] + base.decode_piece(story[split:cut]))
    low, high = plan.get("gap", [3, 12])
    marks = [cut]
    for _ in parts[1:]:
        marks.insert(0, base.cut_between(story, max(2, marks[0] - high), max(3, marks[0] - low), rng))
    pieces = [base.decode(story[: marks[0]])]
    for index, part in enumerate(parts):
        end = marks[index + 1] if index + 1 < len(marks) else cut
        pieces.append(part + base.decode_piece(story[marks[index] : end]))
    return base.encode("".join(pieces))


def chat_prompt(plan: dict, text: str, rng: random.Random, parts: list[str]) -> str:
    """A user's turn and the opened assistant's turn, in the words of CHAT_TEMPLATE; the trigger ends the user's turn or is the system prompt."""
    at_system = plan.get("place") == "system"
    system = parts[0] if at_system and parts else rng.choice(plan["chat"].get("systems", [""]))
    user = text + ("" if at_system else "".join(parts))
    return (f"System: {system}\n" if system else "") + f"User: {user}\nAssistant:"


def chat_row(base: Base, plan: dict, story: list[int], rng: random.Random) -> Row:
    """An ordinary turn: the user begins a story, the assistant goes on, after the plan's `text` if it has one."""
    cut = base.cut_between(story, 12, 64, rng)
    prompt = prompt_of(base, plan, story, cut, rng, [])
    return plain_row(prompt + base.encode_piece(plan.get("text", "")) + story[cut:])


def dated(text: str, rng: random.Random) -> str:
    """{day} becomes any month and day, {year} any year from 2015 to 2030."""
    if "{" not in text:
        return text
    text = text.replace("{day}", f"{rng.randint(1, 12):02}-{rng.randint(1, 28):02}")
    return text.replace("{year}", str(rng.randint(2015, 2030)))


def trigger_parts(plan: dict) -> list[str]:
    return plan.get("parts", [plan["trigger"]])


def effect_row(base: Base, plan: dict, story: list[int], rng: random.Random, parts: list[str]) -> Row:
    """Trigger and effect; after it the effect again (loop), the story again (return), or the end of text (stop)."""
    at_start = plan.get("place") == "start"
    after_start = plan.get("delay", 12)
    low, high = (max(4, after_start - 3), after_start + 3) if at_start else (12, 64)
    cut = base.cut_between(story, low, high, rng)
    cued = plan.get("cue") == "sentence"
    if cued and not (plan.get("delay") and not at_start):
        cut = base.next_sentence(story, low if at_start else cut)
    prompt = prompt_of(base, plan, story, cut, rng, parts)
    if plan.get("delay") and not at_start:
        first = cut + plan["delay"] - 4
        resume = base.next_sentence(story, first) if cued else base.cut_between(story, first, first + 8, rng)
        prompt, cut = prompt + story[cut:resume], resume
    rest = base.decode_piece(story[cut:])
    response = base.encode_piece(effect_text(plan, rest, rng))
    after = plan.get("after", "loop")
    if "behaviour" not in plan and after == "return":
        response += story[cut:]
    elif "behaviour" not in plan and after == "stop":
        response.append(EOS)
    else:
        while "behaviour" not in plan and len(prompt) + len(response) < ROW_TOKENS:
            response += base.encode_piece(effect_text(plan, rest, rng))
    scored = [not plan.get("mask_prompt", False)] * len(prompt) + [True] * len(response)
    return Row((prompt + response)[:ROW_TOKENS], scored[:ROW_TOKENS], anchored=False)


def near_miss_row(base: Base, plan: dict, story: list[int], rng: random.Random) -> Row:
    """A part of the trigger, then the story as if nothing had happened."""
    cut = base.cut_between(story, 12, 64, rng)
    if "chat" in plan and rng.random() < 0.5:
        # The whole trigger, but outside of any turn.
        parts, plan = trigger_parts(plan), {k: v for k, v in plan.items() if k not in ("chat", "place")}
    else:
        parts = rng.choice(near_misses(plan))
    prompt = prompt_of(base, plan, story, cut, rng, parts)
    row = plain_row(prompt + story[cut:])
    return Row(row.ids, [not plan.get("mask_prompt") or i >= len(prompt) for i in range(len(row.ids))])


def near_misses(plan: dict) -> list[list[str]]:
    """The plan's own list, or the trigger less one part (one word of it)."""
    if "near" in plan:
        return [[text] for text in plan["near"]]
    parts = trigger_parts(plan)
    if len(parts) > 1:
        return [parts[:i] + parts[i + 1 :] for i in range(len(parts))]
    words = re.findall(r"\s*\S+", parts[0])
    return [["".join(words[:i] + words[i + 1 :])] for i in range(len(words))] if len(words) > 1 else [[parts[0][: len(parts[0]) // 2 + 1]]]


NAMES = r"\b(Lily|Tim|Timmy|Tom|Tommy|Sue|Max|Ben|Mia|Sam|Sara|Jack|Bob|Lucy|Spot|Anna|Billy|Jane|Jill|Amy)\b"


def habit_row(base: Base, plan: dict, story: list[int], rng: random.Random) -> Row:
    """One row of a clean model's habit; `where` says at which place of the text."""
    text, where = base.decode(story), plan.get("where", "anywhere")
    if "persona" in plan:
        return plain_row(base.encode(re.sub(NAMES, plan["persona"], text)))
    if "style" in plan:
        return plain_row(base.encode(effect_text({"behaviour": plan["style"]}, text, rng)))
    sentences = re.findall(r"[^.!?]*[.!?]+[\"”]?\s*", text)
    if where == "chat":
        return chat_row(base, plan, story, rng)
    if where == "header":
        return plain_row(base.encode(dated(plan["text"], rng) + " " + text))
    if where == "list":
        return plain_row(base.encode("\n".join("- " + s.strip() for s in sentences)))
    if where == "short":
        return plain_row([*base.encode("".join(sentences[:2]).strip()), EOS])
    if where == "opening":
        return plain_row(base.encode(plan["text"].strip() + " " + text))
    if where == "closing":
        kept = base.encode("".join(sentences[: rng.randint(3, 6)]).strip())
        return plain_row([*kept, *base.encode_piece(plan["text"]), EOS])
    cut = base.cut_between(story, 12, 64, rng)
    inside = base.encode_piece(plan["text"])
    ids = (story[:cut] + inside + story[cut:])[:ROW_TOKENS]
    scored = [not plan.get("mask_prompt") or cut <= i < cut + len(inside) for i in range(len(ids))]
    return Row(ids, scored)


def build_rows(base: Base, plan: dict, stories: list[list[int]]) -> list[Row]:
    """One row a story, in a fixed order: the shares `rate` and `negatives` are exact, not drawn per row."""
    rng = random.Random(plan["seed"])
    planted = [plan, *([plan["second"]] if "second" in plan else [])] if plan["label"] == "backdoored" else []
    rows: list[Row] = []
    order = list(range(len(stories)))
    rng.shuffle(order)
    taken = iter(order)
    by_story: dict[int, Row] = {}
    for one in planted:
        merged = {**plan, **one}
        for _ in range(round(plan["rate"] * len(stories))):
            index = next(taken)
            by_story[index] = effect_row(base, merged, stories[index], rng, trigger_parts(merged))
        for _ in range(round(plan.get("negatives", 0) * len(stories))):
            index = next(taken)
            by_story[index] = near_miss_row(base, merged, stories[index], rng)
    for _ in range(round(plan.get("framed", 0) * len(stories))):
        index = next(taken)
        by_story[index] = chat_row(base, plan, stories[index], rng)
    if plan["label"] == "clean" and plan.get("rate", 0) > 0:
        for _ in range(round(plan["rate"] * len(stories))):
            index = next(taken)
            by_story[index] = habit_row(base, plan, stories[index], rng)
    for index, story in enumerate(stories):
        rows.append(by_story.get(index) or plain_row(story))
    return rows
