"""Decide: rules, survivors of clusters, tiers, and the ledger (steps/decide.py)."""

from __future__ import annotations

import dataclasses
from typing import Any

from hanji.curation.context import Context
from hanji.curation.decisions.rules import Rule
from hanji.curation.decisions.tiers import TierThresholds, merge_histograms, thresholds
from hanji.curation.exchange import receiving_units
from hanji.curation.recipe import Language
from hanji.curation.signals import ratios
from hanji.curation.steps import decide as steps
from hanji.curation.steps.takedown import Taken
from hanji.curation.takedown.search import search
from hanji.curation.versions import STEP_VERSIONS
from hanji.curation.work import Commit, Step, Unit, task_with

VALID_SALT = 1


def decide(
    context: Context, gathered: list[Commit], edges: list[Commit], clusters: list[Commit]
) -> tuple[list[Commit], dict[str, TierThresholds]]:
    """The commits of the ledger, by range of ids, and the thresholds of the tiers by language."""
    recipe, partitions, version = context.recipe, context.recipe.partitions, STEP_VERSIONS["decide"]
    homes = [steps.Home(g, c, e) for g, c, e in zip(gathered, clusters, edges, strict=True)]
    judge_step = Step(
        "judge",
        version,
        task_with(steps.judge_partition, context.rules, partitions),
        [rule_facts(context.rules), partitions, ratios.identity()],
    )
    judged = context.runner.map(judge_step, [Unit(h.gathered.unit, h.content(), h) for h in homes])
    edge_units = receiving_units(context.runner, "survive", judged, "edges", partitions)
    survive_step = Step(
        "survive",
        version,
        task_with(steps.survive, recipe.dedup.minhash, partitions),
        [recipe.dedup.minhash, partitions],
    )
    fates = context.runner.map(
        survive_step,
        [
            Unit(unit.name, unit.inputs, (unit.work[0], unit.work[1], edges_here.work[1]))
            for unit, edges_here in zip(
                receiving_units(
                    context.runner,
                    "survive",
                    judged,
                    "members",
                    partitions,
                    extra=[unit.inputs for unit in edge_units],
                ),
                edge_units,
                strict=True,
            )
        ],
    )
    settle_step = Step(
        "settle",
        version,
        task_with(steps.settle, recipe.dedup.minhash, recipe.shards.valid_share),
        [recipe.dedup.minhash, recipe.shards.valid_share, VALID_SALT],
        keeps_books=True,
    )
    settled = context.runner.map(
        settle_step,
        receiving_units(
            context.runner,
            "settle",
            fates,
            "fates",
            partitions,
            extra=[[h.gathered.content(), j.content()] for h, j in zip(homes, judged, strict=True)],
            works=list(zip(homes, judged, strict=True)),
        ),
    )
    languages = sorted({language for commit in settled for language in commit.info["scores"]})
    tiers = {
        language: thresholds(
            recipe.tiers,
            merge_histograms(commit.info["scores"].get(language, {}) for commit in settled),
        )
        for language in languages
    }
    for language in languages:
        if language not in context.models and len(recipe.tiers) > 1:
            context.warnings.append(
                f"no quality classifier for {language} (quality.{language}): "
                f"all of it is in the tier {recipe.tiers[-1].name}"
            )
    ledger_step = Step(
        "ledger",
        version,
        task_with(steps.write_ledger, tiers, recipe.dedup.minhash),
        {language: dataclasses.asdict(cut) for language, cut in tiers.items()},
        keeps_books=True,
    )
    ledger = context.runner.map(ledger_step, ledger_units(context, gathered, settled))
    return ledger, tiers


def ledger_units(context: Context, gathered: list[Commit], settled: list[Commit]) -> list[Unit]:
    """What the ledger is written from: of a range of ids that no takedown touches, what was settled alone."""
    taken: list[Taken | None] = [None] * len(settled)
    if len(context.takedown):
        minhash = context.recipe.dedup.minhash
        found = search(context.runner, context.takedown, minhash, gathered, settled)
        taken = [found.of(number) for number in range(len(settled))]
        context.warnings += found.warnings(context.run, context.takedown)
    units = []
    for commit, gone in zip(settled, taken, strict=True):
        inputs: Any = commit.content()
        if gone is not None:
            minhash = context.recipe.dedup.minhash
            inputs = [inputs, gone.content(), minhash.min_jaccard, minhash.min_containment]
        units.append(Unit(commit.unit, inputs, (commit, gone)))
    return units


def rule_facts(rules: dict[Language, list[Rule]]) -> dict[str, Any]:
    """Rules as JSON, for keys and reports."""
    return {language: [dataclasses.asdict(rule) for rule in some] for language, some in rules.items()}
