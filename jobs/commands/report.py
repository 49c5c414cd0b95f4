"""hanji report: of a curation run and of a training run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanji.errors import InputError
from hanji.jobs.commands.curate import RunPath
from hanji.jobs.terminal import duration, number, say

if TYPE_CHECKING:
    from hanji.training.report.collect import Collected

MOST_SKIPS = 5


def report(
    run: RunPath,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON instead.")] = False,
) -> None:
    """Write a run's report page again, and say where it is; of a training run also while it goes on.

    The page is one self-contained file that works offline. Of a curation run: the funnel by source and language,
    reasons for dropping with excerpts, signals with their thresholds, scores, duplicates, tiers and shards, and
    what the work cost. Of a training run: loss and held-out bits per byte by language and tier, the learning
    rate, the blend over time, skipped steps, speed, the family and what it cost.
    """
    from hanji.training.report.collect import is_training_run

    page = _of_training(run, as_json) if is_training_run(run) else _of_curation(run, as_json)
    if show:
        import webbrowser

        webbrowser.open(page if "://" in page else Path(page).absolute().as_uri())


def _of_curation(run: str, as_json: bool) -> str:
    """Write the page, print the summary; returns where the page is."""
    from hanji.curation.report.page import render
    from hanji.storage import Storage

    storage = Storage(run)
    if not storage.exists("report/metrics.json"):
        state = "has not finished yet" if storage.exists("run.json") else "is no run of curation or training"
        raise InputError(f"{storage.describe('report/metrics.json')}: not there; {run} {state}")
    metrics = json.loads(storage.read_bytes("report/metrics.json"))
    storage.write_bytes("report/index.html", render(metrics).encode())
    place = storage.describe("report/index.html")
    if as_json:
        say(json.dumps(metrics, ensure_ascii=False))
        return place
    say(*_curation_lines(metrics), f"  {place}")
    return place


def _curation_lines(metrics: dict[str, Any]) -> Iterator[str]:
    verdicts = sorted(metrics["verdicts"].items())
    yield f"{metrics['name']}: " + ", ".join(f"{number(count)} {verdict}" for verdict, count in verdicts)
    rules = sorted(metrics["rules"].items(), key=lambda item: -item[1]["count"])
    for name, rule in rules[:10]:
        yield f"  {number(rule['count']):>10}  {name}"
    if len(rules) > 10:
        rest = sum(rule["count"] for _, rule in rules[10:])
        yield f"  {number(rest):>10}  … and {number(len(rules) - 10)} more rules"


def _of_training(run: str, as_json: bool) -> str:
    """As :func:`_of_curation`."""
    from hanji.training.report.collect import collect
    from hanji.training.report.figures import figures
    from hanji.training.report.writing import write_report

    found = collect(run)
    place = write_report(found)
    if as_json:
        say(json.dumps(figures(found), ensure_ascii=False))
        return place
    say(*training_lines(found), f"  {place}")
    return place


def training_lines(found: Collected) -> Iterator[str]:
    """A training run in a few lines."""
    from hanji.training.report.words import flops_text, group_name, in_order, unit_of

    start = found.start
    yield (
        f"{start['name']}: {found.state}, step {number(found.step)} of {number(found.total_steps)}, "
        f"{number(found.seen)} tokens, in {duration(found.elapsed or found.seconds)}"
    )
    if found.seconds:
        speed = found.tokens / found.seconds / sum(start["hardware"]["devices"].values())
        flops = speed * start["rates"]["flops_per_token"][start["rates"]["convention"]]
        text = f"  {number(speed)} tokens/s/{unit_of(found)}, {flops_text(flops)}FLOP/s"
        if peak := start["rates"]["peak"]:
            text += f", MFU {flops / peak['bf16']:.1%} of {peak['bf16'] / 1e12:,.0f} TFLOP/s ({peak['name']}, BF16)"
        yield f"{text}, by {start['rates']['convention']}"
    if found.interval:
        loss = found.interval["loss"]
        yield f"  loss {'–' if loss is None else f'{loss:.4f}'}" + "".join(
            f", {group} {value:.4f}"
            for axis in ("language", "tier")
            for group, value in found.interval["losses"][axis].items()
        )
    for axis in ("language", "tier"):
        groups = found.curves.held_out[axis]
        if groups:
            yield f"  held-out bits per byte by {axis}: " + ", ".join(
                f"{group_name(axis, name)} {held[0].latest:.4f} → {held[-1].latest:.4f}"
                for name in in_order(axis, list(groups))
                if (held := groups[name].bins())
            )
    if found.skips.count:
        shown = ", ".join(number(skip["step"]) for skip in found.skips.shown[-MOST_SKIPS:])
        yield f"  {number(found.skips.count)} steps skipped, the last: {shown}"
    if found.alarms.count:
        last = found.alarms.shown[-1]
        yield f"  {number(found.alarms.count)} alarms, the last at step {number(last['step'])}: {last['text']}"
