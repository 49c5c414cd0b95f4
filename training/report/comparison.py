"""Two training runs side by side: what their recipes have otherwise, and what came of it at equal tokens.

Steps of two runs are not comparable when their batches differ, so everything is laid over tokens seen, as far as
both runs have come.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hanji.training.loop.groups import AXES
from hanji.training.loop.metrics import METRICS, iterate_metrics
from hanji.training.report.bins import Bins
from hanji.training.report.collect import Collected, Json, collect, group_tokens
from hanji.training.report.words import component_order, in_order

PARTS = 10
"""Stretches of equal tokens that losses are told for one by one."""
POINTS = 20 * PARTS
"""Points of a curve."""
IGNORED = ("run",)
"""Fields of a recipe that say nothing of what is trained."""


@dataclass
class Over:
    """One run's curves over tokens, up to the tokens that both runs have seen."""

    limit: float
    loss: Bins = field(init=False)
    groups: dict[str, dict[str, Bins]] = field(default_factory=lambda: {axis: {} for axis in AXES})
    held_out: dict[str, dict[str, Bins]] = field(default_factory=lambda: {axis: {} for axis in AXES})
    validations: list[Json] = field(default_factory=list)
    """The newest ``POINTS`` of them: tokens, groups and components."""

    def __post_init__(self) -> None:
        self.loss = self.bins()

    def bins(self) -> Bins:
        return Bins(POINTS, max(1.0, self.limit / POINTS))


@dataclass(frozen=True)
class TrainingComparison:
    """Two training runs, A and B. Fields are JSON; pairs are [of A, of B], None where a run has no such thing."""

    runs: list[Json]
    """Of each: name, directory, state, steps, tokens, parameters, hardware, speed, phases, memory, skips, costs."""
    recipe: dict[str, list[Any]]
    """Field of the recipe → pair, of those that differ."""
    shards: list[str | None]
    """SHA-256 of the shards' manifest of each."""
    tokens: float
    """Tokens that both have seen: everything below is told up to there."""
    loss: list[Json]
    """Of each of ``PARTS`` equal stretches: ``tokens`` at its end, pair of mean ``loss``."""
    groups: list[Json]
    """Of each axis and group: pair of mean ``loss`` in the last stretch."""
    held_out: list[Json]
    """Of each axis (or "component") and group: ``tokens``, pair of bits per byte: the newest moment at which both
    were measured at equal tokens; without one, the newest of each, with its own tokens."""
    equal: bool
    """Whether ``held_out`` is of equal tokens."""
    same_text: bool | None
    """Whether it is of the same text; None where a run does not say what it measured."""
    curves: list[Json]
    """Of each run: ``loss``, and by axis and group ``groups`` and ``held_out``: lists of [tokens, mean]."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"


def compare_training(run_a: str, run_b: str) -> TrainingComparison:
    """Compare two training runs, finished or not. Raises InputError where one is no training run."""
    found = [collect(run) for run in (run_a, run_b)]
    tokens = float(min(run.seen for run in found))
    over = [_over(run, tokens) for run in found]
    loss, groups = _losses(over, tokens), _groups(over, tokens)
    moments = _moments(over)
    return TrainingComparison(
        runs=[_run(run) for run in found],
        recipe=_differences(*(_fields(run.recipe) for run in found)),
        shards=[run.start.get("manifest_sha256") for run in found],
        tokens=tokens,
        loss=loss,
        groups=groups,
        held_out=list(_held_out(moments)),
        equal=len({moment["seen"] for moment in moments if moment is not None}) <= 1,
        same_text=_same_text(*(run.start.get("held_out") for run in found)),
        curves=[_curves(one) for one in over],
    )


def _same_text(a: Json | None, b: Json | None) -> bool | None:
    return None if a is None or b is None else a == b


def _over(run: Collected, limit: float) -> Over:
    """The run once more, over tokens."""
    over, per_step = Over(limit), run.start["tokens_per_step"]
    for entry in iterate_metrics(Path(run.run) / METRICS):
        kind = entry["kind"]
        seen = entry.get("seen") if kind != "interval" else entry["step"] * per_step
        if seen is None or seen > limit:
            continue
        if kind == "step" and not entry["skip"]:
            over.loss.add(seen, entry["loss"])
        elif kind == "interval":
            first = (entry["first"] - 1) * per_step + 1
            counts = group_tokens(entry)
            for axis, groups in entry["losses"].items():
                for group, loss in groups.items():
                    weight = counts[axis].get(group, 0)
                    over.groups[axis].setdefault(group, over.bins()).add(seen, loss, weight, first)
        elif kind == "validation":
            for axis, groups in entry["groups"].items():
                for group, value in groups.items():
                    over.held_out[axis].setdefault(group, over.bins()).add(seen, value)
            over.validations = [*over.validations, entry][-POINTS:]
    return over


def _losses(over: list[Over], tokens: float) -> list[Json]:
    ends = [tokens * (part + 1) / PARTS for part in range(PARTS)]
    return [
        {"tokens": end, "loss": [_mean(one.loss, end - tokens / PARTS, end) for one in over]} for end in ends
    ]


def _groups(over: list[Over], tokens: float) -> list[Json]:
    return [
        {
            "axis": axis,
            "group": group,
            "loss": [_mean(one.groups[axis].get(group), since, tokens) for one in over],
        }
        for since in [tokens * (PARTS - 1) / PARTS]
        for axis in AXES
        for group in in_order(axis, list({group for one in over for group in one.groups[axis]}))
    ]


def _mean(bins: Bins | None, above: float, to: float) -> float | None:
    """The mean of the bins that end in a stretch."""
    held = [bin_ for bin_ in bins.bins() if above < bin_.last <= to] if bins is not None else []
    weight = sum(bin_.weight for bin_ in held)
    return sum(bin_.total for bin_ in held) / weight if weight else None


def _moments(over: list[Over]) -> list[Json | None]:
    """The validations to compare: the newest pair of equal tokens, or the newest of each."""
    first, second = ({one["seen"]: one for one in side.validations} for side in over)
    if common := set(first) & set(second):
        return [first[max(common)], second[max(common)]]
    return [side.validations[-1] if side.validations else None for side in over]


def _held_out(moments: list[Json | None]) -> Iterator[Json]:
    tokens = [None if moment is None else moment["seen"] for moment in moments]
    for axis in (*AXES, "component"):
        values = [_values(moment, axis) for moment in moments]
        groups = {group for side in values for group in side}
        for group in component_order(groups) if axis == "component" else in_order(axis, list(groups)):
            yield {
                "axis": axis,
                "group": group,
                "tokens": tokens,
                "bits": [side.get(group) for side in values],
            }


def _values(moment: Json | None, axis: str) -> Mapping[str, float]:
    if moment is None:
        return {}
    found: Mapping[str, float] = moment["components"] if axis == "component" else moment["groups"][axis]
    return found


def _curves(over: Over) -> Json:
    def course(bins: Bins) -> list[list[float]]:
        return [[bin_.last, bin_.mean] for bin_ in bins.bins()]

    return {
        "loss": course(over.loss),
        **{
            name: {
                axis: {group: course(bins) for group, bins in named.items()}
                for axis, named in by_axis.items()
            }
            for name, by_axis in (("groups", over.groups), ("held_out", over.held_out))
        },
    }


def _run(run: Collected) -> Json:
    start = run.start
    ranks = sum(start["hardware"]["devices"].values())
    speed = run.tokens / run.seconds / ranks if run.seconds else None
    rates = start["rates"]
    flops = None if speed is None else speed * rates["flops_per_token"][rates["convention"]]
    return {
        "name": start["name"],
        "run": run.run,
        "state": run.state,
        "step": run.step,
        "total_steps": run.total_steps,
        "seen": run.seen,
        "parameters": start["parameters"],
        "hardware": start["hardware"],
        "parallel": start["parallel"],
        "precision": start["precision"],
        "tokens_per_second_per_device": speed,
        "flops_per_second_per_device": flops,
        "mfu": flops / rates["peak"]["bf16"] if flops is not None and rates["peak"] else None,
        "convention": rates["convention"],
        "seconds": run.seconds,
        "elapsed": run.elapsed,
        "phases": run.phases,
        "memory": run.memory,
        "skipped": run.skips.count,
        "alarms": run.alarms.count,
        "lost": run.lost,
        "costs": _costs(run),
        "epochs": {name: cell["epochs"] for name, cell in run.components.items()},
    }


def _costs(run: Collected) -> Json | None:
    """What the model of the newest checkpoint took, with the names of its ancestors and what they took."""
    if run.ledger is None:
        return None
    model = run.ledger.models[-1]
    ancestors = run.ledger.ancestors(model.key)
    return {
        "step": run.family["step"] if run.family else None,
        "flops": asdict(model.flops),
        "ancestors": [one.name for one in ancestors],
        "with_ancestors": asdict(model.flops + run.ledger.inherited(model.key)),
        "device_hours": None if model.spent is None else model.spent.seconds / 3600,
    }


def _fields(value: Any, name: str = "") -> dict[str, Any]:
    """A recipe's fields by their names in full; items of lists by their own names, where they have any."""
    if isinstance(value, Mapping) and value:
        items = [(f"{name}.{key}" if name else str(key), item) for key, item in value.items()]
    elif isinstance(value, list) and value:
        items = []
        for place, item in enumerate(value):
            named = isinstance(item, Mapping) and "name" in item
            rest = {key: one for key, one in item.items() if key != "name"} if named else item
            items.append((f"{name}.{item['name'] if named else place}", rest))
    else:
        return {name: value}
    found: dict[str, Any] = {}
    for full, item in items:
        if full not in IGNORED:
            found.update(_fields(item, full))
    return found


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {name: [a.get(name), b.get(name)] for name in sorted({*a, *b}) if a.get(name) != b.get(name)}
