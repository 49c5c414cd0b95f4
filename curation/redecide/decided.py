"""What a finished run decided of each document, as arrays: read once, in the order of the ledger.

Only the columns that deciding and counting need are read; texts, addresses and locators stay on disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.decisions.ensembles import PREFIX
from hanji.curation.decisions.tiers import raw_score
from hanji.curation.recipe import CurationRecipe
from hanji.curation.work import Commit, newest_commits
from hanji.errors import InputError
from hanji.recipe import parse_recipe
from hanji.storage import Storage

KEPT = "kept"
TAKEDOWN = "takedown"
RULE_STEPS = ("rules", "duplicates", "tiers", TAKEDOWN)
"""Where the ledger ends documents that the rules judge: all others fell before, and stay where they fell."""
_LEDGER = (
    *("id", "source", "language", "date", "text_bytes", "verdict", "step", "rule", "value", "threshold"),
    *("score", "tier", "cluster", "duplicate_of", "jaccard", "containment"),
)
_OF_TIERS = (
    *(
        "id",
        "language",
        "domain",
        "source",
        "score",
        "perplexity",
        "cluster_size",
        "cluster_occurrences",
        "split",
    ),
)
READERS = 4


class Names:
    """Names as numbers, given out as they come."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = list(names)
        self._codes = {name: code for code, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def code(self, name: str) -> int:
        """The number of a name, a new one if it has none yet."""
        if name not in self._codes:
            self._codes[name] = len(self.names)
            self.names.append(name)
        return self._codes[name]

    def find(self, name: str) -> int | None:
        """The number of a name, None if it has none."""
        return self._codes.get(name)

    def codes(self, column: pa.ChunkedArray) -> np.ndarray:
        """Numbers of a column of text, int64; −1 for null."""
        encoded = flat(column).dictionary_encode()
        table = np.array([self.code(name) for name in encoded.dictionary.to_pylist()] + [-1], np.int64)
        places = encoded.indices.fill_null(len(table) - 1).to_numpy(zero_copy_only=False)
        codes: np.ndarray = table[places]
        return codes


@dataclass(frozen=True)
class Partition:
    """One range of ids: the commits of its ledger rows, facts, edges and token counts, and its rows."""

    ledger: Commit
    gathered: Commit
    edges: Commit
    tokens: Commit
    start: int = 0
    stop: int = 0


@dataclass
class Decisions:
    """A verdict a row. All arrays have one entry a document, in the order of the ledger.

    ``reason`` int64: code of the rule that it fell to, 0 where it is kept. ``value`` and ``threshold`` float64,
    NaN where the rule compares no number. ``tier`` int64: code, −1 where it is not kept. ``original`` int64: row
    of the document that a duplicate fell to, −1. ``jaccard`` and ``containment`` float64, NaN where it is none.
    """

    reason: np.ndarray
    value: np.ndarray
    threshold: np.ndarray
    tier: np.ndarray
    original: np.ndarray
    jaccard: np.ndarray
    containment: np.ndarray

    def kept(self) -> np.ndarray:
        """Which documents are kept; bool."""
        kept: np.ndarray = self.reason == 0
        return kept

    def copy(self) -> Decisions:
        return Decisions(**{name: getattr(self, name).copy() for name in self.__dataclass_fields__})


@dataclass(frozen=True)
class Documents:
    """The documents of a run and what it decided.

    ``ids`` and ``dates`` large_string; ``source``, ``language`` and ``cluster`` int64 codes (−1: none), of which
    ``sources``, ``languages`` and ``clusters`` hold the names; ``bytes`` int64 of the text after edits; ``score``
    float64, NaN without one, before any ensemble; ``judged`` bool: whether the rules judge it; ``taken`` bool: a
    takedown took it; ``duplicate`` bool: fell as a duplicate; ``tokens`` int64: as its shard holds it, −1 where it
    is in none.
    """

    run: Storage
    recipe: CurationRecipe
    facts: dict[str, Any]
    partitions: list[Partition]
    ids: pa.Array
    dates: pa.Array
    sources: Names
    source: np.ndarray
    languages: Names
    language: np.ndarray
    bytes: np.ndarray
    score: np.ndarray
    judged: np.ndarray
    taken: np.ndarray
    duplicate: np.ndarray
    clusters: list[str]
    cluster: np.ndarray
    reasons: Names
    tiers: Names
    decided: Decisions

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns of the run's facts."""
        path = self.partitions[0].gathered.files["facts"].path
        with self.run.table(path) as file:
            return frozenset(file.schema_arrow.names)

    @cached_property
    def tokens(self) -> np.ndarray:
        """Tokens of each document in the run's shards, int64; −1 where it is in none."""
        found = np.full(len(self), -1, np.int64)
        for part in self.partitions:
            table = self.run.read_table(part.tokens.files["counts"].path)
            mine = self.ids.slice(part.start, part.stop - part.start)
            place = pc.index_in(flat(table["id"]), value_set=mine).to_numpy(zero_copy_only=False)
            found[part.start + place.astype(np.int64)] = table["tokens"].to_numpy()
        return found

    @cached_property
    def known_tokens(self) -> np.ndarray:
        """Tokens of each document as far as the run counted them, in a shard or for a quota, int64; else −1."""
        found = self.tokens.copy()
        encoded = {commit.unit: commit for commit in newest_commits(self.run, "encode")}
        for part in self.partitions:
            if part.ledger.unit in encoded:
                table = self.run.read_table(encoded[part.ledger.unit].files["counts"].path)
                place = pc.index_in(
                    flat(table["id"]), value_set=self.ids.slice(part.start, part.stop - part.start)
                )
                # What is in the run no more has no place.
                there = np.asarray(pc.is_valid(place), bool)
                rows = part.start + place.filter(pa.array(there)).to_numpy(zero_copy_only=False).astype(
                    np.int64
                )
                found[rows] = table["tokens"].to_numpy()[there]
        return found

    @cached_property
    def of_tiers(self) -> pa.Table:
        """What tiers look at, by ledger row: scopes, scores, perplexity, clusters."""

        def read(part: Partition) -> pa.Table:
            path = part.ledger.files["ledger"].path
            with self.run.table(path) as file:
                names = file.schema_arrow.names
            columns = [name for name in names if name in _OF_TIERS or name.startswith(PREFIX)]
            return self.run.read_table(path, columns)

        return pa.concat_tables(by_partition(self, read))

    def held_out(self, rows: np.ndarray, valid_share: float) -> np.ndarray:
        """Which of these rows are held out if they are kept; bool. As their cluster's hash says."""
        from hanji.curation.steps.decide import split_of

        split = self.of_tiers["split"].take(pa.array(rows))
        found = np.asarray(pc.fill_null(pc.equal(split, "valid"), False), bool).copy()
        for place in np.flatnonzero(np.asarray(pc.is_null(split), bool)).tolist():
            cluster = int(self.cluster[rows[place]])
            name = self.clusters[cluster] if cluster >= 0 else self.identity(int(rows[place]))
            found[place] = split_of(name, valid_share) == "valid"
        return found

    def identity(self, row: int) -> str:
        return str(self.ids[row].as_py())

    def texts(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, list[str]]]:
        """The texts of these rows (sorted), a row group at a time: (rows, texts)."""
        for part in self.partitions:
            some = rows[(rows >= part.start) & (rows < part.stop)]
            if len(some):
                yield from _texts(self.run, part.gathered.files["text"].path, some, self.ids)

    def column(self, name: str, rows: np.ndarray) -> list[Any]:
        """A column of the ledger that is not among those read, of a few rows (sorted)."""
        values: list[Any] = []
        for part in self.partitions:
            some = rows[(rows >= part.start) & (rows < part.stop)] - part.start
            if len(some):
                table = self.run.read_table(part.ledger.files["ledger"].path, [name])
                values += table[name].take(pa.array(some)).to_pylist()
        return values


def open_run(run: str) -> tuple[Storage, dict[str, Any], CurationRecipe]:
    """A finished run: its storage, run.json and recipe. Raises InputError if it is none or has not finished."""
    storage = Storage(run)
    if not storage.exists("run.json"):
        raise InputError(f"{storage.describe('run.json')}: not a run directory (it has no run.json)")
    facts = json.loads(storage.read_bytes("run.json"))
    if not facts["finished"]:
        raise InputError(f"{storage.describe()}: the run has not finished; `hanji curate` goes on with it")
    return storage, facts, parse_recipe(facts["recipe"], CurationRecipe, origin=storage.describe("run.json"))


def read_documents(run: Storage, facts: dict[str, Any], recipe: CurationRecipe) -> Documents:
    """What the run decided. Raises InputError where a table of the run is gone."""
    partitions = _partitions(run)

    def read(part: Partition) -> pa.Table:
        path = part.ledger.files["ledger"].path
        with run.table(path) as file:
            models = [name for name in file.schema_arrow.names if name.startswith(PREFIX)]
        return run.read_table(path, [*_LEDGER, *models])

    with ThreadPoolExecutor(READERS) as pool:
        tables = list(pool.map(read, partitions))
    bounds = np.concatenate([[0], np.cumsum([len(table) for table in tables])]).tolist()
    partitions = [
        Partition(p.ledger, p.gathered, p.edges, p.tokens, start, stop)
        for p, start, stop in zip(partitions, bounds[:-1], bounds[1:], strict=True)
    ]
    table = pa.concat_tables(tables)
    ids = flat(table["id"])
    sources, languages, tiers, clusters = Names(), Names(), Names(), Names()
    reasons = Names([KEPT])
    duplicate = _equals(table["step"], "duplicates")
    decided = Decisions(
        reason=_reasons(table, reasons),
        value=_floats(table["value"]),
        threshold=_floats(table["threshold"]),
        tier=tiers.codes(table["tier"]),
        original=_originals(table["duplicate_of"], ids),
        jaccard=_floats(table["jaccard"]),
        containment=_floats(table["containment"]),
    )
    cluster = clusters.codes(table["cluster"])
    return Documents(
        run=run,
        recipe=recipe,
        facts=facts,
        partitions=partitions,
        ids=ids,
        dates=flat(table["date"]),
        sources=sources,
        source=sources.codes(table["source"]),
        languages=languages,
        language=languages.codes(table["language"]),
        bytes=pc.fill_null(table["text_bytes"], 0).to_numpy(),
        score=raw_score(
            _floats(table["score"]),
            {name: _floats(table[name]) for name in table.column_names if name.startswith(PREFIX)},
        ),
        judged=np.logical_or.reduce([_equals(table["step"], step) for step in RULE_STEPS]),
        taken=_equals(table["step"], TAKEDOWN),
        duplicate=duplicate,
        clusters=clusters.names,
        cluster=cluster,
        reasons=reasons,
        tiers=tiers,
        decided=decided,
    )


def _partitions(run: Storage) -> list[Partition]:
    """The commits of each range of ids: a finished run has one of each."""
    steps = ("ledger", "gather", "verify", "tokenise")
    with ThreadPoolExecutor(len(steps)) as pool:
        found = list(pool.map(lambda step: {c.unit: c for c in newest_commits(run, step)}, steps))
    try:
        ledgers, gathered, edges, tokens = found
        return [Partition(ledgers[u], gathered[u], edges[u], tokens[u]) for u in sorted(ledgers)]
    except KeyError as error:
        raise InputError(
            f"{run.describe('commits')}: the records of {error} are not complete; `hanji curate` mends them"
        ) from None


def _equals(column: pa.ChunkedArray, value: str) -> np.ndarray:
    equal = pc.fill_null(pc.equal(column, value), False)
    return _bools(equal)


def _bools(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A column of booleans without nulls; bool."""
    return np.asarray(column, bool)


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return np.array(pc.fill_null(column, np.nan).to_numpy())


def _reasons(table: pa.Table, reasons: Names) -> np.ndarray:
    """Codes of the rules that documents fell to, 0 for the kept."""
    kept = pc.equal(table["verdict"], KEPT)
    named = pc.fill_null(pc.coalesce(table["rule"], table["step"]), "unknown")
    return reasons.codes(pc.if_else(kept, pa.scalar(KEPT, named.type), named))


def _originals(column: pa.ChunkedArray, ids: pa.Array) -> np.ndarray:
    rows = np.full(len(ids), -1, np.int64)
    fell = _bools(pc.is_valid(column))
    if fell.any():
        names = flat(column.filter(pa.array(fell)))
        rows[fell] = pc.index_in(names, value_set=ids).fill_null(-1).to_numpy(zero_copy_only=False)
    return rows


def _texts(
    run: Storage, path: str, rows: np.ndarray, ids: pa.Array
) -> Iterator[tuple[np.ndarray, list[str]]]:
    """The texts of rows of one partition, whose file is sorted by id as the rows are."""
    wanted = ids.take(pa.array(rows))
    with run.table(path) as file:
        for group in range(file.num_row_groups):
            here = flat(file.read_row_group(group, columns=["id"])["id"])
            place = pc.index_in(wanted, value_set=here)
            found = _bools(pc.is_valid(place))
            if found.any():
                text = file.read_row_group(group, columns=["text"])["text"]
                yield rows[found], text.take(place.filter(pa.array(found))).to_pylist()


def by_partition(documents: Documents, work: Callable[[Partition], Any]) -> list[Any]:
    """``work`` of each partition, some at a time: reading Parquet leaves the interpreter free."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(work, documents.partitions))
