"""Sidecars of shards (``.docs.parquet``), looked into without being read: documents by tokens, documents by id.

``token_offset`` is sorted, so the statistics of row groups say which of them hold a range of tokens. Rows are in
the order of the hash of the id, so an id says which shard it is in and about where; a search among row groups
finds it. Both read one or two row groups of a file, however large it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hanji.errors import InputError
from hanji.shard_order import order_hash

ID, OFFSET, TOKENS = "document_id", "token_offset", "tokens"
SHOWN = (ID, "source", OFFSET, TOKENS, "occurrences", "cluster")
"""The columns that a lineage tells."""


class OutOfOrderError(Exception):
    """A sidecar whose rows are not in the order of the hash of the id: its documents cannot be looked up."""


class Sidecar:
    """An open sidecar. Raises InputError, naming the file, when it is not a sidecar of Hanji."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = pq.ParquetFile(path, memory_map=True)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: cannot be read: {error}") from None
        metadata = self._file.metadata
        names = metadata.schema.names
        if missing := [name for name in SHOWN if name not in names]:
            raise InputError(f"{path}: not a sidecar of a shard: it lacks {', '.join(missing)}")
        self._offset = names.index(OFFSET)
        rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self.first_rows: list[int] = [0, *np.cumsum(rows, dtype=np.int64).tolist()]

    def __enter__(self) -> Sidecar:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def rows(self) -> int:
        return self.first_rows[-1]

    @property
    def groups(self) -> int:
        return len(self.first_rows) - 1

    def overlapping(self, starts: np.ndarray, stops: np.ndarray) -> tuple[np.ndarray, np.ndarray, pa.Table]:
        """The documents that hold a token of each range [start, stop) of the shard's tokens.

        starts, stops: int64[ranges], none empty. Returns, for each pair of a range and a document in it, the number
        of the range and the row of the document in the shard (int64[pairs]), and the columns ``SHOWN`` of it.
        """
        if not len(starts):
            return np.zeros(0, np.int64), np.zeros(0, np.int64), self._schema().empty_table()
        wanted = self._groups_with(starts, stops)
        table = self.read(wanted, SHOWN)
        numbers = np.concatenate([np.arange(self.first_rows[g], self.first_rows[g + 1]) for g in wanted])
        offsets = table[OFFSET].to_numpy()
        ends = offsets + table[TOKENS].to_numpy()
        first = np.searchsorted(ends, starts, "right")
        count = np.maximum(np.searchsorted(offsets, stops, "left") - first, 0)
        ranges = np.repeat(np.arange(len(starts)), count)
        place = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
        # A document without tokens lies in no range.
        there = (ends > offsets)[place]
        ranges, place = ranges[there], place[there]
        return ranges, numbers[place], table.take(pa.array(place))

    def find(self, identity: str, expected: float) -> int | None:
        """The row of a document, None where it is not here; ``expected`` (0 to 1) is how far in it should stand.

        Raises OutOfOrderError when the rows are not in the order that the manifest promises.
        """
        wanted = _order([identity], self.path)[0]
        low, high = 0, self.groups
        guess = min(bisect_right(self.first_rows, int(expected * self.rows)) - 1, self.groups - 1)
        while low < high:
            ids = self.read([guess], [ID])[ID]
            if not len(ids):
                return None
            # Hashes are checked along the group: a search in a file without their order would only not find it.
            order = _order(pc.take(ids, pa.array(_probes(len(ids)))).to_pylist(), self.path)
            if (order[:-1] > order[1:]).any():
                raise OutOfOrderError(
                    f"{self.path}: its documents are not in the order of the hash of their ids"
                )
            if order[0] <= wanted <= order[-1]:
                row = pc.index(ids, pa.scalar(identity, ids.type)).as_py()
                if row >= 0:
                    return self.first_rows[guess] + int(row)
                if order[0] < wanted < order[-1]:
                    return None
            # Equal hashes may go on in the next group.
            low, high = (guess + 1, high) if wanted >= order[-1] else (low, guess)
            guess = (low + high) // 2
        return None

    def search(self, identity: str) -> int | None:
        """The row of a document by reading all ids."""
        for group in range(self.groups):
            ids = self.read([group], [ID])[ID]
            row = pc.index(ids, pa.scalar(identity, ids.type)).as_py()
            if row >= 0:
                return self.first_rows[group] + int(row)
        return None

    def row(self, number: int) -> dict[str, Any]:
        """The columns ``SHOWN`` of one row."""
        group = bisect_right(self.first_rows, number) - 1
        found = self.read([group], SHOWN).slice(number - self.first_rows[group], 1)
        return dict(found.to_pylist()[0])

    def read(self, groups: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Columns of row groups, as one table."""
        try:
            return self._file.read_row_groups(list(groups), columns=list(columns), use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.path}: cannot be read: {error}") from None

    def _groups_with(self, starts: np.ndarray, stops: np.ndarray) -> list[int]:
        """The row groups that may hold a document of these ranges, in order."""
        lows = self._lowest_offsets()
        if lows is None:
            return list(range(self.groups))
        # The document that holds a token begins at it or before: perhaps in the group before.
        first = np.maximum(np.searchsorted(lows, starts, "right") - 1, 0)
        last = np.searchsorted(lows, stops, "left")
        marks = np.zeros(self.groups + 1, np.int64)
        np.add.at(marks, first, 1)
        np.add.at(marks, np.maximum(last, first + 1), -1)
        return np.flatnonzero(np.cumsum(marks)[:-1] > 0).tolist()

    def _lowest_offsets(self) -> np.ndarray | None:
        """The first token offset of each row group, int64[groups]; None without statistics."""
        lows = []
        for group in range(self.groups):
            known = self._file.metadata.row_group(group).column(self._offset).statistics
            if known is None or not known.has_min_max:
                return None
            lows.append(int(known.min))
        return np.array(lows, np.int64)

    def _schema(self) -> pa.Schema:
        schema = self._file.schema_arrow
        return pa.schema([schema.field(name) for name in SHOWN])


def _order(ids: Sequence[str], path: Path) -> np.ndarray:
    try:
        return order_hash(ids)
    except ValueError:
        raise OutOfOrderError(f"{path}: ids of its documents are not hexadecimal") from None


def _probes(rows: int) -> np.ndarray:
    """First and last row and some between: int64, not falling."""
    return np.unique(np.linspace(0, rows - 1, 9).astype(np.int64))
