"""The report's section on speed and memory: rates with what they are counted by, and where the time went."""

from __future__ import annotations

from hanji.charts import HALF, lines, shares
from hanji.page import Markup, number, percent, section, share_cell, size, table, tag
from hanji.training.report.bins import Bins
from hanji.training.report.collect import Collected
from hanji.training.report.words import MEMORY, duration, flops_text, line, marks_of, unit_of


def speed_section(found: Collected) -> Markup:
    """Tokens/s by device, MFU, phases and memory."""
    curves, unit = found.curves, unit_of(found)
    figures = [
        lines(
            f"Tokens/s/{unit}",
            [line("mean and range of intervals", curves.speed, band=True)],
            marks=marks_of(found),
            width=HALF,
            height=230,
            zero=True,
        )
    ]
    if curves.mfu:
        figures.append(
            lines(
                "MFU, by causal attention, of the dense BF16 peak",
                [line("MFU", curves.mfu)],
                marks=marks_of(found),
                width=HALF,
                height=230,
                show=percent,
                zero=True,
            )
        )
    figures.append(_phase_chart(found))
    total = sum(found.phases.values()) or 1.0
    rows = [
        [phase, duration(seconds), share_cell(seconds / total)] for phase, seconds in found.phases.items()
    ]
    memory = [[MEMORY.get(name, name), size(value)] for name, value in found.memory.items()]
    return section(
        "Speed and memory",
        tag("div", *figures, class_="figures"),
        tag(
            "div",
            table("Where the time went, the mean over the ranks", ["phase", "time", "share"], rows),
            table(f"Memory, of the {unit} that held the most", ["", "most in the run"], memory),
            class_="figures",
        ),
        _rates(found),
        intro="Speed counts the time of training steps alone. Communication is exchange between pipeline stages "
        "and the reduction of gradients; what tensor ranks exchange is part of the passes. Other is what is left.",
        identity="speed",
    )


def _phase_chart(found: Collected) -> Markup:
    phases = {name: bins for name, bins in found.curves.phases.items() if mean_of(bins) > 0}
    if not phases:
        return tag("p", "No interval has been recorded yet.")
    held = next(iter(phases.values())).bins()
    # All phases are in every interval, so they have the same bins.
    series = [(name, [bin_.total for bin_ in bins.bins()]) for name, bins in phases.items()]
    edges = [(bin_.first - 1, bin_.last) for bin_ in held]
    return shares("Time by phase, as a share", series, edges, width=HALF, height=230)


def _rates(found: Collected) -> Markup:
    facts = found.start.get("rates")
    if not facts or not found.seconds:
        return tag("p", tag("small", "This run does not say how its FLOPs were counted."))
    ranks = sum(found.start["hardware"]["devices"].values())
    speed, peak = found.tokens / found.seconds / ranks, facts["peak"]
    rows = []
    for name, formula in facts["conventions"].items():
        flops = facts["flops_per_token"][name]
        share = percent(speed * flops / peak["bf16"]) if peak else "–"
        rows.append(
            [
                tag("code", name, style="white-space:nowrap"),
                tag("small", formula),
                f"{flops:.4g}",
                f"{flops_text(speed * flops)}FLOP/s",
                share,
            ]
        )
    against = (
        f"MFU = {facts['formula']}; the peak is {peak['bf16'] / 1e12:,.1f} TFLOP/s, dense BF16 of {peak['name']}."
        if peak
        else "No peak is known for this hardware, so there is no MFU."
    )
    unit = unit_of(found)
    return tag(
        "div",
        table(
            f"By convention, at {number(speed)} tokens/s/{unit}, the mean of the run",
            ["convention", "FLOPs a token, forward and backward", "FLOPs a token", f"by {unit}", "MFU"],
            rows,
            text_columns=2,
        ),
        tag("p", tag("small", against)),
    )


def mean_of(bins: Bins) -> float:
    """The weighted mean of all that was added."""
    held = bins.bins()
    weight = sum(bin_.weight for bin_ in held)
    return sum(bin_.total for bin_ in held) / weight if weight else 0.0
