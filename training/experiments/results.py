"""What an experiment came to: figures by arm and seed, differences and effects, as data for JSON and for tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from hanji.training.experiments.arms import Arm, Experiment, trained_components
from hanji.training.experiments.comparing import (
    Difference,
    Effect,
    Figures,
    Spread,
    compare,
    effects,
    spread,
)
from hanji.training.experiments.recipe import DEFAULT
from hanji.training.experiments.running import Standing, measured, standings

FORMAT = "hanji-experiment/1"


@dataclass(frozen=True)
class Results:
    """Of the runs that are finished. ``before`` is the half-trained run of an annealing experiment (by measure,
    over seeds), ``differences`` are by arm and measure, ``order`` names candidates, the most useful first."""

    experiment: Experiment
    standings: tuple[Standing, ...]
    figures: Figures
    means: Mapping[str, Mapping[str, Spread]]
    before: Mapping[str, Spread]
    differences: Mapping[str, Mapping[str, Difference]]
    effects: tuple[Effect, ...]
    order: tuple[str, ...]

    @property
    def measures(self) -> tuple[str, ...]:
        return tuple(self.experiment.held_out)

    @property
    def missing(self) -> tuple[Standing, ...]:
        """Compared runs that are not finished."""
        return tuple(s for s in self.standings if s.run.arm.compared and s.state != "finished")


def collect(experiment: Experiment) -> Results:
    """Read what the finished runs measured. Raises as :func:`hanji.training.experiments.running.standings`."""
    recipe, stand = experiment.recipe, tuple(standings(experiment))
    figures: dict[str, dict[int, dict[str, float]]] = {arm.name: {} for arm in experiment.compared}
    before: list[dict[str, float]] = []
    for one in stand:
        if one.summary is None or not one.run.arm.compared:
            continue
        after = measured(experiment, one.run, one.summary, "after")
        assert after is not None
        figures[one.run.arm.name][one.run.seed] = after
        if one.run.arm.name == DEFAULT and recipe.anneal is not None:
            begun = measured(experiment, one.run, one.summary, "before")
            before += [begun] if begun is not None else []
    measures, confidence, baseline = tuple(experiment.held_out), recipe.confidence, experiment.baseline
    differences = {}
    for arm in experiment.compared:
        found = {m: compare(figures, arm.name, baseline, m, confidence) for m in measures}
        if arm.name != baseline:
            differences[arm.name] = {m: one for m, one in found.items() if one is not None}
    labels = {arm.name: arm.labels for arm in experiment.compared}
    columns = experiment.compared[0].labels
    return Results(
        experiment=experiment,
        standings=stand,
        figures=figures,
        means={
            arm: {m: spread([by_seed[seed][m] for seed in sorted(by_seed)]) for m in measures}
            for arm, by_seed in figures.items()
            if by_seed
        },
        before={m: spread([one[m] for one in before]) for m in measures} if before else {},
        differences=differences,
        effects=tuple(effects(figures, labels, baseline, measures, confidence)) if len(columns) > 1 else (),
        order=_order(figures, differences, baseline, measures) if recipe.anneal is not None else (),
    )


def _order(
    figures: Figures,
    differences: Mapping[str, Mapping[str, Difference]],
    baseline: str,
    measures: tuple[str, ...],
) -> tuple[str, ...]:
    """Candidates by the mean over measures of their relative change, the largest gain first; ties by name."""
    gains = {}
    for arm, found in differences.items():
        seeds = sorted(set(figures[arm]) & set(figures[baseline]))
        if len(found) == len(measures):
            gains[arm] = fmean(
                figures[arm][seed][m] / figures[baseline][seed][m] - 1.0 for seed in seeds for m in measures
            )
    return tuple(sorted(gains, key=lambda arm: (gains[arm], arm)))


def relative(results: Results, arm: str) -> float | None:
    """Mean over measures and seeds of an arm's relative change against the baseline; None without a figure."""
    figures, baseline = results.figures, results.experiment.baseline
    seeds = sorted(set(figures[arm]) & set(figures[baseline]))
    changes = [figures[arm][s][m] / figures[baseline][s][m] - 1.0 for s in seeds for m in results.measures]
    return fmean(changes) if changes else None


def as_json(results: Results) -> dict[str, Any]:
    """Everything, for a program."""
    experiment = results.experiment
    recipe = experiment.recipe
    first_plan = experiment.plans[experiment.baseline]
    return {
        "format": FORMAT,
        "name": recipe.name,
        "kind": "anneal" if recipe.anneal is not None else "arms",
        "base": recipe.base,
        "set": list(experiment.overrides),
        "baseline": experiment.baseline,
        "confidence": recipe.confidence,
        "seeds": list(recipe.seeds),
        "held_out": {
            "directory": first_plan.held_out.directory,
            "manifest_sha256": first_plan.held_out.manifest_sha256,
            "measures": {
                measure: {
                    name: {"documents": c.documents, "bytes": c.bytes, "tokens": c.tokens}
                    for name, c in parts.items()
                }
                for measure, parts in experiment.held_out.items()
            },
        },
        "arms": {arm.name: _arm_json(experiment, arm) for arm in experiment.arms},
        "bits_per_byte": {
            arm: {str(seed): dict(values) for seed, values in sorted(by_seed.items())}
            for arm, by_seed in results.figures.items()
        },
        "before": {m: asdict(value) for m, value in results.before.items()},
        "means": {arm: {m: asdict(value) for m, value in of.items()} for arm, of in results.means.items()},
        "differences": {
            arm: {m: {**asdict(value), "verdict": value.verdict} for m, value in of.items()}
            for arm, of in results.differences.items()
        },
        "effects": [{**asdict(effect), "verdict": effect.difference.verdict} for effect in results.effects],
        "order": list(results.order),
        "runs": [
            {
                "arm": one.run.arm.name,
                "seed": one.run.seed,
                "directory": str(one.run.directory),
                "state": one.state,
                "step": one.step,
                "steps": one.run.recipe.total_steps,
                "seconds": one.summary["seconds"] if one.summary else None,
            }
            for one in results.standings
        ],
    }


def _arm_json(experiment: Experiment, arm: Arm) -> dict[str, Any]:
    plan = experiment.plans[arm.name]
    recipe = experiment.run(arm.name, experiment.recipe.seeds[0]).recipe
    epochs = plan.epochs()
    return {
        "labels": dict(arm.labels),
        "compared": arm.compared,
        "tokens": recipe.total_steps * recipe.tokens_per_step,
        "steps": recipe.total_steps,
        "shards": recipe.shards,
        "blends": plan.blends(),
        "epochs": {name: epochs[name] for name in trained_components(plan)},
    }
