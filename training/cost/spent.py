"""The ledger of models on disk: what their family nodes say they took, and the time that their runs measured.

Tokens and FLOPs come from the family node, which has those of all ancestors in it. Time is in the run's
``metrics.jsonl`` alone, so a model has hours where its run is there or is found in the directories to look in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    runs = {model.node.get("hash"): model.run for model in find_models(search) if model.run is not None}
    runs |= {model.node.get("hash"): model.run for model in models if model.run is not None}
    nodes: dict[str, Mapping[str, Any]] = {}
    for model in models:
        for node in ancestry(model.node):
            nodes.setdefault(str(node.get("hash")), node)
    ordered = _parents_first(nodes)
    inside = {key: other for key in ordered for other in ordered if _is_part(nodes[key], nodes[other])}
    costs = tuple(_cost(key, nodes[key], runs.get(key), nodes.get(inside.get(key, ""))) for key in ordered)
    return Ledger(", ".join(str(model.node.get("name")) for model in models), costs)


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


def _cost(key: str, node: Mapping[str, Any], run: Path | None, inside: Mapping[str, Any] | None) -> ModelCost:
    name = f"{node.get('name')} step {node.get('step')}" if node.get("step") else str(node.get("name"))
    parents = tuple(str(parent.get("hash")) for parent in node.get("parents", ()))
    kind = str(node.get("kind"))
    if "model" not in node:
        return ModelCost(
            key, name, kind, parents, None, (), note="its family node is not there: cost not known"
        )
    sizes = dict(node["model"])
    vocabulary, parameters = int(sizes.pop("vocab_size")), int(sizes.pop("parameters"))
    if "tokens" not in node:
        note = None if parents else "imported: what it took before is not known"
        return ModelCost(key, name, kind, parents, parameters, (), note=note)
    per_token = flops_per_token(ModelShape.from_dict(sizes), vocabulary)
    measured = None if run is None else measured_time(run, int(node["step"]))
    stages = _stages(node, parameters, per_token, {} if measured is None else measured[1])
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
        spent=None if measured is None else measured[0],
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


def measured_time(run: Path, step: int) -> tuple[Spent, dict[str, float]] | None:
    """Rank-seconds of a run up to a step, by what they went to, and those of its steps by stage.

    None where the run has no metrics, or ones that do not say on how many ranks. Raises InputError for metrics that
    do not reach the step.
    """
    ranks, reached = 0, 0
    sums = dict.fromkeys(("training", "validation", "checkpoints", "lost"), 0.0)
    stages: dict[str, float] = {}
    devices: set[str] = set()
    for entry in iterate_metrics(run / METRICS):
        if entry["step"] > step or (entry["kind"] == "start" and entry["step"] == step and step):
            continue
        if entry["kind"] == "start":
            hardware = entry.get("hardware")
            if hardware is None:
                return None
            ranks = sum(hardware["devices"].values())
            devices |= set(hardware["devices"])
            sums["lost"] += ranks * entry["lost"]["seconds"]
        elif not ranks:
            return None
        elif entry["kind"] == "step":
            reached = max(reached, entry["step"])
            sums["training"] += ranks * entry["seconds"]
            stages[entry["stage"]] = stages.get(entry["stage"], 0.0) + ranks * entry["seconds"]
        elif entry["kind"] == "validation":
            sums["validation"] += ranks * entry["seconds"]
        elif entry["kind"] == "checkpoint":
            sums["checkpoints"] += ranks * entry["held"]
    if not ranks:
        return None
    if reached < step:
        raise InputError(f"{run / METRICS}: ends at step {reached}; the model is of step {step}")
    device = " and ".join(sorted(devices))
    return Spent(device, ranks, **sums), stages
