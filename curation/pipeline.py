"""The one place that knows the order of the stages: measure → relate → decide → write, and the report.

Each stage asks the runner for steps over units and gets commits back. What a unit depends on is in its key,
so a run that was stopped, or whose recipe changed, does again only what is missing or depends on the change.
"""

from __future__ import annotations

import time
from typing import Any

from hanji.curation import reporting
from hanji.curation.context import Context
from hanji.curation.deciding import decide
from hanji.curation.engines.base import Engine
from hanji.curation.engines.choice import make_engine
from hanji.curation.measuring import Measuring
from hanji.curation.recipe import CurationRecipe
from hanji.curation.relating import relate
from hanji.curation.sources.splits import plan_splits
from hanji.curation.steps import rewrite
from hanji.curation.summary import CurationSummary, Plan
from hanji.curation.work import Commit, ForgottenError, Runner, Step, Unit
from hanji.curation.writing import ShardWriting
from hanji.errors import ConservationError, RunError, UnreadableError
from hanji.progress import Progress, SilentProgress

# How many damaged files one start makes again before it gives up.
HEALINGS = 20
# What a finished run is swept of: leftovers of earlier recipes in the same directory.
TABLES = (
    "rewritten",
    "documents",
    "edits",
    "verdicts",
    "signals",
    "gathered",
    "contamination",
    "relations",
    "decisions",
    "takedown/named",
    "takedown/twins",
    "ledger",
    "tokenizer",
    "tokens",
    "exchange",
)


def sampled(recipe: CurationRecipe, share: float) -> CurationRecipe:
    """The recipe with a run directory of its own for a sample, so that the full run stays untouched."""
    return recipe if share >= 1.0 else recipe.model_copy(update={"run": f"{recipe.run}-sample-{share:g}"})


def plan(recipe: CurationRecipe, sample: float = 1.0) -> Plan:
    """Splits, bytes and what of the reading is done; reads no input. Raises InputError for missing paths."""
    recipe = sampled(recipe, sample)
    splits = plan_splits(recipe)
    context = Context(recipe, _NoEngine(), SilentProgress(), sample)
    measuring = Measuring(context)
    rewrites = measuring.rewrite_units(splits)
    there = _done(context.runner, measuring.rewrite_step(), rewrites)
    todo = [unit.work for unit in rewrites if unit.name not in there]
    splits = rewrite.with_pieces(splits, there, context.run)
    done = _done(context.runner, measuring.read_step(), measuring.read_units(splits))
    return Plan(recipe.run, splits, sum(split.size for split in splits), len(done), todo)


def _done(runner: Runner, step: Step, units: list[Unit]) -> dict[str, Commit]:
    """The commits that are there already, by unit."""
    commits = runner.committed(step.name, [u.name for u in units], [step.key(u) for u in units])
    return {commit.unit: commit for commit in commits if commit is not None}


def curate(
    recipe: CurationRecipe,
    engine: Engine | None = None,
    *,
    sample: float = 1.0,
    progress: Progress | None = None,
    verify: bool = False,
) -> CurationSummary:
    """Run a recipe from raw inputs to tiered shards and a report.

    What an earlier start finished is not done again; ``verify`` reads all of its files and compares them with
    the hashes in the commit records first. A file of the run that turns out to be gone or damaged is made
    again, up to HEALINGS times, and the summary's warnings say so.

    Raises RecipeError, InputError, ConservationError (books that do not balance) or RunError (too many
    failed documents; a task given up; trouble of the machine).
    """
    recipe = sampled(recipe, sample)
    owned = engine is None
    engine = engine or make_engine(recipe.engine)
    try:
        context = Context(recipe, engine, progress or SilentProgress(), sample)
        with context.run.locked() as still_ours:
            made_again: list[str] = []
            while True:
                context.runner.verify, context.runner.still_ours = verify, still_ours
                context.warnings += made_again
                try:
                    return _run(context)
                except (ForgottenError, UnreadableError) as error:
                    lost = error if isinstance(error, ForgottenError) else context.runner.forget(error)
                    if not isinstance(lost, ForgottenError):
                        raise
                    if len(made_again) == HEALINGS:
                        raise lost from error
                    made_again.append(f"{lost.why}: made again by the step {lost.step}")
                    context = Context(recipe, engine, context.progress, sample)
    except BrokenPipeError:  # whoever read our output has gone
        raise
    except OSError as error:
        raise RunError(
            f"trouble of the machine: {error}; what was finished is kept, and the same command goes on from there"
        ) from error
    finally:
        if owned:
            engine.close()


class _NoEngine:
    """Stands where an engine would, for planning: nothing is run."""

    name = "none"

    def run(self, task: Any, items: Any, resources: Any = None) -> Any:
        raise AssertionError("planning runs nothing")

    def facts(self) -> dict[str, Any]:
        return {}

    def close(self) -> None: ...


def _run(context: Context) -> CurationSummary:
    started = time.perf_counter()
    reporting.write_run_json(context, finished=False)
    splits = plan_splits(context.recipe)
    measuring = Measuring(context)
    reads = measuring.read(splits)
    context.settle_partitions(reads)
    gathered = measuring.measure(reads)
    edges, clusters = relate(context, gathered)
    writing = ShardWriting(context.recipe, context.run, context.runner, context.takedown)
    ledger, tiers = decide(context, gathered, edges, clusters, writing.count_tokens)
    _check_books(reads, gathered, ledger)
    manifest, counts = writing.write(gathered, ledger)
    metrics = reporting.report(context, reads, gathered, ledger, counts, tiers, manifest)
    context.runner.sweep(TABLES)
    context.run.sync()
    seconds = time.perf_counter() - started
    reporting.write_run_json(context, finished=True, manifest=manifest, seconds=seconds)
    totals = {
        name: sum(commit.counts[name] for commit in ledger) for name in ("in", "kept", "dropped", "failed")
    }
    return CurationSummary(
        run=context.run.describe(),
        records=sum(commit.counts["in"] for commit in reads),
        documents=totals["in"],
        kept=totals["kept"],
        dropped=totals["dropped"],
        failed=totals["failed"],
        tokens=sum(component.tokens for component in manifest.components),
        components={f"{c.name}/{c.split}": (c.documents, c.tokens) for c in manifest.components},
        report_path=context.run.describe("report/index.html"),
        manifest_path=context.run.describe("shards/manifest.json"),
        seconds=seconds,
        units=sum(report.units for report in context.runner.reports),
        skipped=sum(report.skipped for report in context.runner.reports),
        warnings=list(metrics.get("warnings", [])),
    )


def _check_books(reads: list[Commit], gathered: list[Commit], ledger: list[Commit]) -> None:
    """Every record that was read is in the ledger: once as a document, or as one of its occurrences."""
    records = sum(commit.counts["in"] for commit in reads)
    at_home = sum(commit.info["records"] for commit in gathered)
    documents = sum(commit.info["documents"] for commit in gathered)
    rows = sum(commit.counts["in"] for commit in ledger)
    if not (records == at_home and documents == rows):
        raise ConservationError(
            f"{records} records were read, {at_home} reached the ledger's partitions; "
            f"{documents} documents there, {rows} ledger rows"
        )
