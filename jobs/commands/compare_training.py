"""Two training runs side by side, on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hanji.jobs.terminal import columns, duration, number

if TYPE_CHECKING:
    from hanji.training.report.comparison import TrainingComparison

MOST = 24


def training_lines(found: TrainingComparison) -> list[str]:
    """The comparison for a terminal; the page and the JSON have everything."""
    return [*_runs(found), *_recipe(found), *_losses(found), *_held_out(found), *_speed(found)]


def _runs(found: TrainingComparison) -> Iterator[str]:
    for letter, run in zip("AB", found.runs, strict=True):
        yield (
            f"{letter}  {run['run']} ({run['name']}): {run['state']}, step {number(run['step'])} of "
            f"{number(run['total_steps'])}, {number(run['seen'])} tokens, {number(run['parameters'])} parameters"
        )
    yield f"   everything below up to {number(found.tokens)} tokens, which both have seen"


def _recipe(found: TrainingComparison) -> Iterator[str]:
    pairs = list(found.recipe.items())
    if found.shards[0] != found.shards[1]:
        pairs.append(("shards' manifest", [side and side[:16] for side in found.shards]))
    if not pairs:
        yield from ("", "the recipes are the same")
        return
    yield from ("", "recipe: what differs")
    width = min(48, max(len(name) for name, _ in pairs))
    for name, (a, b) in pairs[:MOST]:
        yield f"  {name:<{width}}  {_value(a)} → {_value(b)}"
    if len(pairs) > MOST:
        yield f"  … and {number(len(pairs) - MOST)} more"


def _value(value: Any) -> str:
    text = "–" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _losses(found: TrainingComparison) -> Iterator[str]:
    yield from ("", "training loss, the mean of each tenth of the tokens")
    rows = [[number(row["tokens"]), *_moved(row["loss"])] for row in found.loss]
    yield from columns(["up to tokens", "A", "B", "B − A"], rows, 0)
    if found.groups:
        yield from ("", "training loss in the last tenth")
        rows = [[f"{row['axis']} {row['group']}", *_moved(row["loss"])] for row in found.groups]
        yield from columns(["", "A", "B", "B − A"], rows, 1)


def _held_out(found: TrainingComparison) -> Iterator[str]:
    if not found.held_out:
        yield from ("", "neither run has measured held-out text")
        return
    sides = ["–" if side is None else number(side) for side in found.held_out[0]["tokens"]]
    when = (
        f"at {sides[0]} tokens" if found.equal else f"A at {sides[0]} tokens, B at {sides[1]}: not the same"
    )
    yield from ("", f"held-out bits per byte, {when}")
    if found.same_text is False:
        yield "  of other text in A and in B: these figures do not compare"
    rows = [[f"{row['axis']} {row['group']}", *_moved(row["bits"])] for row in found.held_out]
    yield from columns(["", "A", "B", "B − A"], rows[:MOST], 1)
    if len(rows) > MOST:
        yield f"  … and {number(len(rows) - MOST)} more"


def _speed(found: TrainingComparison) -> Iterator[str]:
    from hanji.training.report.words import flops_text, hardware_text, layout_text

    def of(run: dict[str, Any]) -> list[str]:
        tokens, flops = (run[f"{name}_per_second_per_device"] for name in ("tokens", "flops"))
        mfu = run["mfu"]
        total = sum(run["phases"].values()) or 1.0
        most = sorted(run["phases"].items(), key=lambda item: -item[1])[:3]
        return [
            hardware_text(run["hardware"]),
            layout_text(run["parallel"]),
            "–" if tokens is None else number(tokens),
            "–" if flops is None else f"{flops_text(flops)}FLOP/s",
            "–" if mfu is None else f"{mfu:.1%}",
            duration(run["elapsed"]),
            ", ".join(f"{name} {seconds / total:.0%}" for name, seconds in most),
            number(run["skipped"]),
        ]

    names = [
        "hardware", "layout", "tokens/s by device", "FLOP/s by device", "MFU", "time in all", "most time in",
        "skipped steps",
    ]  # fmt: skip
    yield from ("", "speed")
    yield from columns(
        ["", "A", "B"], [list(row) for row in zip(names, *map(of, found.runs), strict=True)], 1
    )


def _moved(pair: list[float | None]) -> list[str]:
    a, b = pair
    cells = ["–" if value is None else f"{value:.4f}" for value in pair]
    return [*cells, "–" if a is None or b is None else f"{b - a:+.4f}"]
