"""Running an experiment: one training run for each arm and seed, in directories of their own.

What is finished is left alone, what was cut off goes on, so the same command is given until all is done. A run
directory that holds another recipe's run, or one that was measured on other text, is refused before any training.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from hanji.errors import InputError, RecipeError
from hanji.progress import Progress, SilentProgress
from hanji.storage import Storage
from hanji.training.checkpoint.record import differences, find_checkpoint, read_commit
from hanji.training.experiments.arms import Experiment, Run
from hanji.training.recipe import TrainingRecipe

State = Literal["new", "under way", "finished"]


@dataclass(frozen=True)
class Standing:
    """How far a run is. ``summary`` is its training.json where it is finished."""

    run: Run
    state: State
    step: int
    summary: dict[str, Any] | None = None


def standings(experiment: Experiment) -> list[Standing]:
    """How far every run of the experiment is, in their order.

    Raises RecipeError for a directory that holds a run of another recipe, of other shards or measured otherwise.
    """
    return [standing(experiment, run) for run in experiment.runs]


def standing(experiment: Experiment, run: Run) -> Standing:
    """How far one run is. Raises as :func:`standings`."""
    plan = experiment.plans[run.arm.name]
    identity, manifest, step = _found(run)
    if identity is None:
        return Standing(run, "new", 0)
    changed = differences(run.recipe.identity(), identity)
    if manifest not in (None, plan.manifest_sha256):
        changed.append("the shards' manifest has another sha256")
    summary = _summary(run.directory)
    finished = summary is not None and summary["finished"] and summary["step"] == run.recipe.total_steps
    if finished and not changed:
        assert summary is not None
        if summary.get("held_out", {}).get("manifest_sha256") != plan.held_out.manifest_sha256:
            changed.append("it was measured on other held-out text")
        elif lacking := _lacking(experiment, run, summary):
            changed.append(f"held-out {lacking} was not measured at its end")
    if changed:
        raise RecipeError(
            f"{run.directory}: holds another run than {run.title} is now ({'; '.join(changed)}); remove it, or "
            "name another directory for the experiment"
        )
    return Standing(run, "finished" if finished else "under way", step, summary if finished else None)


def run_experiment(
    experiment: Experiment,
    *,
    arms: Sequence[str] = (),
    seeds: Sequence[int] = (),
    progress: Progress | None = None,
) -> bool:
    """Train what is not finished, one run after another; of ``arms`` and ``seeds`` alone where they are given.

    Returns False when it was asked to stop: the same call goes on. Raises RecipeError for an arm or a seed that
    there is not, and what :func:`hanji.training.launch.train` raises.
    """
    from hanji.training.launch import train

    progress = progress or SilentProgress()
    chosen = choose(experiment, arms, seeds)
    standings(experiment)
    for number, run in enumerate(chosen, 1):
        # Looked at again: another machine may have finished it in the meantime.
        if standing(experiment, run).state == "finished":
            continue
        progress.note(f"run {number} of {len(chosen)}: {run.title}")
        if not train(_written(experiment, run), progress=progress).finished:
            return False
    return True


def choose(experiment: Experiment, arms: Sequence[str], seeds: Sequence[int]) -> list[Run]:
    """The runs of these arms and seeds (all where none are given), and those that they go on from."""
    known = {arm.name: arm for arm in experiment.arms}
    for name in arms:
        if name not in known:
            raise RecipeError(f"--arm: there is no arm {name!r}; there are: {', '.join(known)}")
    for seed in seeds:
        if seed not in experiment.recipe.seeds:
            there = ", ".join(map(str, experiment.recipe.seeds))
            raise RecipeError(f"--seed: there is no seed {seed}; there are: {there}")
    wanted = set(arms) | {known[name].after for name in arms}
    return [
        run
        for run in experiment.runs
        if (not arms or run.arm.name in wanted) and (not seeds or run.seed in seeds)
    ]


def measured(experiment: Experiment, run: Run, summary: dict[str, Any], when: str) -> dict[str, float] | None:
    """Bits per byte by measure before the first step or after the last one; None where that was not measured."""
    entries = [entry for entry in summary["validation"] if entry["when"] == when]
    if not entries:
        return None
    components = entries[0 if when == "before" else -1]["components"]
    return {
        measure: sum(components[name] * c.bytes for name, c in parts.items())
        / sum(c.bytes for c in parts.values())
        for measure, parts in experiment.held_out.items()
    }


def _found(run: Run) -> tuple[dict[str, Any] | None, str | None, int]:
    """Identity and manifest of what a run's directory holds, and its step; (None, None, 0) where nothing."""
    try:
        commit = read_commit(find_checkpoint(run.directory))
        return commit.identity, commit.manifest_sha256, commit.step
    except InputError:
        pass
    # Checkpoints may have been removed to save space; the recipe and what was measured are still there.
    summary, recipe = _summary(run.directory), run.directory / "recipe.json"
    if summary is None or not recipe.exists():
        return None, None, 0
    identity = TrainingRecipe.model_validate_json(recipe.read_bytes()).identity()
    return identity, summary["shards"]["manifest_sha256"], summary["step"]


def _summary(directory: Path) -> dict[str, Any] | None:
    path = directory / "training.json"
    if not path.exists():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        raise InputError(f"{path}: is not JSON; remove it and run the experiment again") from None


def _lacking(experiment: Experiment, run: Run, summary: dict[str, Any]) -> str | None:
    if not run.arm.compared:
        return None
    entries = [entry for entry in summary["validation"] if entry["when"] == "after"]
    there = entries[-1]["components"] if entries else {}
    for parts in experiment.held_out.values():
        for name in parts:
            if name not in there:
                return name
    return None


def _written(experiment: Experiment, run: Run) -> Path:
    """The run's recipe as a file of its own, with which `hanji train` does the same."""
    name = f"recipes/{run.arm.name}-seed-{run.seed}.yaml"
    text = yaml.safe_dump(dict(run.data), allow_unicode=True, sort_keys=False)
    Storage(str(experiment.directory)).write_bytes(name, text.encode())
    return experiment.directory / name
