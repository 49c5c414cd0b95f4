"""Whether a run may go on from a checkpoint: with the same recipe, and stages that may change for steps to come."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from hanji.errors import InputError, RecipeError, RunError
from hanji.storage import Storage
from hanji.training.checkpoint.record import Commit, differences, find_checkpoint, read_commit
from hanji.training.data.blend import BLOCK
from hanji.training.data.order import ORDER_VERSION
from hanji.training.data.plan import DataPlan
from hanji.training.loop.schedule import build_schedule
from hanji.training.recipe import TrainingRecipe
from hanji.training.stages import StageSettings


def check_newest(recipe: TrainingRecipe, data: DataPlan) -> None:
    """:func:`check_commit` of the run's newest checkpoint, if it has one; RunError where its record is damaged."""
    try:
        directory = find_checkpoint(Path(recipe.run))
    except InputError:
        return
    check_commit(recipe, data, read_commit(directory), str(directory))


def check_commit(recipe: TrainingRecipe, data: DataPlan, commit: Commit, where: str) -> None:
    """Raise RecipeError unless the checkpoint at ``where`` is one of this recipe on these shards.

    RunError where its position in the data is not what this version computes for its step.
    """
    # Stages are compared as far as they were trained, by what they came to.
    ours = {name: value for name, value in recipe.identity().items() if name != "stages"}
    if changed := differences(ours, commit.identity):
        raise RecipeError(
            f"run: {recipe.run} holds checkpoints of another recipe ({'; '.join(changed)}); name another "
            f"run directory, or remove {Storage(recipe.run).sub('checkpoints').root}"
        )
    if commit.manifest_sha256 != data.manifest_sha256:
        raise RecipeError(
            f"shards: {recipe.shards} is not what {where} was trained on (its manifest has another "
            "sha256); name the shards that it began with, or another run directory"
        )
    recorded: Mapping[str, Any] = commit.family.get("order", {})
    if recorded.get("version") != ORDER_VERSION:
        raise RunError(
            f"{where}: it was written by another version of the order ({recorded.get('version', 1)}; this is "
            f"{ORDER_VERSION}): the samples that come next are not those that were to come"
        )
    samples = commit.step * recipe.batch.global_size
    now = data.order.history(samples)
    if any(now[name] != recorded.get(name) for name in ("windows", "begun")):
        names = [sorted(one.get("windows", {})) for one in (now, recorded)]
        here, there = ([name for name in names[i] if name not in names[1 - i]] for i in (0, 1))
        raise RecipeError(
            f"stages: {where} was trained on other streams of the data than these stages make"
            + (f" ({_few(here)} here, {_few(there)} there)" if here or there else "")
            + "; what `upsample` divides cannot change within a run: every stage that reads a component, those to "
            "come too, has to give it an `upsample` that the run began with, and none where it had none"
        )
    if now["segments"] != recorded.get("segments"):
        raise RecipeError(
            f"stages: of the first {commit.step} steps they say something else than what {where} was trained on: "
            f"{_first_difference(now['segments'], recorded['segments'], recipe.batch.global_size)}. What was "
            "trained has to stand in the recipe as it was; to change a blend from here on, end its stage at this "
            "step (stop_after) and let a new stage follow"
        )
    if data.order.consumed(samples) != commit.consumed:
        raise RunError(f"{where}: its record contradicts itself: consumed is not what its order gives")
    if recipe.identity()["stages"] != commit.identity["stages"]:
        _check_rates(recipe, commit, where)


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "") if names else "none of these"


def _first_difference(ours: list[Any], theirs: list[Any], size: int) -> str:
    """Where two histories of segments part, in steps and shares."""
    done = 0
    nothing: dict[str, Any] = {"slots": {}, "samples": 0}
    here: dict[str, Any]
    there: dict[str, Any]
    for here, there in zip_longest(ours, theirs, fillvalue=nothing):
        if here != there:
            shares = {
                name: [side["slots"].get(name, 0) / BLOCK for side in (here, there)]
                for name in sorted(set(here["slots"]) | set(there["slots"]))
            }
            parts = [f"{name} {a:.2%} here, {b:.2%} there" for name, (a, b) in shares.items() if a != b]
            lengths = f"{here['samples'] / size:g} steps here, {there['samples'] / size:g} there"
            return f"after step {done // size}: {', '.join(parts[:4]) or lengths}"
        done += here["samples"]
    raise AssertionError("histories that are equal have no difference")


def _check_rates(recipe: TrainingRecipe, commit: Commit, where: str) -> None:
    """That the steps done had the learning rates that the recipe's schedule now gives them."""
    before = [
        (stage.name, recipe.steps_of(stage))
        for stage in (StageSettings.model_validate(one) for one in commit.identity["stages"])
    ]
    then, now = build_schedule(recipe.schedule, before), recipe.learning_rates()
    for step in range(commit.step):
        if then(step) != now(step):
            raise RecipeError(
                f"stages: with them the schedule gives step {step + 1} the rate {now(step):.4g}, but {where} was "
                f"trained with {then(step):.4g}; keep the run's length, or name another run directory"
            )
