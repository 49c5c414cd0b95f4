"""Texts of a split after the edits of the measuring pass, group by group, in the row order of its documents.

A group is a row group of documents/: what a step holds in memory at a time, however large the split. Tables
that later steps write beside it have the same rows in the same order; edits/ says in its commit record how
many rows each group has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.records import EDITS, Edit, apply_edits
from hanji.curation.verdicts import first_verdicts
from hanji.curation.work import Commit
from hanji.storage import Storage

_NEEDED = ("id", "status", "language", "text")


@dataclass(frozen=True)
class SplitWork:
    """What a later step of a split reads: the commits of its earlier steps."""

    read: Commit
    edit: Commit | None = None
    repeated: Commit | None = None
    blocks: Commit | None = None
    signals: Commit | None = None
    score: Commit | None = None
    morphemes: Commit | None = None
    contaminate: Commit | None = None


@dataclass(frozen=True)
class Group:
    """Some documents of a split, every status, and aligned columns of those of them that were read.

    ``texts`` are after edits, ``edits`` those that they got, by document id.
    """

    documents: pa.Table
    ids: pa.Array
    languages: pa.Array
    texts: pa.Array
    edits: dict[str, list[Edit]]

    def __len__(self) -> int:
        return len(self.ids)


def groups(run: Storage, work: SplitWork, columns: Sequence[str] = ()) -> Iterator[Group]:
    """The documents of a split, with these columns, and their texts after the edits of the steps so far."""
    names = [*_NEEDED, *(name for name in columns if name not in _NEEDED)]
    made = [
        (Rows(run, commit.files["edits"].path, EDITS), commit.info["groups"])
        for commit in (work.edit, work.repeated, work.blocks, work.contaminate)
        if commit is not None
    ]
    for place, documents in enumerate(run.table_groups(work.read.files["documents"].path, names)):
        read = documents.filter(pc.equal(documents["status"], "read")).combine_chunks()
        edits = (
            edits_by_id(pa.concat_tables([rows.take(counts[place]) for rows, counts in made])) if made else {}
        )
        ids: list[str] = read["id"].to_pylist()
        texts: list[str] = read["text"].to_pylist()
        if edits:
            texts = [
                apply_edits(text, edits[identity]) if identity in edits else text
                for identity, text in zip(ids, texts, strict=True)
            ]
        yield Group(
            documents,
            pa.array(ids, pa.large_string()),
            pa.array(read["language"].to_pylist(), pa.large_string()),
            pa.array(texts, pa.large_string()),
            edits,
        )


class Rows:
    """The rows of a table one stretch after another, of which only a row group or two are in memory.

    ``empty`` is what is given out of a table without rows.
    """

    def __init__(self, run: Storage, path: str, empty: pa.Schema) -> None:
        self._groups = run.table_groups(path)
        self._rest: pa.Table | None = None
        self._empty = empty.empty_table()

    def take(self, count: int) -> pa.Table:
        """The next ``count`` rows; fewer where the table ends."""
        while self._rest is None or len(self._rest) < count:
            more = next(self._groups, None)
            if more is None:
                break
            self._rest = more if self._rest is None else pa.concat_tables([self._rest, more])
        if self._rest is None:
            return self._empty
        taken = self._rest.slice(0, count)
        self._rest = self._rest.slice(count)
        return taken


def split_verdicts(run: Storage, work: SplitWork) -> dict[str, dict[str, Any]]:
    """The verdicts of a split by document, each from the first step that has one: the order of the steps."""
    made = (work.edit, work.repeated, work.blocks, work.contaminate)
    commits = [c for c in made if c is not None and "verdicts" in c.files]
    return first_verdicts([run.read_table(c.files["verdicts"].path) for c in commits])


def edits_by_id(table: pa.Table) -> dict[str, list[Edit]]:
    """Edits of each document. A document that stands twice in a split has its edits once."""
    found: dict[str, dict[Edit, None]] = {}
    for row in table.to_pylist():
        identity = row.pop("id")
        found.setdefault(identity, {})[Edit(**row)] = None
    return {identity: list(edits) for identity, edits in found.items()}
