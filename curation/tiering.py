"""Settle the tiers of a run: cuts by exact histograms over all partitions (decisions/cutting.py)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from hanji.amounts import shown_amount
from hanji.curation.decisions.cutting import (
    Ask,
    Histograms,
    crossings,
    find_cuts,
    needs_tokens,
    read_histograms,
)
from hanji.curation.decisions.ensembles import models_of
from hanji.curation.decisions.tiers import TierCuts
from hanji.curation.delivery import FAN_IN
from hanji.curation.recipe import CurationRecipe
from hanji.curation.steps import tiers as steps
from hanji.curation.tier_recipe import Ensemble, Tier
from hanji.curation.versions import STEP_VERSIONS
from hanji.curation.work import Commit, Runner, Step, Unit, task_with


def several_models(recipe: CurationRecipe) -> dict[str, Sequence[str]]:
    """The names of the models of each language that has several."""
    found = {language: models_of(recipe.quality, language) for language in sorted(recipe.quality)}
    return {language: models for language, models in found.items() if models}


def settle_tiers(
    runner: Runner, recipe: CurationRecipe, settled: list[Commit], counts: list[Commit] | None
) -> TierCuts:
    """The cuts of the recipe's tiers. ``counts``: the tokens of kept documents, if a tier asks for them."""
    counting = _InTasks(runner, settled, counts)
    return find_cuts(recipe.tiers, several_models(recipe), ensembles_of(recipe), counting)


def ensembles_of(recipe: CurationRecipe) -> dict[str, Ensemble]:
    """How scores become one, by language that says so."""
    return {str(language): settings for language, settings in recipe.ensembles.items()}


def tokens_are_needed(recipe: CurationRecipe) -> bool:
    """Whether a tier has a quota, so that tokens are counted before tiers are settled."""
    return needs_tokens(recipe.tiers)


def without_scores(recipe: CurationRecipe, languages: Sequence[str]) -> list[str]:
    """Warnings: languages without a classifier, of which no tier but the last can take anything."""
    found = []
    for language in languages:
        tiers = [tier for tier in recipe.tiers[:-1] if tier.languages is None or language in tier.languages]
        if tiers and language not in recipe.quality and all(_by_score(tier) for tier in tiers):
            found.append(
                f"no quality classifier for {language} (quality.{language}): "
                f"all of it is in the tier {recipe.tiers[-1].name}"
            )
    return found


def _by_score(tier: Tier) -> bool:
    asked = (tier.top_share, tier.min_score, tier.min_bucket)
    return any(one is not None for one in asked) or (tier.tokens is not None and tier.best_by == "score")


def unmet_quotas(cuts: TierCuts) -> list[str]:
    """Warnings: quotas that there was too little for."""
    empty = [
        f"tier {cuts.tiers[place].name}: nothing meets its conditions, so that its quota takes no document"
        for place, groups in sorted(cuts.quotas.items())
        if not groups
    ]
    return empty + [
        f"tier {cuts.tiers[place].name}: {cut.tokens:,} tokens of {group} to train on, of the "
        f"{shown_amount(cut.wanted)} asked for: no more documents meet its conditions"
        for place, groups in sorted(cuts.quotas.items())
        for group, cut in sorted(groups.items())
        if not cut.met
    ]


class _InTasks:
    """Counting of a run's kept documents, a task a range of ids (cutting.Counting)."""

    def __init__(self, runner: Runner, settled: list[Commit], counts: list[Commit] | None) -> None:
        self.runner = runner
        self.works: list[steps.Work] = list(
            zip(settled, counts if counts is not None else [None] * len(settled), strict=True)
        )

    def histograms(self, cuts: TierCuts, asks: Sequence[Ask]) -> Histograms:
        facts = [tier_facts(cuts), [dataclasses.asdict(ask) for ask in asks]]
        name = asks[0].name.replace(" ", "-").partition("-{")[0]
        step = Step("tier-counts", self._version, task_with(steps.count_partition, cuts, list(asks)), facts)
        commits, level = self.runner.map(step, self._units(name)), 0
        while level == 0 or len(commits) > 1:
            add = Step("tier-sums", self._version, steps.add_counts, [facts, level])
            groups = [commits[start : start + FAN_IN] for start in range(0, len(commits), FAN_IN)]
            units = [
                Unit(f"{name}-{level}-{place:05d}", [one.files["counts"].sha256 for one in group], group)
                for place, group in enumerate(groups)
            ]
            commits, level = self.runner.map(add, units), level + 1
        return read_histograms(self.runner.run.read_table(commits[0].files["counts"].path))

    def boundaries(
        self, cuts: TierCuts, ask: Ask, points: Mapping[str, tuple[int, int]]
    ) -> Mapping[str, tuple[str, int, int]]:
        merits = {group: merit for group, (merit, _) in sorted(points.items())}
        facts = [tier_facts(cuts), dataclasses.asdict(ask), merits]
        name = ask.name.replace(" ", "-")
        step = Step("tier-ties", self._version, task_with(steps.tie_partition, cuts, ask, merits), facts)
        tied = self.runner.map(step, self._units(name))

        def last(wanted: Mapping[int, Mapping[str, tuple[int, int]]]) -> dict[str, tuple[str, int, int]]:
            step = Step("tier-last", self._version, task_with(steps.last_in_partition, cuts, ask), facts)
            units = self._units(name)
            chosen = [
                Unit(units[number].name, [units[number].inputs, mine], (units[number].work, mine))
                for number, mine in sorted(wanted.items())
            ]
            return {
                group: (identity, tokens, documents)
                for commit in self.runner.map(step, chosen)
                for group, (identity, tokens, documents) in commit.info["last"].items()
            }

        amounts = [
            {group: (tokens, documents) for group, (tokens, documents) in commit.info["tied"].items()}
            for commit in tied
        ]
        return crossings(amounts, points, last)

    @property
    def _version(self) -> int:
        return STEP_VERSIONS["decide"]

    def _units(self, name: str) -> list[Unit]:
        return [
            Unit(
                f"{name}-{settled.unit}",
                [
                    settled.files["settled"].sha256,
                    None if counts is None else counts.files["counts"].sha256,
                ],
                (settled, counts),
            )
            for settled, counts in self.works
        ]


def tier_facts(cuts: TierCuts) -> list[Any]:
    """Tiers and their cuts as JSON, for keys."""
    return [
        [tier.model_dump(mode="json") for tier in cuts.tiers],
        {language: settings.model_dump(mode="json") for language, settings in cuts.ensembles.items()},
        cuts.facts(),
    ]
