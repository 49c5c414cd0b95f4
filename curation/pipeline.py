"""The one place that knows the order of the steps: measure → relate → decide → write.

Each stage below asks the runner for a step over units and gets commits back. What a unit depends on is in
its key, so a run that was stopped, or whose recipe changed, does again only what is missing or depends on
the change.
"""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

from hanji import __version__
from hanji.classifiers.language import LanguageIdentifier
from hanji.classifiers.quality import QualityScorer
from hanji.curation.blocks.resolve import LIBRARIES, resolve
from hanji.curation.contamination import benchmarks
from hanji.curation.contamination import report as contamination_report
from hanji.curation.contamination.index import Lengths
from hanji.curation.decisions.rules import Rule, load_rules
from hanji.curation.decisions.tiers import SCALE, TierThresholds, merge_histograms, thresholds
from hanji.curation.engines.base import Engine
from hanji.curation.engines.choice import make_engine
from hanji.curation.exchange import receiving_units
from hanji.curation.recipe import CurationRecipe, Language
from hanji.curation.report.histograms import EDGES
from hanji.curation.report.metrics import finish, merge
from hanji.curation.report.page import write_report
from hanji.curation.report.reading import Reading, add
from hanji.curation.shards.tokenizer import tokenizer_facts
from hanji.curation.signals import morphemes as kiwi
from hanji.curation.signals import ratios
from hanji.curation.signals.text import SIGNALS
from hanji.curation.sources.splits import Split, content_hashes, plan_splits
from hanji.curation.sources.urls import UrlRules
from hanji.curation.steps import (
    blocks,
    cluster,
    contaminate,
    decide,
    edit,
    gather,
    measure,
    morphemes,
    read,
    relate,
    rewrite,
    summarise,
)
from hanji.curation.steps.texts import SplitWork
from hanji.curation.summary import CurationSummary, Plan
from hanji.curation.versions import STEP_VERSIONS
from hanji.curation.work import Commit, Runner, Step, Unit, task_with
from hanji.curation.writing import ShardWriting
from hanji.errors import ConservationError, InputError, RecipeError, RunError
from hanji.fingerprint import fingerprint, library_versions
from hanji.manifest import Manifest
from hanji.progress import Progress, SilentProgress
from hanji.storage import Storage

VALID_SALT = 1
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
    "ledger",
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
    pipeline = _Pipeline(recipe, _NoEngine(), SilentProgress(), sample)
    rewrites = pipeline.rewrite_units(splits)
    there = _done(pipeline, pipeline.rewrite_step(), rewrites)
    todo = [unit.work for unit in rewrites if unit.name not in there]
    splits = rewrite.with_pieces(splits, there, pipeline.run)
    done = _done(pipeline, pipeline.read_step(), pipeline.read_units(splits))
    return Plan(recipe.run, splits, sum(split.size for split in splits), len(done), todo)


def _done(pipeline: _Pipeline, step: Step, units: list[Unit]) -> dict[str, Commit]:
    """The commits that are there already, by unit."""
    commits = pipeline.runner.committed(step.name, [u.name for u in units], [step.key(u) for u in units])
    return {commit.unit: commit for commit in commits if commit is not None}


def curate(
    recipe: CurationRecipe,
    engine: Engine | None = None,
    *,
    sample: float = 1.0,
    progress: Progress | None = None,
) -> CurationSummary:
    """Run a recipe from raw inputs to tiered shards and a report.

    Raises RecipeError, InputError, ConservationError (books that do not balance) or RunError (too many
    failed documents; a task given up).
    """
    recipe = sampled(recipe, sample)
    owned = engine is None
    engine = engine or make_engine(recipe.engine)
    try:
        pipeline = _Pipeline(recipe, engine, progress or SilentProgress(), sample)
        with pipeline.run.locked():
            return pipeline.run_all()
    finally:
        if owned:
            engine.close()


def _model_identity(language: str, path: str) -> Any:
    try:
        return QualityScorer(path).identity()
    except InputError as error:
        raise RecipeError(
            f"quality.{language}: {error}; `hanji classifier train` makes one from labelled texts"
        ) from None


class _NoEngine:
    """Stands where an engine would, for planning: nothing is run."""

    name = "none"

    def run(self, task: Any, items: Any, resources: Any = None) -> Any:
        raise AssertionError("planning runs nothing")

    def facts(self) -> dict[str, Any]:
        return {}

    def close(self) -> None: ...


class _Pipeline:
    def __init__(self, recipe: CurationRecipe, engine: Engine, progress: Progress, sample: float) -> None:
        self.recipe = recipe
        self.engine = engine
        self.progress = progress
        self.sample = sample
        self.run = Storage(recipe.run)
        self.runner = Runner(self.run, engine, progress, recipe.engine.task_memory_bytes)
        self.warnings: list[str] = []
        self.edits: dict[str, dict[str, int]] = {}
        self.contamination: dict[str, dict[str, Any]] = {}
        # Everything that can be wrong with the recipe is found before the first task starts.
        self.rules: dict[Language, list[Rule]] = load_rules(recipe.rules)
        self.morphemes = morphemes.are_needed(self.rules)
        self.url_identity = UrlRules(recipe.urls).identity()
        self.language_identity = LanguageIdentifier(recipe.language).identity()
        self.blocks = resolve(recipe.blocks, recipe.floor.languages, recipe.language.model)
        self.models = dict(recipe.quality)
        self.model_identities = {
            language: _model_identity(language, path) for language, path in sorted(self.models.items())
        }
        self.benchmarks: list[Any] = []
        if recipe.contamination is not None:
            for ngrams in recipe.contamination.ngrams.values():
                Lengths.of(ngrams)
            self.benchmarks = [benchmarks.identity(one) for one in recipe.contamination.benchmarks]
            self.benchmarks += [benchmarks.identity(one) for one in recipe.contamination.allow]
        if recipe.shards.tokenizer.file is not None:
            tokenizer_facts(recipe.shards.tokenizer.file, recipe.shards.tokenizer.eod_token)

    # -- the whole run -----------------------------------------------------------------------------------

    def run_all(self) -> CurationSummary:
        started = time.perf_counter()
        self._write_run_json(finished=False)
        splits = plan_splits(self.recipe)
        reads = self._read(splits)
        gathered = self._measure(reads)
        edges, clusters = self._relate(gathered)
        ledger, tiers = self._decide(gathered, edges, clusters)
        self._check_books(reads, gathered, ledger)
        manifest, counts = ShardWriting(self.recipe, self.run, self.runner).write(gathered, ledger)
        metrics = self._report(reads, gathered, ledger, counts, tiers, manifest)
        self.runner.sweep(TABLES)
        seconds = time.perf_counter() - started
        self._write_run_json(finished=True, manifest=manifest, seconds=seconds)
        totals = {
            name: sum(commit.counts[name] for commit in ledger)
            for name in ("in", "kept", "dropped", "failed")
        }
        return CurationSummary(
            run=self.run.describe(),
            records=sum(commit.counts["in"] for commit in reads),
            documents=totals["in"],
            kept=totals["kept"],
            dropped=totals["dropped"],
            failed=totals["failed"],
            tokens=sum(component.tokens for component in manifest.components),
            components={f"{c.name}/{c.split}": (c.documents, c.tokens) for c in manifest.components},
            report_path=self.run.describe("report/index.html"),
            manifest_path=self.run.describe("shards/manifest.json"),
            seconds=seconds,
            units=sum(report.units for report in self.runner.reports),
            skipped=sum(report.skipped for report in self.runner.reports),
            warnings=list(metrics.get("warnings", [])),
        )

    # -- measure -----------------------------------------------------------------------------------------

    def read_step(self) -> Step:
        recipe = self.recipe
        settings = read.ReadSettings(recipe.urls, recipe.floor, recipe.text, recipe.language, self.sample)
        params = [
            self.url_identity,
            recipe.floor,
            # PII and line edits are made by a later step; a change there reads nothing again.
            recipe.text.model_dump(mode="json", exclude={"pii", "line_edits"}),
            self.language_identity,
            self.sample,
        ]
        return Step(
            "read",
            STEP_VERSIONS["read"],
            task_with(read.read_split, settings),
            params,
            ("isal", "brotli", "resiliparse", "trafilatura", "ftfy", "pyarrow"),
            keeps_books=True,
        )

    def read_units(self, splits: list[Split]) -> list[Unit]:
        sources = {source.name: source for source in self.recipe.sources}
        units = []
        hashes = content_hashes(splits) if self.recipe.verify_inputs else []
        for place, split in enumerate(splits):
            source = sources[split.source]
            identity: Any = split.identity()
            if hashes:
                identity = [identity, hashes[place]]
            inputs = [identity, source.model_dump(mode="json", exclude={"paths", "max_failed_share"})]
            units.append(Unit(split.name, inputs, (split, source)))
        return units

    def rewrite_step(self) -> Step:
        size = self.recipe.split_bytes
        return Step("rewrite", STEP_VERSIONS["rewrite"], task_with(rewrite.rewrite_file, size), size)

    def rewrite_units(self, splits: list[Split]) -> list[Unit]:
        """A unit for each file that is first rewritten, named as its split is."""
        large = [split for split in splits if rewrite.is_rewritten(split, self.recipe.rewrite_bytes)]
        hashes = content_hashes(large) if self.recipe.verify_inputs else [None] * len(large)
        return [
            Unit(split.name, [split.identity(), content], split)
            for split, content in zip(large, hashes, strict=True)
        ]

    def _rewritten(self, splits: list[Split]) -> list[Split]:
        """The splits, with those of large compressed files replaced by their pieces."""
        units = self.rewrite_units(splits)
        if not units:
            return splits
        commits = {commit.unit: commit for commit in self.runner.map(self.rewrite_step(), units)}
        return rewrite.with_pieces(splits, commits, self.run)

    def _read(self, splits: list[Split]) -> list[Commit]:
        splits = self._rewritten(splits)
        reads = self.runner.map(self.read_step(), self.read_units(splits))
        for source, records in self._check_failures(reads, "records"):
            if records == 0:
                self.warnings.append(f"source {source} yielded no record")
        return reads

    def _check_failures(self, commits: list[Commit], what: str) -> list[tuple[str, int]]:
        """(source, how many came in), of a step over splits. Raises RunError where too many of one failed."""
        totals: dict[str, list[int]] = {}
        failures: dict[str, dict[str, int]] = {}
        for commit in commits:
            total = totals.setdefault(commit.info["source"], [0, 0])
            total[0] += commit.counts["in"]
            total[1] += commit.counts["failed"]
            for reason, count in commit.info["failures"].items():
                of_source = failures.setdefault(commit.info["source"], {})
                of_source[reason] = of_source.get(reason, 0) + count
        own = {source.name: source.max_failed_share for source in self.recipe.sources}
        for source, (records, failed) in sorted(totals.items()):
            allowed = own[source]
            if allowed is None:
                allowed = self.recipe.max_failed_share
            if failed > allowed * records:
                reasons = ", ".join(
                    f"{reason} × {count}" for reason, count in sorted(failures[source].items())
                )
                raise RunError(
                    f"source {source}: {failed} of {records} {what} failed ({reasons}), more than "
                    f"max_failed_share {allowed:g}; "
                    f"`hanji why {self.recipe.run} PATH` tells which, "
                    f"or raise sources.{source}.max_failed_share"
                )
        return [(source, records) for source, (records, _) in sorted(totals.items())]

    def _measure(self, reads: list[Commit]) -> list[Commit]:
        works = [SplitWork(read=commit) for commit in reads]
        text = self.recipe.text
        edit_step = Step(
            "edit",
            STEP_VERSIONS["edit"],
            task_with(edit.edit_split, text),
            [text.line_edits, text.pii],
            keeps_books=True,
        )
        edits = self.runner.map(edit_step, _split_units(works))
        for commit, edited in zip(reads, edits, strict=True):
            add(self.edits, {commit.info["source"]: edited.info["edits"]})
        works = [dataclasses.replace(w, edit=e) for w, e in zip(works, edits, strict=True)]
        if self.blocks:
            works = self._ask_blocks(works)
        works = self._decontaminate(works)
        measure_step = Step("measure", STEP_VERSIONS["measure"], measure.measure_split, sorted(SIGNALS))
        # A verdict changes no text: what measures and scores texts does not run again for one.
        text_units = _split_units(works, verdicts=False)
        signals = self.runner.map(measure_step, text_units)
        scored: list[Commit | None] = [None] * len(works)
        if self.models:
            score_step = Step(
                "score",
                STEP_VERSIONS["score"],
                task_with(measure.score_split, dict(self.models)),
                self.model_identities,
                ("fasttext",),
            )
            scored = list(self.runner.map(score_step, text_units))
        counted: list[Commit | None] = [None] * len(works)
        if self.morphemes:
            morpheme_step = Step(
                "morphemes",
                STEP_VERSIONS["morphemes"],
                morphemes.morpheme_split,
                [kiwi.MODEL, sorted(kiwi.COLUMNS)],
                kiwi.LIBRARIES,
            )
            counted = list(self.runner.map(morpheme_step, text_units))
            self._tell_unread(counted)
        works = [
            dataclasses.replace(w, signals=s, score=q, morphemes=m)
            for w, s, q, m in zip(works, signals, scored, counted, strict=True)
        ]
        partitions = self.recipe.partitions
        send_step = Step(
            "gather-send", STEP_VERSIONS["gather"], task_with(gather.send_split, partitions), partitions
        )
        sent = self.runner.map(send_step, _split_units(works))
        gathered_texts = receiving_units(self.runner, "gather", sent, "text", partitions)
        units = receiving_units(
            self.runner,
            "gather",
            sent,
            "facts",
            partitions,
            extra=[unit.inputs for unit in gathered_texts],
            works=[unit.work[1] for unit in gathered_texts],
        )
        gather_step = Step(
            "gather",
            STEP_VERSIONS["gather"],
            task_with(gather.receive_partition, self.morphemes),
            self.morphemes,
        )
        return self.runner.map(gather_step, units)

    def _tell_unread(self, counted: list[Commit | None]) -> None:
        unread = sum(commit.info["unread"] for commit in counted if commit is not None)
        if unread:
            self.warnings.append(
                f"{unread} Korean documents are longer than the {kiwi.MAX_CHARACTERS} characters that Kiwi is "
                "given: their words are those between spaces"
            )

    def _ask_blocks(self, works: list[SplitWork]) -> list[SplitWork]:
        identity = [block.identity() for block in self.blocks]
        settings = blocks.BlockSettings(
            blocks=self.recipe.blocks,
            languages=self.recipe.floor.languages,
            lid=self.recipe.language.model,
            identity=fingerprint(identity),
        )
        step = Step(
            "blocks",
            STEP_VERSIONS["blocks"],
            task_with(blocks.block_split, settings),
            identity,
            LIBRARIES,
            keeps_books=True,
        )
        asked = self.runner.map(step, _split_units(works))
        self._check_failures(asked, "documents")
        return [dataclasses.replace(w, blocks=b) for w, b in zip(works, asked, strict=True)]

    def _decontaminate(self, works: list[SplitWork]) -> list[SplitWork]:
        """Look for benchmarks in the texts, where the recipe asks for it."""
        settings = self.recipe.contamination
        if settings is None:
            return works
        version = STEP_VERSIONS["contaminate"]
        index_step = Step(
            "benchmarks",
            version,
            task_with(contaminate.index_benchmarks, settings, self.recipe.text.normalise),
            [settings.ngrams, self.recipe.text.normalise],
        )
        (indexed,) = self.runner.map(index_step, [Unit("all", self.benchmarks, None)])
        step = Step(
            "contaminate",
            version,
            task_with(contaminate.contaminate_split, settings, indexed),
            [
                indexed.content(),
                settings.min_share,
                settings.action,
                settings.replacement,
                {b.name: [b.min_share, b.action] for b in settings.benchmarks},
            ],
            keeps_books=True,
        )
        found = self.runner.map(step, _split_units(works))
        for work, commit in zip(works, found, strict=True):
            add(self.edits, {work.read.info["source"]: commit.info["edits"]})
        self.contamination = contamination_report.merge(
            indexed.info["benchmarks"], [commit.info["contamination"] for commit in found]
        )
        for name, one in self.contamination.items():
            if one["unchecked"] > one["items"] / 2:
                self.warnings.append(
                    f"benchmark {name}: {one['unchecked']} of {one['items']} items are too short to be looked for, "
                    "or stand in the allow-list"
                )
        return [dataclasses.replace(w, contaminate=c) for w, c in zip(works, found, strict=True)]

    # -- relate ------------------------------------------------------------------------------------------

    def _relate(self, gathered: list[Commit]) -> tuple[list[Commit], list[Commit]]:
        dedup, partitions = self.recipe.dedup, self.recipe.partitions
        version = STEP_VERSIONS["relate"]
        params = [dedup.exact, dedup.minhash, partitions]
        sign_step = Step("sign", version, task_with(relate.sign, dedup, partitions), params)
        texts_only = [commit.files["text"].sha256 for commit in gathered]
        signed = self.runner.map(
            sign_step,
            [Unit(c.unit, sha, c) for c, sha in zip(gathered, texts_only, strict=True)],
        )
        pair_step = Step("pair", version, task_with(relate.pair, partitions), partitions)
        paired = self.runner.map(
            pair_step, receiving_units(self.runner, "pair", signed, "buckets", partitions)
        )
        attach_step = Step("attach", version, task_with(relate.attach, partitions), partitions)
        attached = self.runner.map(
            attach_step,
            receiving_units(
                self.runner, "attach", paired, "pairs", partitions, extra=texts_only, works=gathered
            ),
        )
        text_units = receiving_units(self.runner, "verify", attached, "texts", partitions)
        verify_step = Step(
            "verify", version, task_with(relate.verify, dedup.minhash), [dedup.minhash, partitions]
        )
        edges = self.runner.map(
            verify_step,
            receiving_units(
                self.runner,
                "verify",
                attached,
                "pairs",
                partitions,
                extra=[[unit.inputs, sha] for unit, sha in zip(text_units, texts_only, strict=True)],
                works=[(u.work[1], home) for u, home in zip(text_units, gathered, strict=True)],
            ),
        )
        return edges, cluster.components(self.runner, edges, partitions)

    # -- decide ------------------------------------------------------------------------------------------

    def _decide(
        self, gathered: list[Commit], edges: list[Commit], clusters: list[Commit]
    ) -> tuple[list[Commit], dict[str, TierThresholds]]:
        recipe, partitions, version = self.recipe, self.recipe.partitions, STEP_VERSIONS["decide"]
        homes = [decide.Home(g, c, e) for g, c, e in zip(gathered, clusters, edges, strict=True)]
        judge_step = Step(
            "judge",
            version,
            task_with(decide.judge_partition, self.rules, partitions),
            [_rule_facts(self.rules), partitions, ratios.identity()],
        )
        judged = self.runner.map(judge_step, [Unit(h.gathered.unit, h.content(), h) for h in homes])
        edge_units = receiving_units(self.runner, "survive", judged, "edges", partitions)
        survive_step = Step(
            "survive",
            version,
            task_with(decide.survive, recipe.dedup.minhash, partitions),
            [recipe.dedup.minhash, partitions],
        )
        fates = self.runner.map(
            survive_step,
            [
                Unit(unit.name, unit.inputs, (unit.work[0], unit.work[1], edges_here.work[1]))
                for unit, edges_here in zip(
                    receiving_units(
                        self.runner,
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
            task_with(decide.settle, recipe.dedup.minhash, recipe.shards.valid_share),
            [recipe.dedup.minhash, recipe.shards.valid_share, VALID_SALT],
            keeps_books=True,
        )
        settled = self.runner.map(
            settle_step,
            receiving_units(
                self.runner,
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
            if language not in self.models and len(recipe.tiers) > 1:
                self.warnings.append(
                    f"no quality classifier for {language} (quality.{language}): "
                    f"all of it is in the tier {recipe.tiers[-1].name}"
                )
        ledger_step = Step(
            "ledger",
            version,
            task_with(decide.write_ledger, tiers),
            {language: dataclasses.asdict(cut) for language, cut in tiers.items()},
            keeps_books=True,
        )
        ledger = self.runner.map(ledger_step, [Unit(c.unit, c.content(), c) for c in settled])
        return ledger, tiers

    def _check_books(self, reads: list[Commit], gathered: list[Commit], ledger: list[Commit]) -> None:
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

    # -- report ------------------------------------------------------------------------------------------

    def _report(
        self,
        reads: list[Commit],
        gathered: list[Commit],
        ledger: list[Commit],
        counts: list[Commit],
        tiers: dict[str, TierThresholds],
        manifest: Manifest,
    ) -> dict[str, Any]:
        step = Step(
            "summarise",
            STEP_VERSIONS["report"],
            task_with(summarise.summarise_partition, self.rules),
            [_rule_facts(self.rules), ratios.identity(), EDGES],
        )
        units = [
            Unit(g.unit, [g.content(), row.content(), t.files["counts"].sha256], (g, row, t))
            for g, row, t in zip(gathered, ledger, counts, strict=True)
        ]
        partials = [commit.info["partial"] for commit in self.runner.map(step, units)]
        skipped: dict[str, dict[str, int]] = {}
        for commit in reads:
            of_source = skipped.setdefault(commit.info["source"], {})
            for reason, count in commit.info["skipped"].items():
                of_source[reason] = of_source.get(reason, 0) + count
        reading: dict[str, Reading] = {}
        for commit in reads:
            add(reading.setdefault(commit.info["source"], {}), commit.info["reading"])
        merged = merge(partials)
        facts: dict[str, Any] = {
            "name": self.recipe.name,
            "reading": reading,
            "edits": self.edits,
            "recipe": self.recipe.model_dump(mode="json"),
            "steps": [dataclasses.asdict(report) for report in self.runner.reports],
            "skipped_records": skipped,
            "tier_thresholds": {
                language: {n: m / SCALE for n, m in zip(cut.names, cut.minimum, strict=True)}
                for language, cut in tiers.items()
            },
            "rules_applied": {
                language: [dataclasses.asdict(rule) for rule in rules]
                for language, rules in self.rules.items()
            },
            "manifest": manifest.model_dump(mode="json"),
            "versions": _versions(),
            "engine": self.engine.facts(),
            "warnings": self.warnings,
        }
        if self.contamination:
            facts["contamination"] = self.contamination
        metrics = finish(merged, facts)
        write_report(self.run, metrics)
        return metrics

    def _write_run_json(
        self, *, finished: bool, manifest: Manifest | None = None, seconds: float | None = None
    ) -> None:
        facts = {
            "recipe": self.recipe.model_dump(mode="json"),
            "sample": self.sample,
            "finished": finished,
            "seconds": None if seconds is None else round(seconds, 1),
            "versions": _versions(),
            "step_versions": STEP_VERSIONS,
            "models": {"language": self.language_identity, "quality": self.model_identities},
            "blocks": [block.identity() for block in self.blocks],
            "block_versions": library_versions(*LIBRARIES) if self.blocks else {},
            "engine": self.engine.facts(),
            "curation": manifest.curation if manifest else None,
            "steps": [dataclasses.asdict(report) for report in self.runner.reports],
        }
        data = json.dumps(facts, indent=1, ensure_ascii=False).encode() + b"\n"
        self.run.write_bytes("run.json", data)


def _split_units(works: list[SplitWork], *, verdicts: bool = True) -> list[Unit]:
    units = []
    for work in works:
        commits = [work.read, work.edit, work.blocks, work.contaminate]
        commits += [work.signals, work.score, work.morphemes]
        inputs = [commit.content() for commit in commits if commit is not None]
        if not verdicts:
            inputs = [{name: sha for name, sha in one.items() if name != "verdicts"} for one in inputs]
        units.append(Unit(work.read.unit, inputs, work))
    return units


def _rule_facts(rules: dict[Language, list[Rule]]) -> dict[str, Any]:
    return {language: [dataclasses.asdict(rule) for rule in some] for language, some in rules.items()}


def _versions() -> dict[str, str]:
    names = ("pyarrow", "numpy", "numba", "isal", "resiliparse", "trafilatura", "fasttext", "tokenizers")
    return {"hanji": __version__} | library_versions(*names, "gigatoken", "ray", "kiwipiepy")
