"""Decide: rules, survivors of clusters, tiers, and the ledger (steps/decide.py)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hanji.curation import duplicates
from hanji.curation.context import Context
from hanji.curation.decisions.rules import Rule
from hanji.curation.decisions.tiers import TierCuts
from hanji.curation.delivery import receiving_units, release
from hanji.curation.recipe import CurationRecipe, Language
from hanji.curation.signals import ratios
from hanji.curation.steps import decide as steps
from hanji.curation.steps import survive as survival
from hanji.curation.steps.takedown import ROWS_VERSION, Taken
from hanji.curation.takedown.lists import TakedownList
from hanji.curation.takedown.search import search
from hanji.curation.tiering import settle_tiers, tier_facts, tokens_are_needed, unmet_quotas, without_scores
from hanji.curation.versions import STEP_VERSIONS
from hanji.curation.work import Commit, Runner, Step, Unit, task_with
from hanji.errors import RunError

VALID_SALT = 1


def decide(
    context: Context,
    gathered: list[Commit],
    edges: list[Commit],
    clusters: list[Commit],
    count_tokens: CountTokens,
) -> tuple[list[Commit], TierCuts]:
    """The commits of the ledger, by range of ids, and the cuts of the tiers.

    ``count_tokens`` is asked where a tier has a quota.
    """
    recipe, partitions, version = context.recipe, context.partitions, STEP_VERSIONS["decide"]
    homes = [steps.Home(g, c, e) for g, c, e in zip(gathered, clusters, edges, strict=True)]
    judge_step = Step(
        "judge",
        version,
        task_with(steps.judge_partition, context.rules, partitions),
        [rule_facts(context.rules), partitions, ratios.identity()],
    )
    judged = context.runner.map(judge_step, [Unit(h.gathered.unit, h.content(), h) for h in homes])
    fates = _survive(context, gathered, judged)
    dedup = recipe.dedup
    settle_step = Step(
        "settle",
        version,
        task_with(steps.settle, dedup, recipe.shards.valid_share),
        [dedup.minhash, dedup.url, recipe.shards.valid_share, VALID_SALT],
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
    release(context.runner, fates, "fates")
    written = write_ledger(context.runner, recipe, context.takedown, gathered, settled, count_tokens)
    context.warnings += written.warnings
    context.duplicates = duplicates.facts(fates, settled)
    alarms = duplicates.losses(context.duplicates, dedup)
    if alarms and dedup.on_source_loss == "fail":
        # The ledger is there to look at, the shards are not.
        raise RunError(
            "; ".join(alarms)
            + f"; no shard was written, what fell to what is in {context.run.describe('ledger')}. "
            "Where that is right, dedup.on_source_loss=warn or a larger dedup.max_source_loss goes on from here"
        )
    context.warnings += [*alarms, *duplicates.oversized(context.duplicates, dedup)]
    return written.ledger, written.tiers


def _survive(context: Context, gathered: list[Commit], judged: list[Commit]) -> list[Commit]:
    """The commits that say what becomes of the members of clusters."""
    runner, partitions, version = context.runner, context.partitions, STEP_VERSIONS["decide"]
    dedup = context.recipe.dedup
    params = [dedup.minhash, dedup.max_cluster, dedup.max_cluster_action, partitions]
    edges = receiving_units(runner, "ask", judged, "edges", partitions)
    members = receiving_units(runner, "ask", judged, "members", partitions)
    ask_step = Step("ask", version, task_with(survival.ask, dedup, partitions), params)
    asked = runner.map(
        ask_step,
        [
            Unit(m.name, [m.inputs, e.inputs], (*m.work[:2], e.work[1]))
            for m, e in zip(members, edges, strict=True)
        ],
    )
    answer_step = Step("answer", version, task_with(survival.answer, partitions), partitions)
    texts = [commit.files["text"].sha256 for commit in gathered]
    questions = receiving_units(runner, "answer", asked, "asked", partitions, extra=texts, works=gathered)
    answered = runner.map(answer_step, [unit for unit in questions if unit.work[1]])
    answers = receiving_units(runner, "survive", answered, "answers", partitions)
    survive_step = Step(
        "survive", version, task_with(survival.survive, dedup, partitions), [*params, dedup.url]
    )
    fates = runner.map(
        survive_step,
        [
            Unit(m.name, [m.inputs, e.inputs, a.inputs], (*m.work[:2], e.work[1], a.work[1]))
            for m, e, a in zip(members, edges, answers, strict=True)
        ],
    )
    release(runner, judged, "members", "edges")
    release(runner, asked, "asked")
    release(runner, answered, "answers")
    return fates


CountTokens = Callable[[list[Commit], list[Commit]], list[Commit]]
"""From texts (gathered) and what was settled to commits with the tokens of each kept document, by range of ids."""


@dataclass(frozen=True)
class Ledger:
    """What was decided in the end: commits by range of ids, the cuts of tiers, and what to tell."""

    ledger: list[Commit]
    tiers: TierCuts
    warnings: list[str]


def write_ledger(
    runner: Runner,
    recipe: CurationRecipe,
    takedown: TakedownList,
    gathered: list[Commit],
    settled: list[Commit],
    count_tokens: CountTokens,
) -> Ledger:
    """From what was settled to the ledger: tiers, and what must be taken down."""
    minhash = recipe.dedup.minhash
    counts = count_tokens(gathered, settled) if tokens_are_needed(recipe) else None
    tiers = settle_tiers(runner, recipe, settled, counts)
    languages = sorted({language for commit in settled for language in commit.info["languages"]})
    warnings = [*without_scores(recipe, languages), *unmet_quotas(tiers)]
    taken: list[Taken | None] = [None] * len(settled)
    if len(takedown):
        found = search(runner, takedown, minhash, gathered, settled)
        taken = [found.of(number) for number in range(len(settled))]
        warnings += found.warnings(takedown)
    units = []
    for commit, gone in zip(settled, taken, strict=True):
        # A range of ids that no takedown touches is written from what was settled alone.
        inputs: Any = commit.content()
        if gone is not None:
            inputs = [inputs, gone.content(), minhash.min_jaccard, minhash.min_containment, ROWS_VERSION]
        units.append(Unit(commit.unit, inputs, (commit, gone)))
    step = Step(
        "ledger",
        STEP_VERSIONS["decide"],
        task_with(steps.write_ledger, tiers, minhash),
        tier_facts(tiers),
        keeps_books=True,
    )
    return Ledger(runner.map(step, units), tiers, warnings)


def rule_facts(rules: dict[Language, list[Rule]]) -> dict[str, Any]:
    """Rules as JSON, for keys and reports."""
    return {language: [dataclasses.asdict(rule) for rule in some] for language, some in rules.items()}
