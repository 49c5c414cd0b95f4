"""The report's figures as JSON, for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hanji.training.cost.rows import as_data
from hanji.training.report.bins import Bins
from hanji.training.report.collect import Collected, Json


def figures(found: Collected) -> Json:
    """The report's figures as JSON: what the page shows, with curves as bins; what is no finite number is null."""
    curves = found.curves

    def course(bins: Bins) -> list[Json]:
        names = ("first", "last", "mean", "low", "high", "latest")
        return [{name: getattr(bin_, name) for name in names} for bin_ in bins.bins()]

    def courses(named: Mapping[str, Bins]) -> Json:
        return {name: course(bins) for name, bins in named.items()}

    shown: Json = {
        "format": "hanji-training-report/1",
        "run": found.run,
        "state": found.state,
        "step": found.step,
        "total_steps": found.total_steps,
        "seen": found.seen,
        "tokens": found.tokens,
        "seconds": found.seconds,
        "elapsed": found.elapsed,
        "start": found.start,
        "starts": {"count": found.starts.count, "shown": found.starts.shown},
        "lost": found.lost,
        "stages": [vars(stage) for stage in found.stages],
        "components": found.components,
        "phases": found.phases,
        "memory": found.memory,
        "validations": {"count": found.validations.count, "shown": found.validations.shown},
        "skips": {"count": found.skips.count, "shown": found.skips.shown},
        "alarms": {"count": found.alarms.count, "shown": found.alarms.shown},
        "checkpoints": {"count": found.checkpoints.count, "shown": found.checkpoints.shown},
        "family": found.family,
        "costs": None if found.ledger is None else as_data(found.ledger),
        "curves": {
            **{name: course(getattr(curves, name)) for name in ("loss", "rate", "norm", "speed", "mfu")},
            "groups": {axis: courses(groups) for axis, groups in curves.groups.items()},
            "components": courses(curves.components),
            "held_out": {axis: courses(groups) for axis, groups in curves.held_out.items()},
            "held_out_components": courses(curves.held_out_components),
        },
        "recipe": found.recipe,
    }
    return {name: _finite(value) for name, value in shown.items()}


def _finite(value: Any) -> Any:
    """The same without numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
