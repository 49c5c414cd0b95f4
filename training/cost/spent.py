"""The ledger of models on disk: what their family nodes say they took, and the time that their runs measured.

Tokens and FLOPs come from the family node, which has those of all ancestors in it. Time is in the run's
``metrics.jsonl`` alone, so a model has hours where its run is there or is found in the directories to look in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanji.errors import InputError
from hanji.training.checkpoint.record import FAMILY, find_checkpoint, read_commit
from hanji.training.cost.flops import FlopsPerToken, flops_per_token
from hanji.training.cost.ledger import Ledger, ModelCost, Spent, StageCost, flops_of
from hanji.training.lineage.models import Model, ancestry, find_models
from hanji.training.lineage.record import order_of, read_node, run_of
from hanji.training.loop.metrics import METRICS, iterate_metrics
from hanji.training.model.shape import ModelShape


def ledger_of(targets: Sequence[Path], search: Sequence[Path] = ()) -> Ledger:
    """The ledger of runs (their newest checkpoints), checkpoints and exported folders, with all their ancestors.

    ``search``: directories in which runs of ancestors may be. Raises InputError for what is none of these.
    """
    models = [_open(target) for target in targets]
    runs = {str(model.node.get("hash")): model.run for model in find_models(search) if model.run is not None}
    runs |= {str(model.node.get("hash")): model.run for model in models if model.run is not None}

    def measured(node: Mapping[str, Any]) -> Measured | None:
        run = runs.get(str(node.get("hash")))
        return None if run is None else measured_time(run, int(node["step"]))

    return ledger_of_nodes([model.node for model in models], measured)


def ledger_of_nodes(
    family: Sequence[Mapping[str, Any]], measured: Callable[[Mapping[str, Any]], Measured | None]
) -> Ledger:
    """The ledger of the models of these family nodes, with all their ancestors.

    ``measured`` gives the time that the run of a node measured, None where that is not known.
    """
    nodes: dict[str, Mapping[str, Any]] = {}
    for newest in family:
        for node in ancestry(newest):
            nodes.setdefault(str(node.get("hash")), node)
    ordered = _parents_first(nodes)
    inside = {key: other for key in ordered for other in ordered if _is_part(nodes[key], nodes[other])}
    costs = tuple(_cost(key, nodes[key], measured, nodes.get(inside.get(key, ""))) for key in ordered)
    return Ledger(", ".join(str(node.get("name")) for node in family), costs)


def _open(target: Path) -> Model:
    if (target / FAMILY).is_file():
        return Model(target, read_node(target), None)
    directory = find_checkpoint(target)
    return Model(directory, read_commit(directory).family, run_of(directory))


def _parents_first(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    ordered: dict[str, None] = {}

    def add(key: str) -> None:
        if key in ordered:
            return
        for parent in nodes[key].get("parents", ()):
            add(str(parent.get("hash")))
        ordered[key] = None

    for key in nodes:
        add(key)
    return list(ordered)


def _is_part(node: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a node is an earlier step of the run that another one is of: its cost is part of the other's."""
    if "order" not in node or "order" not in other or node["step"] >= other["step"]:
        return False
    same = ("name", "kind", "shards", "batch", "model")
    if any(node[field] != other[field] for field in same) or _hashes(node) != _hashes(other):
        return False
    samples = node["step"] * node["batch"]["samples"]
    return order_of(other).history(samples) == order_of(node).history(samples)


def _hashes(node: Mapping[str, Any]) -> list[Any]:
    return [parent.get("hash") for parent in node.get("parents", ())]


def _cost(
    key: str,
    node: Mapping[str, Any],
    measured: Callable[[Mapping[str, Any]], Measured | None],
    inside: Mapping[str, Any] | None,
) -> ModelCost:
    name = f"{node.get('name')} step {node.get('step')}" if node.get("step") else str(node.get("name"))
    parents = tuple(str(parent.get("hash")) for parent in node.get("parents", ()))
    kind = str(node.get("kind"))
    if "model" not in node:
        missing = "its family node is not there: cost not known"
        return ModelCost(key, name, kind, parents, None, (), note=missing, known=False)
    sizes = dict(node["model"])
    vocabulary, parameters = int(sizes.pop("vocab_size")), int(sizes.pop("parameters"))
    if "tokens" not in node:
        # What was exported from a run and imported again took nothing on the way.
        origin = None if parents else "imported: what it took before is not known"
        return ModelCost(key, name, kind, parents, parameters, (), note=origin, known=bool(parents))
    per_token = flops_per_token(ModelShape.from_dict(sizes), vocabulary)
    time = measured(node)
    stages = _stages(node, parameters, per_token, {} if time is None else time.stages)
    note = None
    if inside is not None:
        note = f"its steps are the first of those of step {inside['step']} and are counted there"
    return ModelCost(
        key,
        name,
        kind,
        parents,
        parameters,
        stages,
        spent=None if time is None else time.spent,
        note=note,
        counted=inside is None,
    )


def _stages(
    node: Mapping[str, Any], parameters: int, per_token: FlopsPerToken, seconds: Mapping[str, float]
) -> tuple[StageCost, ...]:
    if "stages" not in node:
        tokens = int(node["tokens"]["total"])
        return (StageCost(str(node.get("stage")), tokens, flops_of(tokens, parameters, per_token)),)
    size = node["batch"]["samples"] * node["batch"]["seq_length"]
    return tuple(
        StageCost(
            stage["name"],
            stage["steps"] * size,
            flops_of(stage["steps"] * size, parameters, per_token),
            seconds.get(stage["name"]),
        )
        for stage in node["stages"]
    )


@dataclass(frozen=True)
class Measured:
    """The time that a run measured: rank-seconds by what they went to, and those of its steps by stage."""

    spent: Spent
    stages: Mapping[str, float]


class Clock:
    """Adds up the time of a run up to a step from the lines of its metrics, which it is given in their order."""

    def __init__(self, step: int) -> None:
        self.step, self.reached = step, 0
        self._ranks = 0
        self._told = True
        self._sums = dict.fromkeys(("training", "validation", "checkpoints", "lost"), 0.0)
        self._stages: dict[str, float] = {}
        self._devices: set[str] = set()

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take a line of the metrics."""
        step, kind = entry["step"], entry["kind"]
        if step > self.step or (kind == "start" and step == self.step and self.step):
            return
        if kind == "start":
            hardware = entry.get("hardware")
            if hardware is None:
                self._told = False
                return
            self._ranks = sum(hardware["devices"].values())
            self._devices |= set(hardware["devices"])
            self._sums["lost"] += self._ranks * entry["lost"]["seconds"]
        elif not self._ranks:
            self._told = False
        elif kind == "step":
            self.reached = max(self.reached, step)
            self._sums["training"] += self._ranks * entry["seconds"]
            stage = entry["stage"]
            self._stages[stage] = self._stages.get(stage, 0.0) + self._ranks * entry["seconds"]
        elif kind == "validation":
            self._sums["validation"] += self._ranks * entry["seconds"]
        elif kind == "checkpoint":
            self._sums["checkpoints"] += self._ranks * entry["held"]

    @property
    def stopped_early(self) -> bool:
        """Whether the lines end before the step."""
        return self._told and self._ranks > 0 and self.reached < self.step

    def measured(self) -> Measured | None:
        """The sums; None where the lines do not say on how many ranks, or end before the step."""
        if not self._told or not self._ranks or self.stopped_early:
            return None
        device = " and ".join(sorted(self._devices))
        return Measured(Spent(device, self._ranks, **self._sums), self._stages)


def measured_time(run: Path, step: int) -> Measured | None:
    """The time of a run up to a step.

    None where the run has no metrics, or ones that do not say on how many ranks. Raises InputError for metrics that
    do not reach the step.
    """
    clock = Clock(step)
    for entry in iterate_metrics(run / METRICS):
        clock.add(entry)
    if clock.stopped_early:
        raise InputError(f"{run / METRICS}: ends at step {clock.reached}; the model is of step {step}")
    return clock.measured()
