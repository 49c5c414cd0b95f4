"""Measure: from raw inputs to texts, their numbers, and each document at home in its range of ids."""

from __future__ import annotations

import dataclasses
from typing import Any

from hanji.curation.blocks.resolve import LIBRARIES
from hanji.curation.contamination import report as contamination_report
from hanji.curation.context import Context
from hanji.curation.decisions.ensembles import score_columns
from hanji.curation.delivery import receiving_units, release
from hanji.curation.repeating import remove_repeated_lines
from hanji.curation.report.reading import add
from hanji.curation.signals import morphemes as kiwi
from hanji.curation.signals.text import SIGNALS
from hanji.curation.sources.splits import Split, content_hashes
from hanji.curation.steps import blocks, contaminate, edit, gather, measure, morphemes, read, rewrite
from hanji.curation.steps.texts import SplitWork
from hanji.curation.versions import STEP_VERSIONS
from hanji.curation.work import Commit, Step, Unit, task_with
from hanji.errors import RunError
from hanji.fingerprint import fingerprint


class Measuring:
    """The stage over splits: reading, edits, verdicts, signals, scores; it ends with the documents gathered."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def read_step(self) -> Step:
        recipe = self.context.recipe
        settings = read.ReadSettings(
            recipe.urls, recipe.floor, recipe.text, recipe.language, self.context.sample
        )
        params = [
            self.context.url_identity,
            recipe.floor,
            # PII and line edits are made by a later step; a change there reads nothing again.
            recipe.text.model_dump(mode="json", exclude={"pii", "line_edits"}),
            self.context.language_identity,
            self.context.sample,
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
        sources = {source.name: source for source in self.context.recipe.sources}
        units = []
        hashes = content_hashes(splits) if self.context.recipe.verify_inputs else []
        for place, split in enumerate(splits):
            source = sources[split.source]
            identity: Any = split.identity()
            if hashes:
                identity = [identity, hashes[place]]
            inputs = [identity, source.model_dump(mode="json", exclude={"paths", "max_failed_share"})]
            units.append(Unit(split.name, inputs, (split, source)))
        return units

    def rewrite_step(self) -> Step:
        size = self.context.recipe.split_bytes
        return Step("rewrite", STEP_VERSIONS["rewrite"], task_with(rewrite.rewrite_file, size), size)

    def rewrite_units(self, splits: list[Split]) -> list[Unit]:
        """A unit for each file that is first rewritten, named as its split is."""
        large = [split for split in splits if rewrite.is_rewritten(split, self.context.recipe.rewrite_bytes)]
        hashes = content_hashes(large) if self.context.recipe.verify_inputs else [None] * len(large)
        return [
            Unit(split.name, [split.identity(), content], split)
            for split, content in zip(large, hashes, strict=True)
        ]

    def _rewritten(self, splits: list[Split]) -> list[Split]:
        """The splits, with those of large compressed files replaced by their pieces."""
        units = self.rewrite_units(splits)
        if not units:
            return splits
        commits = {commit.unit: commit for commit in self.context.runner.map(self.rewrite_step(), units)}
        return rewrite.with_pieces(splits, commits, self.context.run)

    def read(self, splits: list[Split]) -> list[Commit]:
        splits = self._rewritten(splits)
        reads = self.context.runner.map(self.read_step(), self.read_units(splits))
        for source, records in self._check_failures(reads, "records"):
            if records == 0:
                self.context.warnings.append(f"source {source} yielded no record")
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
        own = {source.name: source.max_failed_share for source in self.context.recipe.sources}
        for source, (records, failed) in sorted(totals.items()):
            allowed = own[source]
            if allowed is None:
                allowed = self.context.recipe.max_failed_share
            if failed > allowed * records:
                reasons = ", ".join(
                    f"{reason} × {count}" for reason, count in sorted(failures[source].items())
                )
                raise RunError(
                    f"source {source}: {failed} of {records} {what} failed ({reasons}), more than "
                    f"max_failed_share {allowed:g}; "
                    f"`hanji why {self.context.recipe.run} PATH` tells which, "
                    f"or raise sources.{source}.max_failed_share"
                )
        return [(source, records) for source, (records, _) in sorted(totals.items())]

    def measure(self, reads: list[Commit]) -> list[Commit]:
        works = [SplitWork(read=commit) for commit in reads]
        text = self.context.recipe.text
        edit_step = Step(
            "edit",
            STEP_VERSIONS["edit"],
            task_with(edit.edit_split, text),
            [text.line_edits, text.pii],
            keeps_books=True,
        )
        edits = self.context.runner.map(edit_step, split_units(works))
        for commit, edited in zip(reads, edits, strict=True):
            add(self.context.edits, {commit.info["source"]: edited.info["edits"]})
        works = [dataclasses.replace(w, edit=e) for w, e in zip(works, edits, strict=True)]
        if self.context.recipe.dedup.lines.enabled:
            works = remove_repeated_lines(self.context, works, split_units(works))
        if self.context.blocks:
            works = self._ask_blocks(works)
        works = self._decontaminate(works)
        measure_step = Step("measure", STEP_VERSIONS["measure"], measure.measure_split, sorted(SIGNALS))
        # A verdict changes no text: what measures and scores texts does not run again for one.
        text_units = split_units(works, verdicts=False)
        signals = self.context.runner.map(measure_step, text_units)
        scored: list[Commit | None] = [None] * len(works)
        others = self.context.scoring
        placed = others.placed()
        columns_of_scores = [*score_columns(self.context.models), *others.columns()]
        if self.context.models or others:
            score_step = Step(
                "score",
                STEP_VERSIONS["score"],
                task_with(measure.score_split, dict(self.context.models), columns_of_scores, others),
                [self.context.model_identities, self.context.scoring_identities]
                if others
                else self.context.model_identities,
                ("fasttext", *others.libraries()),
            )
            scored = list(self.context.runner.map(score_step, text_units))
        counted: list[Commit | None] = [None] * len(works)
        if self.context.morphemes:
            morpheme_step = Step(
                "morphemes",
                STEP_VERSIONS["morphemes"],
                morphemes.morpheme_split,
                [kiwi.MODEL, sorted(kiwi.COLUMNS)],
                kiwi.LIBRARIES,
            )
            counted = list(self.context.runner.map(morpheme_step, text_units))
            self._tell_unread(counted)
        works = [
            dataclasses.replace(w, signals=s, score=q, morphemes=m)
            for w, s, q, m in zip(works, signals, scored, counted, strict=True)
        ]
        partitions = self.context.partitions
        send_step = Step(
            "gather-send",
            STEP_VERSIONS["gather"],
            task_with(gather.send_split, partitions, columns_of_scores, placed),
            [partitions, columns_of_scores, placed.min_probability if placed else None]
            if columns_of_scores
            else partitions,
        )
        sent = self.context.runner.map(send_step, split_units(works))
        gathered_texts = receiving_units(self.context.runner, "gather", sent, "text", partitions)
        units = receiving_units(
            self.context.runner,
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
            task_with(gather.receive_partition, self.context.morphemes, columns_of_scores),
            [self.context.morphemes, columns_of_scores] if columns_of_scores else self.context.morphemes,
        )
        gathered = self.context.runner.map(gather_step, units)
        release(self.context.runner, sent, "facts", "text")
        return gathered

    def _tell_unread(self, counted: list[Commit | None]) -> None:
        unread = sum(commit.info["unread"] for commit in counted if commit is not None)
        if unread:
            self.context.warnings.append(
                f"{unread} Korean documents are longer than the {kiwi.MAX_CHARACTERS} characters that Kiwi is "
                "given: their words are those between spaces"
            )

    def _ask_blocks(self, works: list[SplitWork]) -> list[SplitWork]:
        identity = [block.identity() for block in self.context.blocks]
        settings = blocks.BlockSettings(
            blocks=self.context.recipe.blocks,
            languages=self.context.recipe.floor.languages,
            lid=self.context.recipe.language.model,
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
        asked = self.context.runner.map(step, split_units(works))
        self._check_failures(asked, "documents")
        return [dataclasses.replace(w, blocks=b) for w, b in zip(works, asked, strict=True)]

    def _decontaminate(self, works: list[SplitWork]) -> list[SplitWork]:
        """Look for benchmarks in the texts, where the recipe asks for it."""
        settings = self.context.recipe.contamination
        if settings is None:
            return works
        version = STEP_VERSIONS["contaminate"]
        index_step = Step(
            "benchmarks",
            version,
            task_with(contaminate.index_benchmarks, settings, self.context.recipe.text.normalise),
            [settings.ngrams, self.context.recipe.text.normalise],
        )
        (indexed,) = self.context.runner.map(index_step, [Unit("all", self.context.benchmarks, None)])
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
        found = self.context.runner.map(step, split_units(works))
        for work, commit in zip(works, found, strict=True):
            add(self.context.edits, {work.read.info["source"]: commit.info["edits"]})
        self.context.contamination = contamination_report.merge(
            indexed.info["benchmarks"], [commit.info["contamination"] for commit in found]
        )
        for name, one in self.context.contamination.items():
            if one["unchecked"] > one["items"] / 2:
                self.context.warnings.append(
                    f"benchmark {name}: {one['unchecked']} of {one['items']} items are too short to be looked for, "
                    "or stand in the allow-list"
                )
        return [dataclasses.replace(w, contaminate=c) for w, c in zip(works, found, strict=True)]


def split_units(works: list[SplitWork], *, verdicts: bool = True) -> list[Unit]:
    """A unit for each split, keyed by what the steps before wrote of it, with or without their verdicts."""
    units = []
    for work in works:
        commits = [work.read, work.edit, work.repeated, work.blocks, work.contaminate]
        commits += [work.signals, work.score, work.morphemes]
        inputs = [commit.content() for commit in commits if commit is not None]
        if not verdicts:
            inputs = [{name: sha for name, sha in one.items() if name != "verdicts"} for one in inputs]
        units.append(Unit(work.read.unit, inputs, work))
    return units
