"""The report's section on what was read."""

from __future__ import annotations

from collections.abc import Mapping

from hanji.charts import HALF, shares, short
from hanji.page import Markup, join, section, share_cell, table, tag
from hanji.stages import pattern_of
from hanji.training.loop.groups import AXES
from hanji.training.report.collect import Collected
from hanji.training.report.words import AXIS_NAMES, component_order, figure, group_name, in_order, marks_of

MOST_AREAS = 12
"""Components of the blend with an area of their own; the others are put together."""


def data_section(found: Collected) -> Markup:
    """The blend over time, and tokens and epochs of each component."""
    rows = []
    sizes: Mapping[str, int] = found.start.get("components", {})
    total = sum(cell["seen"] for cell in found.components.values()) or 1
    held_out = found.curves.held_out_components
    names = component_order({*sizes, *found.components})
    caps = epoch_caps(found)
    for name in names:
        cell = found.components.get(name)
        language, domain, tier = (*name.split("/"), "", "")[:3]
        bits = held_out[name].bins()[-1].latest if name in held_out else None
        rows.append(
            [
                group_name("language", language),
                domain,
                tier,
                short(sizes[name]) if name in sizes else "–",
                short(cell["seen"] if cell else 0),
                share_cell((cell["seen"] if cell else 0) / total),
                f"{cell['epochs']:.2f}" if cell else "0.00",
                *([f"{caps[name]:g}" if name in caps else "–"] if caps else []),
                figure(cell["loss"] if cell else None),
                figure(bits),
            ]
        )
    head = ["language", "domain", "tier", "tokens", "seen", "share", "epochs"]
    head += ["cap"] * bool(caps) + ["loss now", "held-out bits/byte"]
    return section(
        "Data",
        _blend(found),
        table("What was read, by component", head, rows, text_columns=3),
        intro="Tokens are those in the shards, seen those of the windows that were read. An epoch is one pass "
        "through all windows of a component; with more than one, text was seen again."
        + (" A cap is the most epochs that the recipe allows." if caps else ""),
        identity="data",
    )


def epoch_caps(found: Collected) -> dict[str, float]:
    """The most epochs that the recipe allows each component, by the last stage so far that names one."""
    begun = {stage.name for stage in found.stages}
    names = {*found.start.get("components", {}), *found.components}
    caps: dict[str, float] = {}
    for stage in found.recipe.get("stages") or ():
        entries = stage.get("blend") or {}
        if stage.get("name") not in begun:
            continue
        for name in names:
            pattern = pattern_of(name, entries)
            entry = entries[pattern] if pattern is not None else None
            if isinstance(entry, dict) and entry.get("max_epochs") is not None:
                caps[name] = float(entry["max_epochs"])
    return caps


def _blend(found: Collected) -> Markup:
    blend = found.curves.blend
    if not blend:
        return tag("p", "No interval has been recorded yet.")
    # Components begin at different steps: all get bins of the widest one's length.
    width = max(bins.width for bins in blend.values())
    amounts: dict[str, dict[int, float]] = {}
    edges: dict[int, tuple[float, float]] = {}
    for name, bins in blend.items():
        of_name = amounts.setdefault(name, {})
        for bin_ in bins.bins():
            place = max(0, -(-int(bin_.last) // int(width)) - 1)
            of_name[place] = of_name.get(place, 0.0) + bin_.total
            first, last = edges.get(place, (bin_.first, bin_.last))
            edges[place] = (min(first, bin_.first), max(last, bin_.last))
    places = sorted(edges)
    stretches = [(edges[place][0] - 1, edges[place][1]) for place in places]

    def together(names: list[str]) -> list[float]:
        return [sum(amounts[name].get(place, 0.0) for name in names) for place in places]

    largest = sorted(amounts, key=lambda name: (-sum(amounts[name].values()), name))
    series = [(name, together([name])) for name in component_order(largest[:MOST_AREAS])]
    if rest := largest[MOST_AREAS:]:
        series.append((f"{len(rest)} others", together(rest)))
    marks = marks_of(found)
    figures = [shares("The blend: tokens of each component, as a share", series, stretches, marks=marks)]
    halves = []
    for place, axis in enumerate(AXES):
        members: dict[str, list[str]] = {}
        for name in sorted(amounts):
            members.setdefault(name.split("/")[place], []).append(name)
        if 1 < len(members) < min(len(amounts), MOST_AREAS):
            groups = [
                (group_name(axis, group), together(members[group])) for group in in_order(axis, list(members))
            ]
            title = f"The blend by {AXIS_NAMES[axis]}"
            halves.append(shares(title, groups, stretches, marks=marks, width=HALF, height=210))
    return join([*figures, tag("div", *halves, class_="figures") if halves else ""])
