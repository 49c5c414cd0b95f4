"""What the report's sections share: names, words for numbers, and lines made of bins."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from hanji.chart_parts import Marks
from hanji.charts import Line
from hanji.page import number
from hanji.training.loop.groups import AXES
from hanji.training.report.bins import Bins
from hanji.training.report.collect import Collected, Json

LANGUAGES = {"ko": "Korean", "en": "English"}
AXIS_NAMES = {"language": "language", "domain": "domain", "tier": "quality tier"}


def group_name(axis: str, name: str) -> str:
    """A language by its name, other groups as they are."""
    return LANGUAGES.get(name, name) if axis == "language" else name


def in_order(axis: str, names: list[str]) -> list[str]:
    """Korean before English, high before medium before low, all else by name."""
    return sorted(names, key=lambda name: (rank(axis, name), name))


def component_order(names: Iterable[str]) -> list[str]:
    """Components in the order of their parts: Korean first, then English; high tiers before low ones."""

    def key(name: str) -> list[tuple[int, str]]:
        parts = zip((*AXES, *("",) * name.count("/")), name.split("/"), strict=False)
        return [(rank(axis, part), part) for axis, part in parts]

    return sorted(names, key=key)


def rank(axis: str, name: str) -> int:
    """Where a group stands among the known ones of its axis; after them what is not known."""
    known = {"language": ("ko", "en"), "tier": ("high", "medium", "mid", "low")}.get(axis, ())
    return known.index(name) if name in known else len(known)


def of_steps(what: str, bins: Bins) -> str:
    """What the points of a curve are: "loss of a step", "loss, mean and range of 8 steps"."""
    width = int(bins.width)
    return f"{what} of a step" if width == 1 else f"{what}, mean and range of {number(width)} steps"


def counted(amount: int, one: str) -> str:
    """ "1 alarm", "2,000 alarms"."""
    return f"{number(amount)} {one}" + ("" if amount == 1 else "s")


def bits_text(groups: Json, digits: int = 3) -> str:
    """Held-out bits per byte by language: "Korean 0.607, English 0.492"."""
    names = in_order("language", list(groups))
    return ", ".join(f"{group_name('language', name)} {groups[name]:.{digits}f}" for name in names)


def line(
    name: str, bins: Bins | None, *, band: bool = False, dots: bool = False, colour: int | None = None
) -> Line:
    """A line through the means of bins, with a band from the smallest to the largest value of each."""
    held = bins.bins() if bins is not None else []
    return Line(
        name,
        [(bin_.last if dots else bin_.middle, bin_.mean) for bin_ in held],
        [(bin_.middle, bin_.low, bin_.high) for bin_ in held] if band else (),
        dots and len(held) <= 60,
        colour=colour,
    )


def marks_of(found: Collected, *, ticks: bool = False) -> Marks:
    """Where stages begin, and at the bottom which steps were skipped."""
    borders = [(stage.name, float(stage.first - 1)) for stage in found.stages]
    skipped = [(f"step {skip['step']}: {skip['skip']}", skip["step"]) for skip in found.skips.shown]
    return Marks(borders if len(borders) > 1 else (), skipped if ticks else ())


def unit_of(found: Collected) -> str:
    """What a rate by device is of."""
    return "GPU" if found.start.get("hardware", {}).get("cuda") else "rank"


def hardware_text(hardware: Json) -> str:
    """ "8 × NVIDIA H100 80GB HBM3 on 1 machine"."""
    named = ", ".join(f"{count}\u00a0×\u00a0{name}" for name, count in hardware["devices"].items())
    return f"{named} on {hardware['machines']} machine" + ("s" if hardware["machines"] != 1 else "")


def layout_text(parallel: Json) -> str:
    """The axes that have more than one rank: "tensor 2 × data 4", with what else is set."""
    axes = [
        f"{axis} {parallel[axis]}" for axis in ("tensor", "pipeline", "context", "data") if parallel[axis] > 1
    ]
    text = " × ".join(axes) or "one rank"
    text += ", sequence" if parallel.get("sequence") else ""
    chunks = parallel.get("virtual_pipeline", 1)
    return text + (f", {chunks} chunks a rank" if chunks > 1 else "")


def flops_text(flops: float) -> str:
    """FLOPs, or FLOP/s without their unit: "1.23e+21", with a prefix where that is shorter."""
    for limit, prefix in ((1e24, ""), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if flops >= limit:
            return f"{flops:.3g} " if not prefix else f"{flops / limit:,.3g} {prefix}"
    return f"{flops:,.3g} "


def duration(seconds: float) -> str:
    """ "48.1 s", "3 min 05 s", "2 h 10 min", "3.2 days"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole / 86400:.1f} days"


MEMORY = {
    "allocated": "tensors, at the end of an interval",
    "reserved": "held by the allocator, at the end of an interval",
    "resident": "resident, at the end of an interval",
    "peak": "the most in any step",
}
"""What the recorded figures of memory are of."""


def moment(seconds: float) -> str:
    """A moment as UTC, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def figure(value: Any, digits: int = 4) -> str:
    """A number with so many decimals; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
