"""The report of a training run as one page: HTML, offline, of the same kit as the curation report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hanji.charts import HALF, lines, short
from hanji.page import Markup, number, page, percent, section, size, table, tag
from hanji.training.report.bins import Bins
from hanji.training.report.collect import Collected, Some
from hanji.training.report.data import data_section
from hanji.training.report.family import family_section
from hanji.training.report.speed import mean_of, speed_section
from hanji.training.report.words import (
    AXIS_NAMES,
    bits_text,
    component_order,
    counted,
    duration,
    figure,
    group_name,
    hardware_text,
    in_order,
    layout_text,
    line,
    marks_of,
    moment,
    of_steps,
    unit_of,
)

MOST_LINES = 16
"""Components with a curve of their own: those that gave most tokens."""


def render(found: Collected) -> str:
    """The report as HTML."""
    parts = [
        _header(found),
        _navigation(),
        *_warnings(found),
        _cards(found),
        _loss(found),
        _held_out(found),
        _rate(found),
        data_section(found),
        _skips(found),
        speed_section(found),
        family_section(found),
        _checkpoints(found),
        _run(found),
        _footer(found),
    ]
    return page(f"Training of {found.start.get('name', 'a run')}", parts)


def _header(found: Collected) -> Markup:
    start = found.start
    sentence = (
        f"{number(found.step)} of {number(found.total_steps)} steps, {number(found.seen)} tokens in "
        f"{len(found.stages)} stage{'s' if len(found.stages) != 1 else ''}"
    )
    if parameters := start.get("parameters"):
        sentence = f"A model of {number(parameters)} parameters after {sentence}"
    if start.get("hardware"):
        sentence += f", on {hardware_text(start['hardware'])} ({layout_text(start['parallel'])})"
    held_out = _held_out_ends(found, "language")
    if held_out:
        sentence += ". Held-out bits per byte: " + ", ".join(
            f"{group_name('language', name)} {first:.3f} → {last:.3f}" for name, first, last in held_out
        )
    when = moment(start["time"]) if start.get("time") else ""
    if found.end is not None:
        when += f" to {moment(found.end['time'])}"
    facts = [
        ("state", found.state),
        ("last start", when),
        ("precision", start.get("precision", "?")),
        ("recipe", str(start.get("recipe", "?"))[:16]),
        ("shards", str(start.get("manifest_sha256", "?"))[:16]),
    ]
    return tag(
        "header",
        tag("p", "Hanji · training report", class_="kicker"),
        tag("h1", start.get("name", "A run")),
        tag("p", f"{sentence}.", class_="lead"),
        tag("p", tag("small", " · ".join(f"{name} {value}" for name, value in facts)), class_="path"),
    )


def _navigation() -> Markup:
    items = [
        ("loss", "Loss"),
        ("held-out", "Held-out text"),
        ("rate", "Learning rate"),
        ("data", "Data"),
        ("skips", "Skipped steps and alarms"),
        ("speed", "Speed and memory"),
        ("family", "Family and cost"),
        ("checkpoints", "Checkpoints"),
        ("run", "The run"),
    ]
    return tag("nav", *(tag("a", name, href=f"#{key}") for key, name in items), aria_label="Sections")


def _warnings(found: Collected) -> Iterator[Markup]:
    if found.end is None:
        yield tag(
            "p",
            "This run has not ended: its ranks were at work when this page was written, or they were cut off.",
            class_="warning",
        )
    if found.skips.count:
        last = found.skips.shown[-1]
        yield tag(
            "p",
            ("1 step was" if found.skips.count == 1 else f"{number(found.skips.count)} steps were")
            + f" skipped, the last of them step {number(last['step'])}: {last['skip']}.",
            class_="warning",
        )
    if found.alarms.count:
        last = found.alarms.shown[-1]
        yield tag(
            "p",
            f"{counted(found.alarms.count, 'alarm')}, the last at step {number(last['step'])}: {last['text']}.",
            class_="warning",
        )


def _cards(found: Collected) -> Markup:
    rates = found.interval.get("rates", {})
    cards = []
    if found.seconds:
        ranks = sum(found.start.get("hardware", {}).get("devices", {"": 1}).values())
        cards.append((short(found.tokens / found.seconds / ranks), f"tokens/s/{unit_of(found)}"))
    if rates.get("mfu") is not None:
        cards.append((percent(mean_of(found.curves.mfu)), "MFU (causal attention, BF16 peak)"))
    cards.append((short(found.seen), "tokens"))
    if found.interval.get("loss") is not None:
        steps = counted(found.interval["steps"], "step")
        cards.append((f"{found.interval['loss']:.3f}", f"training loss, mean of the last {steps}"))
    cards += [
        (f"{last:.3f}", f"{group_name('language', name)}, held-out bits per byte")
        for name, _, last in _held_out_ends(found, "language")
    ]
    cards.append((duration(found.elapsed or found.seconds), "of training, all told"))
    return tag(
        "div", *(tag("div", tag("b", a), tag("span", b), class_="card") for a, b in cards), class_="cards"
    )


def _held_out_ends(found: Collected, axis: str) -> list[tuple[str, float, float]]:
    """Name, first and last value of each group of an axis."""
    groups = found.curves.held_out[axis]
    ends = []
    for name in in_order(axis, list(groups)):
        held = groups[name].bins()
        ends.append((name, held[0].mean if held[0].weight > 1 else held[0].latest, held[-1].latest))
    return ends


def _by_axis(
    found: Collected, groups: Mapping[str, Mapping[str, Bins]], what: str, *, dots: bool
) -> list[Markup]:
    figures = []
    for axis, said in AXIS_NAMES.items():
        names = in_order(axis, list(groups.get(axis, {})))
        if len(names) > 1:
            series = [line(group_name(axis, name), groups[axis][name], dots=dots) for name in names]
            figures.append(lines(f"{what} by {said}", series, marks=marks_of(found), width=HALF, height=230))
    return figures


def _by_component(found: Collected, components: Mapping[str, Bins], what: str, *, dots: bool) -> Any:
    if len(components) < 2:
        return ""
    seen = {name: cell["seen"] for name, cell in found.components.items()}
    largest = sorted(components, key=lambda name: (-seen.get(name, 0), name))[:MOST_LINES]
    note = (
        f" (of {len(components)} the {MOST_LINES} that gave most tokens)"
        if len(components) > MOST_LINES
        else ""
    )
    series = [line(name, components[name], dots=dots) for name in component_order(largest)]
    return tag(
        "details",
        tag("summary", tag("b", f"{what} by component"), tag("small", "language / domain / tier")),
        lines(f"{what} by component{note}", series, marks=marks_of(found), height=340),
    )


def _loss(found: Collected) -> Markup:
    curves = found.curves
    return section(
        "Loss",
        lines(
            "Training loss, nats a token",
            [line(of_steps("loss", curves.loss), curves.loss, band=True)],
            marks=marks_of(found, ticks=True),
        ),
        tag("div", *_by_axis(found, curves.groups, "Training loss", dots=False), class_="figures"),
        _by_component(found, curves.components, "Training loss", dots=False),
        _stages(found),
        intro="The mean over the tokens of each stretch of steps, and the smallest and largest step in it; skipped "
        "steps are left out and ticked at the bottom. By group: the loss of the tokens of that group.",
        identity="loss",
    )


def _stages(found: Collected) -> Markup:
    rows = []
    for stage in found.stages:
        bits = [
            bits_text(moment_["groups"]["language"]) if moment_ else "–"
            for moment_ in (stage.before, stage.after)
        ]
        steps = f"{number(stage.first)}–{number(stage.last)}"
        rows.append(
            [stage.name, *bits, steps, number(stage.tokens), duration(stage.seconds), figure(stage.loss)]
        )
    head = [
        "stage",
        "held-out bits/byte before",
        "after",
        "steps",
        "tokens",
        "time of its steps",
        "loss at its end",
    ]
    return table("Stages", head, rows, text_columns=3)


def _held_out(found: Collected) -> Markup:
    curves = found.curves
    if not curves.held_out_components:
        return section(
            "Held-out text", tag("p", "Nothing was held out, or nothing measured."), identity="held-out"
        )
    rows = [
        [said, group_name(axis, name), *_course(curves.held_out[axis][name])]
        for axis, said in AXIS_NAMES.items()
        for name in in_order(axis, list(curves.held_out[axis]))
    ]
    rows += [
        ["component", name, *_course(curves.held_out_components[name])]
        for name in component_order(curves.held_out_components)
    ]
    return section(
        "Held-out text",
        tag("div", *_by_axis(found, curves.held_out, "Bits per byte", dots=True), class_="figures"),
        _by_component(found, curves.held_out_components, "Bits per byte", dots=True),
        table(
            "Bits per byte", ["by", "text", "first", "lowest", "last", "last − lowest"], rows, text_columns=2
        ),
        intro="Bits per byte of text that was not trained on: the nats of its tokens over ln 2 and the bytes of "
        "the text, so that figures compare across tokenizers. Lower is better.",
        identity="held-out",
    )


def _course(bins: Bins) -> list[str]:
    held = bins.bins()
    first, last = held[0].mean if held[0].weight > 1 else held[0].latest, held[-1].latest
    lowest = min(bin_.low for bin_ in held)
    return [figure(first), figure(lowest), figure(last), f"{last - lowest:+.4f}"]


def _rate(found: Collected) -> Markup:
    curves = found.curves
    return section(
        "Learning rate",
        tag(
            "div",
            lines(
                "Learning rate",
                [line("rate", curves.rate)],
                marks=marks_of(found),
                width=HALF,
                height=230,
                zero=True,
            ),
            lines(
                "Norm of the gradients, before clipping",
                [line(of_steps("norm", curves.norm), curves.norm, band=True)],
                marks=marks_of(found, ticks=True),
                width=HALF,
                height=230,
            ),
            class_="figures",
        ),
        identity="rate",
    )


def _skips(found: Collected) -> Markup:
    content: list[Any] = []
    if found.skips.count:
        rows = [
            [
                skip["stage"],
                skip["skip"],
                number(skip["step"]),
                f"{skip['loss']:.4g}",
                f"{skip['grad_norm']:.4g}",
            ]
            for skip in found.skips.shown
        ]
        head = ["stage", "why", "step", "loss", "gradient norm"]
        content.append(table(f"Skipped steps{_of(found.skips)}", head, rows, text_columns=2))
    else:
        content.append(tag("p", "No step was skipped."))
    if found.alarms.count:
        rows = [[alarm["about"], alarm["text"], number(alarm["step"])] for alarm in found.alarms.shown]
        content.append(table(f"Alarms{_of(found.alarms)}", ["about", "what", "step"], rows, text_columns=2))
    else:
        content.append(tag("p", "There was no alarm."))
    return section(
        "Skipped steps and alarms",
        *content,
        intro="A skipped step used up its samples and left the weights as they were.",
        identity="skips",
    )


def _of(some: Some) -> str:
    return (
        ""
        if some.count == len(some.shown)
        else f" ({len(some.shown)} of {number(some.count)}: the first and the last)"
    )


def _checkpoints(found: Collected) -> Markup:
    rows = [
        [
            tag("code", saved["path"].rsplit("/", 1)[-1]),
            number(saved["step"]),
            f"{saved['held']:.2f}",
            f"{saved['taken']:.1f}",
            size(saved["bytes"]),
        ]
        for saved in found.checkpoints.shown
    ]
    if not rows:
        return section("Checkpoints", tag("p", "None is whole yet."), identity="checkpoints")
    return section(
        "Checkpoints",
        table(
            f"Checkpoints that became whole{_of(found.checkpoints)}",
            ["checkpoint", "step", "training stood still, s", "whole after, s", "size"],
            rows,
        ),
        intro="Older ones may have been removed since: the recipe says how many are kept.",
        identity="checkpoints",
    )


def _run(found: Collected) -> Markup:
    rows = [
        [
            hardware_text(start["hardware"]),
            layout_text(start["parallel"]),
            moment(start["time"]),
            number(start["step"]),
            number(start["lost"]["steps"]),
            duration(start["lost"]["seconds"]),
        ]
        for start in found.starts.shown
    ]
    head = ["hardware", "layout", "when", "from step", "steps done again", "their time"]
    recipe = json.dumps(found.recipe, ensure_ascii=False, indent=1)
    return section(
        "The run",
        table(f"Starts{_of(found.starts)}", head, rows, text_columns=3),
        tag("details", tag("summary", tag("b", "The recipe")), tag("pre", tag("code", recipe))),
        intro="Each time that the ranks were started. Steps after the checkpoint that a start went on from were "
        "lost and done again.",
        identity="run",
    )


def _footer(found: Collected) -> Markup:
    return tag(
        "footer",
        "All figures are in ",
        tag("code", f"{found.run}/metrics.jsonl"),
        ", one JSON object a line. This page again: ",
        tag("code", f"hanji report {found.run}"),
        ". Two runs side by side: ",
        tag("code", "hanji compare RUN RUN"),
        ".",
    )
