"""Decide: rules, survivors of clusters, tiers, and the ledger (steps/decide.py)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from hanji.curation import duplicates
from hanji.curation.context import Context
from hanji.curation.decisions.rules import Rule
from hanji.curation.decisions.tiers import TierThresholds, thresholds
from hanji.curation.delivery import FAN_IN, receiving_units, release
from hanji.curation.recipe import CurationRecipe, Language
from hanji.curation.signals import ratios
from hanji.curation.steps import decide as steps
from hanji.curation.steps import survive as survival
from hanji.curation.steps.takedown import Taken
from hanji.curation.takedown.lists import TakedownList
from hanji.curation.takedown.search import search
from hanji.curation.versions import STEP_VERSIONS
from hanji.curation.work import Commit, Runner, Step, Unit, task_with
from hanji.errors import RunError

VALID_SALT = 1


def decide(
    context: Context, gathered: list[Commit], edges: list[Commit], clusters: list[Commit]
) -> tuple[list[Commit], dict[str, TierThresholds]]:
    """The commits of the ledger, by range of ids, and the thresholds of the tiers by language."""
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
    written = write_ledger(context.runner, recipe, context.takedown, gathered, settled)
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


def _scores(runner: Runner, settled: list[Commit]) -> dict[str, dict[int, int]]:
    """The histogram of the scores of all kept documents by language, added up by tasks of FAN_IN files each."""
    commits, level = settled, 0
    while level == 0 or len(commits) > 1:
        step = Step("scores", STEP_VERSIONS["decide"], steps.add_scores, level)
        groups = [commits[start : start + FAN_IN] for start in range(0, len(commits), FAN_IN)]
        commits = runner.map(
            step,
            [
                Unit(f"{level}-{place:05d}", [commit.files["scores"].sha256 for commit in group], group)
                for place, group in enumerate(groups)
            ],
        )
        level += 1
    found: dict[str, dict[int, int]] = {}
    table = runner.run.read_table(commits[0].files["scores"].path)
    for language, score, count in zip(*(table[name].to_pylist() for name in table.column_names), strict=True):
        found.setdefault(language, {})[score] = count
    return found


@dataclass(frozen=True)
class Ledger:
    """What was decided in the end: commits by range of ids, thresholds by language, and what to tell."""

    ledger: list[Commit]
    tiers: dict[str, TierThresholds]
    warnings: list[str]


def write_ledger(
    runner: Runner,
    recipe: CurationRecipe,
    takedown: TakedownList,
    gathered: list[Commit],
    settled: list[Commit],
) -> Ledger:
    """From what was settled to the ledger: tiers, and what must be taken down."""
    minhash = recipe.dedup.minhash
    counts = _scores(runner, settled)
    languages = sorted(counts)
    tiers = {language: thresholds(recipe.tiers, counts[language]) for language in languages}
    warnings = [
        f"no quality classifier for {language} (quality.{language}): "
        f"all of it is in the tier {recipe.tiers[-1].name}"
        for language in languages
        if language not in recipe.quality and len(recipe.tiers) > 1
    ]
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
            inputs = [inputs, gone.content(), minhash.min_jaccard, minhash.min_containment]
        units.append(Unit(commit.unit, inputs, (commit, gone)))
    step = Step(
        "ledger",
        STEP_VERSIONS["decide"],
        task_with(steps.write_ledger, tiers, minhash),
        {language: dataclasses.asdict(cut) for language, cut in tiers.items()},
        keeps_books=True,
    )
    return Ledger(runner.map(step, units), tiers, warnings)


def rule_facts(rules: dict[Language, list[Rule]]) -> dict[str, Any]:
    """Rules as JSON, for keys and reports."""
    return {language: [dataclasses.asdict(rule) for rule in some] for language, some in rules.items()}
