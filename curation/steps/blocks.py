"""Blocks: the recipe's datatrove filters and formatters over the edited texts of a split.

Their changes are further rows in edits/, their verdicts rows in verdicts/, keyed by document. A document
that has a verdict already is not shown to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pyarrow.compute as pc

from hanji.curation.blocks.chain import Answer, Chain, Question
from hanji.curation.blocks.resolve import resolve
from hanji.curation.recipe import Block, Language
from hanji.curation.records import EDITS, Edit, edits_table
from hanji.curation.steps.texts import SplitWork, groups, split_verdicts
from hanji.curation.verdicts import Verdict, verdicts_table
from hanji.curation.work import Attempt, Outcome
from hanji.recipe import Settings

VERSION = 1
_COLUMNS = ("source", "url", "date", "title", "domain", "path", "language_score")


class BlockSettings(Settings):
    """What the blocks are built from in every worker; ``identity`` is the fingerprint of what they are."""

    blocks: list[Block]
    languages: list[Language]
    lid: str
    identity: str


def block_split(attempt: Attempt, work: SplitWork, settings: BlockSettings) -> Outcome:
    """Write edits and verdicts of one split; keeps books of the documents that had no verdict before."""
    before = split_verdicts(attempt.run, work)
    chain = _chain(settings.model_dump_json())
    tally = _Tally()
    verdicts: dict[str, Verdict] = {}
    sizes: list[int] = []
    with attempt.table_writer("edits", "edits", EDITS) as writer:
        for place, group in enumerate(groups(attempt.run, work, _COLUMNS)):
            read = group.documents.filter(pc.equal(group.documents["status"], "read"))
            rows = [row for row in read.to_pylist() if row["id"] not in before]
            questions: dict[str, Question] = {}
            for row in rows:
                if row["id"] not in questions:
                    questions[row["id"]] = _question(row, group.edits.get(row["id"], []))
            answers = dict(zip(questions, chain.ask(list(questions.values()), again=place == 0), strict=True))
            made = [(identity, edit) for identity, answer in answers.items() for edit in answer.edits]
            for identity, answer in answers.items():
                if answer.verdict is not None:
                    verdicts.setdefault(identity, answer.verdict)
            tally.add([row["id"] for row in rows], answers)
            sizes.append(len(made))
            writer.write(edits_table(made))
    attempt.write_table("verdicts", "verdicts", verdicts_table(verdicts.items()))
    info = {"source": work.read.info["source"], "failures": tally.failures, "groups": sizes}
    return Outcome(tally.counts, info)


def _question(row: dict[str, Any], edits: Sequence[Edit]) -> Question:
    """What datatrove's readers would put in metadata, as far as it is known."""
    names = {"path": "file_path"}
    metadata = {
        names.get(name, name): value
        for name, value in row.items()
        if name not in ("id", "text", "status") and value is not None
    }
    return Question(row["id"], row["language"], row["text"], edits, metadata)


@lru_cache(maxsize=1)
def _chain(settings: str) -> Chain:
    """The chain of these settings (JSON), built once a process."""
    parsed = BlockSettings.model_validate_json(settings)
    return Chain(resolve(parsed.blocks, parsed.languages, parsed.lid, prepared=True))


class _Tally:
    """The books of a split."""

    def __init__(self) -> None:
        self.counts = {"in": 0, "kept": 0, "dropped": 0, "failed": 0}
        self.failures: dict[str, int] = {}

    def add(self, ids: Sequence[str], answers: dict[str, Answer]) -> None:
        self.counts["in"] += len(ids)
        for identity in ids:
            verdict = answers[identity].verdict
            self.counts["kept" if verdict is None else verdict.status] += 1
            if verdict is not None and verdict.status == "failed":
                self.failures[verdict.rule] = self.failures.get(verdict.rule, 0) + 1
