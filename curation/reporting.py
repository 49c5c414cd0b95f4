"""Tell: the report of a run, and run.json."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from hanji.curation.blocks.resolve import LIBRARIES
from hanji.curation.context import Context, versions
from hanji.curation.deciding import rule_facts
from hanji.curation.decisions.rules import Rule
from hanji.curation.decisions.tiers import SCALE, TierCuts
from hanji.curation.recipe import Language
from hanji.curation.report.histograms import EDGES
from hanji.curation.report.metrics import Partial, finish, merge
from hanji.curation.report.page import write_report
from hanji.curation.report.reading import Reading, add
from hanji.curation.report.tiers import upsample_name, upsamplings_of
from hanji.curation.samples import complete_samples
from hanji.curation.signals import ratios
from hanji.curation.steps import summarise
from hanji.curation.versions import STEP_VERSIONS
from hanji.curation.work import Commit, Runner, Step, Unit, task_with
from hanji.fingerprint import fingerprint, library_versions
from hanji.manifest import Manifest
from hanji.stages import Stage


def summary(
    runner: Runner,
    rules: dict[Language, list[Rule]],
    gathered: list[Commit],
    ledger: list[Commit],
    counts: list[Commit],
    stages: Sequence[Stage] | None,
) -> Partial:
    """What the documents add up to."""
    upsamplings = upsamplings_of(stages or ())
    step = Step(
        "summarise",
        STEP_VERSIONS["report"],
        task_with(summarise.summarise_partition, rules, upsamplings),
        [rule_facts(rules), ratios.identity(), EDGES, *map(upsample_name, upsamplings)],
    )
    units = [
        Unit(g.unit, [g.content(), row.content(), t.files["counts"].sha256], (g, row, t))
        for g, row, t in zip(gathered, ledger, counts, strict=True)
    ]
    merged = merge(commit.info["partial"] for commit in runner.map(step, units))
    complete_samples(runner.run, merged, gathered, ledger)
    return merged


def report(
    context: Context,
    reads: list[Commit],
    gathered: list[Commit],
    ledger: list[Commit],
    counts: list[Commit],
    tiers: TierCuts,
    manifest: Manifest,
) -> dict[str, Any]:
    """Add up what the run did, write metrics.json and the page, and return the metrics."""
    skipped: dict[str, dict[str, int]] = {}
    for commit in reads:
        of_source = skipped.setdefault(commit.info["source"], {})
        for reason, count in commit.info["skipped"].items():
            of_source[reason] = of_source.get(reason, 0) + count
    reading: dict[str, Reading] = {}
    for commit in reads:
        add(reading.setdefault(commit.info["source"], {}), commit.info["reading"])
    merged = summary(context.runner, context.rules, gathered, ledger, counts, context.recipe.stages)
    kept_languages = sorted({name.partition("/")[0] for name in merged["components"]})
    facts: dict[str, Any] = {
        "name": context.recipe.name,
        "reading": reading,
        "edits": context.edits,
        "recipe": context.recipe.model_dump(mode="json"),
        "steps": [dataclasses.asdict(report) for report in context.runner.reports],
        "skipped_records": skipped,
        "tier_thresholds": {
            language: {name: score / SCALE for name, score in of_tiers.items()}
            for language, of_tiers in tiers.score_thresholds(kept_languages).items()
        },
        "tier_cuts": tiers.facts(),
        "rules_applied": {
            language: [dataclasses.asdict(rule) for rule in rules]
            for language, rules in context.rules.items()
        },
        "manifest": manifest.model_dump(mode="json"),
        "versions": versions(),
        "engine": context.engine.facts(),
        "duplicates": context.duplicates,
        "warnings": context.warnings,
    }
    if context.contamination:
        facts["contamination"] = context.contamination
    metrics = finish(merged, facts)
    write_report(context.run, metrics)
    return metrics


def write_run_json(
    context: Context, *, finished: bool, manifest: Manifest | None = None, seconds: float | None = None
) -> None:
    """Write run.json: enough to repeat the run, and what its steps did."""
    facts = {
        "recipe": context.recipe.model_dump(mode="json"),
        "sample": context.sample,
        "finished": finished,
        "seconds": None if seconds is None else round(seconds, 1),
        "versions": versions(),
        "step_versions": STEP_VERSIONS,
        "models": {"language": context.language_identity, "quality": context.model_identities}
        | context.scoring_identities,
        "blocks": [block.identity() for block in context.blocks],
        # What lies in files that the recipe only names: other contents are another run.
        "files": {"the URL rules": context.url_identity}
        | ({"benchmarks": fingerprint(context.benchmarks)} if context.benchmarks else {}),
        "block_versions": library_versions(*LIBRARIES) if context.blocks else {},
        "engine": context.engine.facts(),
        "curation": manifest.curation if manifest else None,
        "steps": [dataclasses.asdict(report) for report in context.runner.reports],
    }
    data = json.dumps(facts, indent=1, ensure_ascii=False).encode() + b"\n"
    context.run.write_bytes("run.json", data)
