"""Arms of an annealing experiment (arXiv 2407.21783, section 3.1.3): 30 % of a candidate, 70 % of the default data.

Each arm goes on from the half-trained run's state: its weights, the moments of its optimizer and its place in the
data. Weights alone would let Adam begin with empty moments, whose first steps have the size of the rate in every
weight whatever the gradient: a jolt that an anneal at a falling rate has little time to mend and that says nothing
of the data. The place in the data keeps the default part of the mixture as new to the model as the candidate is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hanji.errors import RecipeError
from hanji.stages import BlendEntry, pattern_of
from hanji.training.checkpoint.record import find_checkpoint, read_commit
from hanji.training.data.plan import plan_data
from hanji.training.experiments.recipe import DEFAULT, TRUNK, AnnealSettings
from hanji.training.recipe import TrainingRecipe
from hanji.training.stages import StageSettings

STAGE = "anneal"


def anneal_arms(
    settings: AnnealSettings,
    base: Mapping[str, Any],
    checked: TrainingRecipe,
    seeds: tuple[int, ...],
) -> list[dict[str, Any]]:
    """Fields of the arms: the half-trained run where the experiment trains it, the default, each candidate.

    ``checked`` is the base recipe with all its stages. Raises RecipeError for a blend that matches nothing.
    """
    last = checked.stages[-1]
    default = settings.default if settings.default is not None else dict(last.blend or {})
    length = {"tokens": settings.tokens} if settings.tokens is not None else {"steps": settings.steps}
    schedule = {
        "kind": "wsd",
        "peak_lr": _rate(settings, checked, seeds),
        "warmup_steps": 0,
        "decay": {"shape": "linear", "share": 1.0, "to": 0.0},
    }
    origin: dict[str, Any] = {"after": TRUNK}
    arms: list[dict[str, Any]] = []
    if settings.checkpoint is None:
        arms.append({"name": TRUNK, "labels": {}, "data": dict(base), "compared": False})
    else:
        origin = {"checkpoint": settings.checkpoint}

    def arm(name: str, blend: Mapping[str, BlendEntry]) -> dict[str, Any]:
        entries = {
            pattern: entry.model_dump(mode="json", exclude_none=True) for pattern, entry in blend.items()
        }
        stage = {"name": STAGE, **length, "blend": entries, "at_cap": last.at_cap}
        data = {**base, "stages": [stage], "schedule": schedule}
        return {"name": name, "labels": {"candidate": name}, "data": data, **origin}

    of_default = resolved(checked, "anneal.default", default)
    arms.append(arm(DEFAULT, of_default))
    for candidate in settings.candidates:
        of_candidate = resolved(checked, f"anneal.candidates.{candidate.name}.blend", candidate.blend)
        arms.append(arm(candidate.name, mixed(of_default, of_candidate, settings.candidate_share)))
    return arms


def mixed(
    default: Mapping[str, BlendEntry], candidate: Mapping[str, BlendEntry], share: float
) -> dict[str, BlendEntry]:
    """Entries by component: ``share`` of the weight is the candidate's, the rest the default's; they sum to 1.

    A component of both has the candidate's caps and up-sampling.
    """
    weights: dict[str, float] = {}
    for blend, part in ((default, 1.0 - share), (candidate, share)):
        total = sum(entry.weight or 0.0 for entry in blend.values())
        for name, entry in blend.items():
            weights[name] = weights.get(name, 0.0) + part * (entry.weight or 0.0) / total
    entries = {**default, **candidate}
    return {name: entries[name].model_copy(update={"weight": weights[name]}) for name in sorted(weights)}


def resolved(checked: TrainingRecipe, field: str, blend: Mapping[str, BlendEntry]) -> dict[str, BlendEntry]:
    """A blend's entries by component, each with its weight; ``field`` is the blend's name in errors.

    A pattern's weight is shared in proportion to tokens in an epoch, as a stage shares it.
    """
    by_weight = {
        pattern: entry.model_copy(update={"weight": entry.weight or float(entry.tokens or 0), "tokens": None})
        for pattern, entry in blend.items()
    }
    stage = StageSettings(name=STAGE, steps=1, blend=by_weight)
    try:
        plan = plan_data(checked.model_copy(update={"stages": (stage,)}), check=False)
    except RecipeError as error:
        raise RecipeError(str(error).replace(f"stages.{STAGE}.blend", field)) from None
    members: dict[str, list[str]] = {}
    for name in plan.epoch_windows:
        pattern = pattern_of(name, by_weight)
        if pattern is not None:
            members.setdefault(pattern, []).append(name)
    entries = {}
    for pattern, names in members.items():
        windows = sum(plan.epoch_windows[name] for name in names)
        for name in names:
            weight = (by_weight[pattern].weight or 0.0) * plan.epoch_windows[name] / windows
            entries[name] = by_weight[pattern].model_copy(update={"weight": weight})
    return dict(sorted(entries.items()))


def _rate(settings: AnnealSettings, checked: TrainingRecipe, seeds: tuple[int, ...]) -> float:
    """The learning rate that the half-trained run has at its end, from which the anneal goes down."""
    step = checked.total_steps
    if settings.checkpoint is not None:
        steps = {
            read_commit(find_checkpoint(Path(settings.checkpoint.replace("{seed}", str(seed))))).step
            for seed in seeds
        }
        if len(steps) > 1:
            told = ", ".join(map(str, sorted(steps)))
            raise RecipeError(f"anneal.checkpoint: the seeds' checkpoints are of different steps: {told}")
        step = min(step, *steps)
    return checked.learning_rates()(step - 1)
