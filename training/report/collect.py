"""What a training run wrote, put together for its report: one pass over metrics.jsonl, in bounded memory.

It works on a run that goes on, one that was cut off and one that has ended, and needs neither its shards nor torch.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hanji.errors import InputError, RunError
from hanji.training.checkpoint.record import find_checkpoint, read_commit
from hanji.training.cost.ledger import Ledger
from hanji.training.cost.spent import Clock, ledger_of_nodes
from hanji.training.loop.groups import AXES
from hanji.training.loop.metrics import METRICS, iterate_metrics
from hanji.training.report.bins import Bins

Json = dict[str, Any]
SHOWN = 100
"""Skipped steps, alarms, checkpoints and starts of which a report tells one by one: the first and the last."""


class Some:
    """The first and the last of many things, and how many there were."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[Json] = []
        self._last: deque[Json] = deque(maxlen=SHOWN)

    def add(self, thing: Json) -> None:
        self.count += 1
        if len(self._first) < SHOWN:
            self._first.append(thing)
        else:
            self._last.append(thing)

    @property
    def shown(self) -> list[Json]:
        return [*self._first, *self._last]


@dataclass
class Curves:
    """Everything over steps. Groups are by axis (language, domain, tier) and name; components by name."""

    loss: Bins = field(default_factory=Bins)
    rate: Bins = field(default_factory=Bins)
    norm: Bins = field(default_factory=Bins)
    speed: Bins = field(default_factory=Bins)
    mfu: Bins = field(default_factory=Bins)
    groups: dict[str, dict[str, Bins]] = field(default_factory=lambda: {axis: {} for axis in AXES})
    components: dict[str, Bins] = field(default_factory=dict)
    held_out: dict[str, dict[str, Bins]] = field(default_factory=lambda: {axis: {} for axis in AXES})
    held_out_components: dict[str, Bins] = field(default_factory=dict)
    blend: dict[str, Bins] = field(default_factory=dict)
    """Tokens of each component."""
    phases: dict[str, Bins] = field(default_factory=dict)
    """Seconds of each phase."""


@dataclass
class Stage:
    """A stage as far as it has come: steps, tokens, seconds of its steps, the mean loss of its last interval."""

    name: str
    first: int
    last: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float | None = None
    before: Json | None = None
    after: Json | None = None


@dataclass
class Collected:
    """All that the pages are made of. JSON fields are as the run wrote them."""

    run: str
    recipe: Json
    starts: Some = field(default_factory=Some)
    skips: Some = field(default_factory=Some)
    alarms: Some = field(default_factory=Some)
    checkpoints: Some = field(default_factory=Some)
    curves: Curves = field(default_factory=Curves)
    stages: list[Stage] = field(default_factory=list)
    validations: Some = field(default_factory=Some)
    components: Json = field(default_factory=dict)
    """The last interval's figures of each component."""
    start: Json = field(default_factory=dict)
    """The last line of kind "start"."""
    end: Json | None = None
    """The line of kind "end" that closes the file, None where the ranks are at work or were cut off."""
    step: int = 0
    seen: int = 0
    last: Json = field(default_factory=dict)
    """The last step's line."""
    interval: Json = field(default_factory=dict)
    """The last interval's line."""
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds by phase over the whole run, the mean over the ranks."""
    memory: dict[str, int] = field(default_factory=dict)
    tokens: int = 0
    seconds: float = 0.0
    elapsed: float = 0.0
    lost: dict[str, float] = field(default_factory=lambda: {"steps": 0, "seconds": 0.0})
    family: Json | None = None
    """The family node of the newest whole checkpoint."""
    ledger: Ledger | None = None
    """What that model and its ancestors took, as `hanji cost report` reckons it."""

    @property
    def finished(self) -> bool:
        return self.end is not None and bool(self.end["finished"])

    @property
    def state(self) -> str:
        if self.end is None:
            return "not ended"
        return "finished" if self.finished else "stopped"

    @property
    def total_steps(self) -> int:
        return sum(stage["steps"] for stage in self.start.get("stages", ()))


def is_training_run(run: str | Path) -> bool:
    """Whether a directory is that of a training run that has begun to write."""
    return (Path(run) / METRICS).is_file()


def collect(run: str | Path) -> Collected:
    """Read a run's directory. Raises InputError where there is no training run, or none that has begun."""
    directory = Path(run)
    if not is_training_run(directory):
        raise InputError(f"{directory / METRICS}: not there; {run} is not a training run, or has not begun")
    recipe = directory / "recipe.json"
    found = Collected(str(run), json.loads(recipe.read_bytes()) if recipe.is_file() else {})
    # Before the lines are read: those of a run that goes on reach the step of its newest checkpoint in any case.
    node = found.family = _family(directory)
    clock = Clock(0 if node is None else int(node["step"]))
    for entry in iterate_metrics(directory / METRICS):
        _READERS.get(entry["kind"], _ignore)(found, entry)
        clock.add(entry)
    if node is not None:
        found.ledger = ledger_of_nodes([node], lambda one: clock.measured() if one is node else None)
    return found


def _ignore(found: Collected, entry: Json) -> None:
    """A kind that this version does not know."""


def _start(found: Collected, entry: Json) -> None:
    found.start, found.end = entry, None
    found.starts.add({name: entry[name] for name in ("step", "time", "hardware", "parallel", "lost")})
    for name, value in entry["lost"].items():
        found.lost[name] += value


def _step(found: Collected, entry: Json) -> None:
    step = found.step = entry["step"]
    found.last, curves = entry, found.curves
    found.seen = entry.get("seen", found.seen + entry["tokens"])
    if not found.stages or found.stages[-1].name != entry["stage"]:
        found.stages.append(Stage(entry["stage"], step))
        if found.validations.count and found.validations.shown[-1]["when"] != "during":
            found.stages[-1].before = found.validations.shown[-1]
    stage = found.stages[-1]
    stage.last, stage.tokens, stage.seconds = (
        step,
        stage.tokens + entry["tokens"],
        stage.seconds + entry["seconds"],
    )
    found.tokens += entry["tokens"]
    found.seconds += entry["seconds"]
    if entry["skip"]:
        found.skips.add({name: entry[name] for name in ("step", "stage", "skip", "loss", "grad_norm")})
    else:
        curves.loss.add(step, entry["loss"])
        curves.norm.add(step, entry["grad_norm"])
    curves.rate.add(step, entry["lr"])


def _interval(found: Collected, entry: Json) -> None:
    step, first, curves = entry["step"], entry["first"], found.curves
    found.interval = entry
    found.components = entry["components"]
    if found.stages:
        found.stages[-1].loss = entry["loss"]
    curves.speed.add(step, entry["rates"]["tokens_per_second_per_device"], entry["seconds"], first)
    curves.mfu.add(step, entry["rates"]["mfu"], entry["seconds"], first)
    counts = group_tokens(entry)
    for name, cell in entry["components"].items():
        tokens = cell["tokens"]
        curves.components.setdefault(name, Bins()).add(step, cell["loss"], tokens, first)
        if tokens:
            curves.blend.setdefault(name, Bins()).add(step, tokens, 1, first)
    for axis, groups in entry["losses"].items():
        for group, loss in groups.items():
            weight = counts[axis].get(group, 0)
            curves.groups[axis].setdefault(group, Bins()).add(step, loss, weight, first)
    _spent(found, entry)
    for phase, cell in entry["phases"].items():
        curves.phases.setdefault(phase, Bins()).add(step, cell["mean"], 1, first)


def group_tokens(interval: Json) -> dict[str, dict[str, int]]:
    """Tokens of an interval by axis and group: what the losses of groups are weighed by."""
    counts: dict[str, dict[str, int]] = {axis: {} for axis in AXES}
    for name, cell in interval["components"].items():
        for axis, group in zip(AXES, name.split("/"), strict=False):
            counts[axis][group] = counts[axis].get(group, 0) + cell["tokens"]
    return counts


def _spent(found: Collected, entry: Json) -> None:
    found.elapsed += entry["elapsed"]
    for phase, cell in entry["phases"].items():
        found.phases[phase] = found.phases.get(phase, 0.0) + cell["mean"]
    for name, value in entry["memory"].items():
        found.memory[name] = max(found.memory.get(name, 0), value)


def _validation(found: Collected, entry: Json) -> None:
    curves, step = found.curves, entry["step"]
    groups = entry.get("groups", {"language": entry["bits_per_byte"]})
    kept = {name: entry[name] for name in ("step", "stage", "when", "components")}
    found.validations.add({**kept, "groups": groups, "seen": entry.get("seen", found.seen)})
    for axis, values in groups.items():
        for group, value in values.items():
            curves.held_out[axis].setdefault(group, Bins()).add(step, value)
    for name, value in entry["components"].items():
        curves.held_out_components.setdefault(name, Bins()).add(step, value)
    if entry["when"] == "after" and found.stages:
        found.stages[-1].after = found.validations.shown[-1]


def _checkpoint(found: Collected, entry: Json) -> None:
    found.checkpoints.add(entry)


def _shadow(found: Collected, entry: Json) -> None:
    if entry["alarm"]:
        text = f"loss {entry['loss_fp8']:.4f} in FP8, {entry['loss_bf16']:.4f} in BF16"
        found.alarms.add({"step": entry["step"], "about": "shadow", "text": text})


def _alarm(found: Collected, entry: Json) -> None:
    found.alarms.add({name: entry[name] for name in ("step", "about", "text")})


def _end(found: Collected, entry: Json) -> None:
    found.end = entry
    _spent(found, entry)


_READERS = {
    "start": _start,
    "step": _step,
    "interval": _interval,
    "validation": _validation,
    "checkpoint": _checkpoint,
    "shadow": _shadow,
    "alarm": _alarm,
    "end": _end,
}


def _family(run: Path) -> Json | None:
    """The family node of the run's newest whole checkpoint; None without one."""
    try:
        return read_commit(find_checkpoint(run)).family
    except (InputError, RunError, OSError):
        return None
