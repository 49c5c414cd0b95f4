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
from hanji.curation.records import Edit, edits_table
from hanji.curation.steps.texts import SplitWork, read_documents, split_edits, split_verdicts
from hanji.curation.verdicts import verdicts_table
from hanji.curation.work import Attempt, Outcome
from hanji.recipe import Settings

VERSION = 1
_COLUMNS = ("id", "status", "language", "text", *("source", "url", "date", "title", "domain", "path"))


class BlockSettings(Settings):
    """What the blocks are built from in every worker; ``identity`` is the fingerprint of what they are."""

    blocks: list[Block]
    languages: list[Language]
    lid: str
    identity: str


def block_split(attempt: Attempt, work: SplitWork, settings: BlockSettings) -> Outcome:
    """Write edits and verdicts of one split; keeps books of the documents that had no verdict before."""
    run = attempt.run
    documents = read_documents(run, work.read, [*_COLUMNS, "language_score"])
    documents = documents.filter(pc.equal(documents["status"], "read"))
    before, edits = split_verdicts(run, work), split_edits(run, work)
    questions: dict[str, Question] = {}
    ids = [identity for identity in documents["id"].to_pylist() if identity not in before]
    for row in documents.to_pylist():
        if row["id"] not in before and row["id"] not in questions:
            questions[row["id"]] = _question(row, edits.get(row["id"], []))
    chain = _chain(settings.model_dump_json())
    answers = dict(zip(questions, chain.ask(list(questions.values())), strict=True))
    rows = [(identity, edit) for identity, answer in answers.items() for edit in answer.edits]
    verdicts = [(i, answer.verdict) for i, answer in answers.items() if answer.verdict is not None]
    attempt.write_table("edits", "edits", edits_table(rows))
    attempt.write_table("verdicts", "verdicts", verdicts_table(verdicts))
    return _outcome(ids, answers, work.read.info["source"])


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


def _outcome(ids: Sequence[str], answers: dict[str, Answer], source: str) -> Outcome:
    counts = {"in": len(ids), "kept": 0, "dropped": 0, "failed": 0}
    failures: dict[str, int] = {}
    for identity in ids:
        verdict = answers[identity].verdict
        counts["kept" if verdict is None else verdict.status] += 1
        if verdict is not None and verdict.status == "failed":
            failures[verdict.rule] = failures.get(verdict.rule, 0) + 1
    return Outcome(counts, {"source": source, "failures": failures})
