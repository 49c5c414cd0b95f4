"""The page of two training runs side by side: one HTML file, offline, made from the comparison alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hanji.charts import HALF, Line, lines, short
from hanji.page import Markup, escape, number, page, percent, section, size, table, tag
from hanji.training.cost.rows import CONVENTION_HEADS
from hanji.training.report.comparison import TrainingComparison
from hanji.training.report.words import (
    AXIS_NAMES,
    MEMORY,
    duration,
    figure,
    flops_text,
    group_name,
    hardware_text,
    in_order,
    layout_text,
)

STYLE = Markup(".up{color:var(--c4)}.down{color:var(--c1)}.ab{color:var(--accent);font-weight:600}")


def render_comparison(found: TrainingComparison) -> str:
    """The comparison as HTML."""
    names = [run["name"] for run in found.runs]
    parts = [
        tag("style", STYLE),
        _header(found),
        _navigation(),
        _recipe(found),
        _loss(found),
        _held_out(found),
        _speed(found),
        _cost(found),
        _footer(found),
    ]
    return page(f"Comparison of {names[0]} and {names[1]}", parts)


def _header(found: TrainingComparison) -> Markup:
    a, b = found.runs
    last = found.loss[-1]["loss"]
    sentence = (
        f"Both have seen {number(found.tokens)} tokens. Over the last tenth of them the mean training loss is "
        f"{figure(last[0])} in A and {figure(last[1])} in B"
    )
    bits = [row for row in found.held_out if row["axis"] == "language"]
    if bits and found.equal:
        sentence += "; held-out bits per byte " + ", ".join(
            f"{group_name('language', row['group'])} {figure(row['bits'][0], 3)} in A and "
            f"{figure(row['bits'][1], 3)} in B"
            for row in bits
        )
    runs = [
        tag(
            "p",
            tag("span", letter, class_="ab"),
            f" {run['name']} ",
            tag("code", run["run"]),
            f" {run['state']}, step {number(run['step'])} of {number(run['total_steps'])}, "
            f"{number(run['seen'])} tokens",
        )
        for letter, run in zip("AB", found.runs, strict=True)
    ]
    return tag(
        "header",
        tag("p", "Hanji · comparison of two training runs", class_="kicker"),
        tag("h1", f"{a['name']} → {b['name']}"),
        tag("p", f"{sentence}.", class_="lead"),
        *runs,
    )


def _navigation() -> Markup:
    items = [
        ("settings", "What differs"),
        ("loss", "Loss"),
        ("held-out", "Held-out text"),
        ("speed", "Speed and memory"),
        ("cost", "Cost"),
    ]
    return tag("nav", *(tag("a", name, href=f"#{key}") for key, name in items), aria_label="Sections")


def _recipe(found: TrainingComparison) -> Markup:
    rows = [[_field(name), *(_value(side) for side in pair)] for name, pair in found.recipe.items()]
    if found.shards[0] != found.shards[1]:
        rows.append(
            ["the shards' manifest, SHA-256", *(tag("code", (side or "–")[:16]) for side in found.shards)]
        )
    return section(
        "What differs",
        table("Fields of the recipes", ["", "A", "B"], rows, text_columns=3)
        if rows
        else tag("p", "The recipes are the same."),
        intro="Of the recipes, but for the run's directory.",
        identity="settings",
    )


def _field(name: str) -> Markup:
    """A field's name, which may be broken after its dots."""
    parts = [Markup(f"{escape(part)}<wbr>") for part in name.replace(".", ".\n").split("\n")]
    return tag("code", *parts, style="overflow-wrap:break-word")


def _value(value: Any) -> Any:
    return tag("small", "–") if value is None else str(value)


def _pair_of_lines(
    found: TrainingComparison, course: Callable[[Any], list[list[float]]], dots: bool
) -> list[Line]:
    return [
        Line(letter, [(x, y) for x, y in course(curves)], dots=dots, note=run["name"])
        for letter, curves, run in zip("AB", found.curves, found.runs, strict=True)
    ]


def _figures(found: TrainingComparison, what: str, field: str, dots: bool) -> Iterator[Markup]:
    for axis, said in AXIS_NAMES.items():
        groups = sorted({group for curves in found.curves for group in curves[field][axis]})
        if axis == "domain" and len(groups) < 2:
            continue
        for group in in_order(axis, groups):

            def course(curves: Any, axis: str = axis, group: str = group) -> list[list[float]]:
                found: list[list[float]] = curves[field][axis].get(group, [])
                return found

            title = f"{what}: {said} {group_name(axis, group)}"
            series = _pair_of_lines(found, course, dots)
            yield lines(title, series, width=HALF, height=220, x_name="tokens")


def _loss(found: TrainingComparison) -> Markup:
    rows = [[short(row["tokens"]), *_moved(row["loss"])] for row in found.loss]
    groups = [
        [AXIS_NAMES[row["axis"]], group_name(row["axis"], row["group"]), *_moved(row["loss"])]
        for row in found.groups
    ]
    return section(
        "Loss",
        lines(
            "Training loss over tokens, nats a token",
            _pair_of_lines(found, lambda curves: curves["loss"], False),
            x_name="tokens",
        ),
        table("Mean training loss of each tenth of the tokens", ["up to token", "A", "B", "B − A"], rows),
        table(
            "Mean training loss of the last tenth, by group",
            ["by", "text", "A", "B", "B − A"],
            groups,
            text_columns=2,
        ),
        tag(
            "details",
            tag("summary", tag("b", "Training loss by group"), tag("small", "over tokens")),
            tag("div", *_figures(found, "Training loss", "groups", False), class_="figures"),
        ),
        intro="Over tokens seen, as far as both runs have come; skipped steps are left out.",
        identity="loss",
    )


def _held_out(found: TrainingComparison) -> Markup:
    if not found.held_out:
        return section(
            "Held-out text", tag("p", "Neither run has measured held-out text."), identity="held-out"
        )
    tokens = found.held_out[0]["tokens"]
    when = (
        f"at {number(tokens[0])} tokens"
        if found.equal
        else "at " + " and ".join("–" if side is None else number(side) for side in tokens) + " tokens"
    )
    rows = [
        [
            AXIS_NAMES.get(row["axis"], row["axis"]),
            group_name(row["axis"], row["group"]),
            *_moved(row["bits"]),
        ]
        for row in found.held_out
    ]
    return section(
        "Held-out text",
        ""
        if found.same_text is not False
        else tag(
            "p", "The runs were measured on other text: these figures do not compare.", class_="warning"
        ),
        "" if found.equal else tag("p", "The runs were never measured at the same tokens.", class_="warning"),
        tag("div", *_figures(found, "Bits per byte", "held_out", True), class_="figures"),
        table(f"Bits per byte, {when}", ["by", "text", "A", "B", "B − A"], rows, text_columns=2),
        intro="Lower is better." + (" Both were measured on the same text." if found.same_text else ""),
        identity="held-out",
    )


def _moved(pair: list[float | None]) -> list[Any]:
    a, b = pair
    if a is None or b is None:
        return [figure(a), figure(b), "–"]
    moved = b - a
    return [figure(a), figure(b), tag("span", f"{moved:+.4f}", class_="up" if moved > 0 else "down")]


def _speed(found: TrainingComparison) -> Markup:
    shows: list[tuple[str, Callable[[Any], Any]]] = [
        ("hardware", lambda run: hardware_text(run["hardware"])),
        ("layout", lambda run: layout_text(run["parallel"])),
        ("precision", lambda run: run["precision"]),
        ("parameters", lambda run: number(run["parameters"])),
        ("tokens/s by device", lambda run: _or_dash(run["tokens_per_second_per_device"], number)),
        ("FLOP/s by device", lambda run: _or_dash(run["flops_per_second_per_device"], _flops_per_second)),
        ("MFU", lambda run: _or_dash(run["mfu"], percent)),
        ("FLOPs counted by", lambda run: run["convention"]),
        ("time of training steps", lambda run: duration(run["seconds"])),
        ("time in all", lambda run: duration(run["elapsed"])),
        ("skipped steps", lambda run: number(run["skipped"])),
        ("alarms", lambda run: number(run["alarms"])),
        ("steps done again", lambda run: number(run["lost"]["steps"])),
    ]
    rows = [[name, *(show(run) for run in found.runs)] for name, show in shows]
    for name in dict.fromkeys(name for run in found.runs for name in run["memory"]):
        held = [_or_dash(run["memory"].get(name), size) for run in found.runs]
        rows.append([f"memory, {MEMORY.get(name, name)}", *held])
    phases = dict.fromkeys(name for run in found.runs for name in run["phases"])
    sums = [sum(run["phases"].values()) or 1.0 for run in found.runs]
    shares = [
        [
            name,
            *(
                percent(run["phases"].get(name, 0.0) / sum_)
                for run, sum_ in zip(found.runs, sums, strict=True)
            ),
        ]
        for name in phases
    ]
    return section(
        "Speed and memory",
        table("Speed and memory", ["", "A", "B"], rows),
        table("Where the time went", ["phase", "A", "B"], shares),
        identity="speed",
    )


def _cost(found: TrainingComparison) -> Markup:
    costs = [run["costs"] or {} for run in found.runs]
    if not any(costs):
        return section("Cost", tag("p", "Neither run has a whole checkpoint yet."), identity="cost")

    def flops(key: str, convention: str) -> list[str]:
        return [_or_dash((one.get(key) or {}).get(convention), lambda value: f"{value:.4g}") for one in costs]

    rows: list[list[Any]] = [["of step", *(_or_dash(one.get("step"), number) for one in costs)]]
    rows += [[f"FLOPs, {head}", *flops("flops", name)] for name, head in CONVENTION_HEADS.items()]
    if any(one.get("ancestors") for one in costs):
        rows.append(["ancestors", *(", ".join(one.get("ancestors", ())) or "–" for one in costs)])
        rows += [
            [f"FLOPs with ancestors, {head}", *flops("with_ancestors", name)]
            for name, head in CONVENTION_HEADS.items()
        ]
    hours = [_or_dash(one.get("device_hours"), lambda value: f"{value:.4g}") for one in costs]
    rows.append(["device-hours, measured", *hours])
    return section(
        "Cost",
        table("What the newest checkpoint took", ["", "A", "B"], rows),
        intro="Training FLOPs, forward and backward: 6 × parameters × tokens, and all matrix products with causal "
        "or full attention. All that each run has done, not only up to equal tokens.",
        identity="cost",
    )


def _footer(found: TrainingComparison) -> Markup:
    a, b = (run["run"] for run in found.runs)
    return tag(
        "footer",
        "This page again: ",
        tag("code", f"hanji compare {a} {b} --report FILE.html"),
        "; its figures: ",
        tag("code", "--json FILE"),
        ".",
    )


def _flops_per_second(value: float) -> str:
    return f"{flops_text(value)}FLOP/s"


def _or_dash(value: Any, show: Callable[[Any], str]) -> str:
    return "–" if value is None else show(value)
