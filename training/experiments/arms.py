"""Arms as training recipes, and whether they may be compared: the same tokens, model, tokenizer, held-out text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanji.errors import InputError, RecipeError
from hanji.manifest import Component
from hanji.recipe import apply_override, parse_recipe, read_yaml
from hanji.stages import matches
from hanji.storage import Storage
from hanji.training.data.plan import DataPlan, plan_data
from hanji.training.experiments.annealing import anneal_arms
from hanji.training.experiments.overlap import refuse_held_out_documents
from hanji.training.experiments.recipe import ExperimentRecipe
from hanji.training.loop.origin import begun_windows, find_origin
from hanji.training.recipe import TrainingRecipe
from hanji.training.stages import with_stages


@dataclass(frozen=True)
class Arm:
    """One arm. ``data`` is its training recipe as a mapping, without what differs by seed; ``labels`` are its
    columns in the table. ``compared`` is False for a run that others only go on from."""

    name: str
    labels: Mapping[str, str]
    data: Mapping[str, Any]
    compared: bool = True
    after: str | None = None
    checkpoint: str | None = None


@dataclass(frozen=True)
class Run:
    """An arm with a seed: an ordinary training run. ``data`` is its recipe as a mapping."""

    arm: Arm
    seed: int
    data: Mapping[str, Any]
    recipe: TrainingRecipe

    @property
    def directory(self) -> Path:
        return Path(self.recipe.run)

    @property
    def title(self) -> str:
        return f"{self.arm.name}, seed {self.seed}"


@dataclass(frozen=True)
class Experiment:
    """All that an experiment is, checked. ``runs`` are in the order in which they run; ``baseline`` is the arm
    that others are compared with, ``held_out`` the components of each measure by its name, ``plans`` the data of
    each arm with the first seed."""

    recipe: ExperimentRecipe
    directory: Path
    arms: tuple[Arm, ...]
    runs: tuple[Run, ...]
    baseline: str
    held_out: Mapping[str, Mapping[str, Component]]
    plans: Mapping[str, DataPlan]
    overrides: tuple[str, ...] = ()

    @property
    def compared(self) -> tuple[Arm, ...]:
        return tuple(arm for arm in self.arms if arm.compared)

    def run(self, arm: str, seed: int) -> Run:
        return next(run for run in self.runs if run.arm.name == arm and run.seed == seed)


def prepare(recipe: ExperimentRecipe, overrides: Sequence[str] = ()) -> Experiment:
    """Resolve the arms and check that they can be compared. Reads recipes, manifests and sidecars, trains nothing.

    ``overrides`` (field=value) change the base recipe for every arm.

    Raises RecipeError for arms that change nothing, that differ in what must be the same or that train on text
    that is held out, and for measures that no held-out text is for.
    """
    base = read_yaml(Path(recipe.base))
    for override in overrides:
        apply_override(base, override)
    directory = Path(str(Storage(recipe.directory).local))
    # Arms on the same shards share the tables of up-sampled documents.
    base.setdefault("tables", str(directory / "tables"))
    # The base itself must be a training recipe, so that an error in it is told as one of its own.
    checked = with_stages(parse_recipe({**base, "run": str(directory)}, TrainingRecipe, origin=recipe.base))
    if recipe.anneal is not None:
        at_rest = _without_origin(checked)
        arms = tuple(Arm(**fields) for fields in anneal_arms(recipe.anneal, base, at_rest, recipe.seeds))
    else:
        arms = _set_arms(recipe, base, checked)
    runs = _runs(recipe, directory, arms)
    first = {arm.name: next(run for run in runs if run.arm is arm) for arm in arms}
    plans = {name: plan_data(_without_origin(run.recipe), check=False) for name, run in first.items()}
    _check_origins(runs, plans)
    compared = {arm.name: first[arm.name].recipe for arm in arms if arm.compared}
    baseline = recipe.baseline or next(iter(compared))
    _check_alike(recipe, compared, plans, baseline)
    held_out = {name: _measured(recipe, plans[name], name) for name in compared}
    _check_same_text(recipe, held_out, plans, baseline)
    for arm in arms:
        _check_untrained(recipe, arm.name, plans[arm.name])
        refuse_held_out_documents(arm.name, plans[arm.name])
    return Experiment(
        recipe=recipe,
        directory=directory,
        arms=arms,
        runs=runs,
        baseline=baseline,
        held_out=held_out[baseline],
        plans=plans,
        overrides=tuple(overrides),
    )


def _set_arms(recipe: ExperimentRecipe, base: Mapping[str, Any], checked: TrainingRecipe) -> tuple[Arm, ...]:
    arms: list[Arm] = []
    seen: dict[str, dict[str, Any]] = {}
    for settings in recipe.arms:
        data = json.loads(json.dumps(base, default=str))
        for field, value in settings.set.items():
            apply_override(data, f"{field}={json.dumps(value, ensure_ascii=False)}")
        resolved = parse_recipe({**data, "run": "x"}, TrainingRecipe, origin=f"arms.{settings.name}.set")
        same = resolved.model_dump(exclude={"run", "name", "seed"})
        if settings.set and same == checked.model_dump(exclude={"run", "name", "seed"}):
            raise RecipeError(
                f"arms.{settings.name}.set: it changes nothing: the base recipe, {recipe.base}, has these values "
                "already; an arm that is the base recipe has no `set`"
            )
        for other, what in seen.items():
            if what == same:
                raise RecipeError(f"arms: {other} and {settings.name} are the same training run")
        seen[settings.name] = same
        arms.append(Arm(settings.name, settings.labels, data))
    return tuple(arms)


def _runs(recipe: ExperimentRecipe, directory: Path, arms: tuple[Arm, ...]) -> tuple[Run, ...]:
    """By seed, then by arm: after the first seed there is a figure of every arm. A run that others go on from comes
    before them."""
    runs: list[Run] = []
    for seed in recipe.seeds:
        for arm in arms:
            data = {
                **arm.data,
                "name": f"{recipe.name} {arm.name} seed {seed}",
                "run": str(directory / arm.name / f"seed-{seed}"),
                "seed": seed,
            }
            if arm.after is not None:
                data |= {"init_from": str(directory / arm.after / f"seed-{seed}"), "init_with": "state"}
            elif arm.checkpoint is not None:
                data |= {"init_from": arm.checkpoint.replace("{seed}", str(seed)), "init_with": "state"}
            resolved = with_stages(parse_recipe(data, TrainingRecipe, origin=f"arm {arm.name}"))
            runs.append(Run(arm, seed, data, resolved))
    return tuple(runs)


def _without_origin(recipe: TrainingRecipe) -> TrainingRecipe:
    """A recipe whose parent may not exist yet, for what does not depend on it."""
    return recipe.model_copy(
        update={"init_from": None, "init_with": "weights", "run": recipe.run + "/.planned"}
    )


def _check_origins(runs: Sequence[Run], plans: Mapping[str, DataPlan]) -> None:
    """What runs begin from, where it is there already: the checkpoint of every seed, not of the first alone."""
    for run in runs:
        if run.recipe.init_from is None or run.arm.after is not None:
            continue
        plan = plans[run.arm.name]
        try:
            find_origin(run.recipe, plan.manifest.tokenizer.vocab_size)
            begun_windows(run.recipe, plan.manifest_sha256)
        except (RecipeError, InputError) as error:
            hint = ""
            if run.seed != runs[0].seed and "{seed}" not in (run.arm.checkpoint or "{seed}"):
                hint = (
                    "; anneal.checkpoint: with {seed} in it, each seed goes on from a checkpoint of its own"
                )
            raise RecipeError(f"{run.title}: {error}{hint}") from None


def _check_alike(
    recipe: ExperimentRecipe,
    arms: Mapping[str, TrainingRecipe],
    plans: Mapping[str, DataPlan],
    baseline: str,
) -> None:
    """Tokens, model and tokenizer are those of the baseline, or the recipe says that they may differ."""

    def facts(name: str) -> dict[str, Any]:
        one, tokenizer = arms[name], plans[name].manifest.tokenizer
        return {
            "tokens": one.total_steps * one.tokens_per_step,
            "model": {**one.shape.as_dict(), "precision": one.precision},
            "tokenizer": tokenizer.sha256,
        }

    ours = facts(baseline)
    for name in arms:
        theirs = facts(name)
        for what in ("tokens", "model", "tokenizer"):
            if ours[what] == theirs[what] or what in recipe.may_differ:
                continue
            raise RecipeError(
                f"arms.{name}: it has other {what} than {baseline} ({_told(ours[what], theirs[what])}), so a "
                f"difference would not be one of data alone; if that is meant, write may_differ: [{what}]"
            )


def _told(ours: Any, theirs: Any) -> str:
    if isinstance(ours, dict):
        names = [name for name in ours if ours[name] != theirs.get(name)]
        return ", ".join(f"{name} {theirs.get(name)} and not {ours[name]}" for name in names)
    if isinstance(ours, int):
        return f"{theirs:,} and not {ours:,}"
    return f"sha256 {theirs[:12]}… and not {ours[:12]}…"


def _measured(recipe: ExperimentRecipe, plan: DataPlan, arm: str) -> dict[str, dict[str, Component]]:
    """The held-out components of each measure."""
    found = {}
    for measure in recipe.measures:
        chosen = {
            name: component
            for name, component in plan.held_out.components.items()
            if any(matches(pattern, name) for pattern in measure.components)
        }
        if not chosen:
            raise RecipeError(
                f"measures.{measure.name}: no held-out text for {', '.join(measure.components)} in "
                f"{plan.held_out.directory} (arm {arm}); there is: "
                f"{', '.join(plan.held_out.components) or 'none'}"
            )
        found[measure.name] = chosen
    return found


def _check_same_text(
    recipe: ExperimentRecipe,
    held_out: Mapping[str, Mapping[str, Mapping[str, Component]]],
    plans: Mapping[str, DataPlan],
    baseline: str,
) -> None:
    """Every arm is measured on the baseline's text: the same manifest, or with another tokenizer the same documents
    and bytes of every component."""
    for name, measures in held_out.items():
        same = plans[name].held_out.manifest_sha256 == plans[baseline].held_out.manifest_sha256
        if not same and "tokenizer" in recipe.may_differ:
            same = _amounts(measures) == _amounts(held_out[baseline])
        if not same:
            raise RecipeError(
                f"arms.{name}: it would be measured on other held-out text ({plans[name].held_out.directory}) than "
                f"{baseline} ({plans[baseline].held_out.directory}); name one place in the base recipe "
                "(validation.shards)"
            )


def _amounts(measures: Mapping[str, Mapping[str, Component]]) -> dict[str, Any]:
    return {
        measure: {name: (component.documents, component.bytes) for name, component in components.items()}
        for measure, components in measures.items()
    }


def _check_untrained(recipe: ExperimentRecipe, arm: str, plan: DataPlan) -> None:
    used = trained_components(plan)
    for measure in recipe.measures:
        for pattern in measure.components if measure.untrained else ():
            trained = [name for name in used if matches(pattern, name)]
            if trained:
                raise RecipeError(
                    f"arms.{arm}: it trains on {trained[0]}, which measures.{measure.name} wants untrained "
                    f"({pattern}); narrow the blend"
                )


def trained_components(plan: DataPlan) -> list[str]:
    """Names of the components that a run takes samples of."""
    return sorted(name for name, epochs in plan.epochs().items() if epochs)
