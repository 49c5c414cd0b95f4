"""Texts of a split after the edits of the measuring pass, in the row order of its documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.records import Edit, apply_edits
from hanji.curation.verdicts import first_verdicts
from hanji.curation.work import Commit
from hanji.storage import Storage


@dataclass(frozen=True)
class SplitWork:
    """What a later step of a split reads: the commits of its earlier steps."""

    read: Commit
    edit: Commit | None = None
    blocks: Commit | None = None
    signals: Commit | None = None
    score: Commit | None = None


@dataclass(frozen=True)
class Texts:
    """Aligned columns of the documents of a split that were read: id, language and edited text."""

    ids: pa.Array
    languages: pa.Array
    texts: pa.Array

    def __len__(self) -> int:
        return len(self.ids)


def read_documents(run: Storage, read: Commit, columns: list[str] | None = None) -> pa.Table:
    """The documents of a split, every status, in the order in which they were read."""
    return run.read_table(read.files["documents"].path, columns)


def edited_texts(run: Storage, work: SplitWork) -> Texts:
    """The documents with status "read" and their texts after the edits of the steps that have run."""
    table = read_documents(run, work.read, ["id", "status", "language", "text"])
    table = table.filter(pc.equal(table["status"], "read")).combine_chunks()
    texts: list[str] = table["text"].to_pylist()
    ids: list[str] = table["id"].to_pylist()
    edits = split_edits(run, work)
    if edits:
        texts = [
            apply_edits(text, edits[identity]) if identity in edits else text
            for identity, text in zip(ids, texts, strict=True)
        ]
    return Texts(
        pa.array(ids, pa.large_string()),
        pa.array(table["language"].to_pylist(), pa.large_string()),
        pa.array(texts, pa.large_string()),
    )


def split_edits(run: Storage, work: SplitWork) -> dict[str, list[Edit]]:
    """The edits of a split by document, of all steps that have run."""
    tables = [run.read_table(c.files["edits"].path) for c in (work.edit, work.blocks) if c is not None]
    return edits_by_id(pa.concat_tables(tables)) if tables else {}


def split_verdicts(run: Storage, work: SplitWork) -> dict[str, dict[str, Any]]:
    """The verdicts of a split by document: of the edit step, else of the blocks."""
    commits = [c for c in (work.edit, work.blocks) if c is not None and "verdicts" in c.files]
    return first_verdicts([run.read_table(c.files["verdicts"].path) for c in commits])


def edits_by_id(table: pa.Table) -> dict[str, list[Edit]]:
    """Edits of each document. A document that stands twice in a split has its edits once."""
    found: dict[str, dict[Edit, None]] = {}
    for row in table.to_pylist():
        identity = row.pop("id")
        found.setdefault(identity, {})[Edit(**row)] = None
    return {identity: list(edits) for identity, edits in found.items()}
