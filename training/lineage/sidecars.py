"""Sidecars of shards (``.docs.parquet``), looked into without being read: documents by tokens, documents by id.

``token_offset`` is sorted, so the statistics of row groups say which of them hold a range of tokens. Rows are in
the order of the hash of the id, so an id says which shard it is in and about where; a search among row groups
finds it. Both read one or two row groups of a file, however large it is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hanji.errors import InputError
from hanji.shard_order import order_hash

ID, SOURCE, OFFSET, TOKENS = "document_id", "source", "token_offset", "tokens"
SHOWN = (ID, SOURCE, OFFSET, TOKENS, "occurrences", "cluster")
"""The columns that are told of one document."""


class OutOfOrderError(Exception):
    """A sidecar whose rows are not in the order of the hash of the id: its documents cannot be looked up."""


@dataclass(frozen=True)
class Overlap:
    """Documents that hold tokens of ranges, one entry for each pair: the number of the range, the document's first
    token in the shard and its tokens (int64 [pairs]), its id and its source (text)."""

    range: np.ndarray
    offset: np.ndarray
    tokens: np.ndarray
    document_id: pa.ChunkedArray
    source: pa.ChunkedArray


class Sidecar:
    """An open sidecar. Raises InputError, naming the file, when it is not a sidecar of Hanji."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # An open file spares pyarrow its search for the file system that a path may be of.
            self._source = pa.OSFile(str(path))
            self._file = pq.ParquetFile(self._source)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: cannot be read: {error}") from None
        metadata = self._file.metadata
        names = metadata.schema.names
        if missing := [name for name in SHOWN if name not in names]:
            raise InputError(f"{path}: not a sidecar of a shard: it lacks {', '.join(missing)}")
        self._offset = names.index(OFFSET)
        self.groups: int = metadata.num_row_groups
        self.rows: int = metadata.num_rows
        self._lowest: dict[int, int | None] = {}

    def __enter__(self) -> Sidecar:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._source.close()

    @cached_property
    def first_rows(self) -> list[int]:
        """The first row of each row group, and the number of rows."""
        sizes = (self._file.metadata.row_group(group).num_rows for group in range(self.groups))
        return [0, *accumulate(sizes)]

    def overlapping(self, starts: np.ndarray, stops: np.ndarray) -> Overlap:
        """The documents that hold a token of each range [start, stop) of the shard's tokens; none is empty.

        starts, stops: int64 [ranges], starts rising.
        """
        groups = self._groups_with(starts.tolist(), stops.tolist())
        table = self.read(groups, (ID, SOURCE, OFFSET, TOKENS))
        offsets = table[OFFSET].to_numpy().astype(np.int64, copy=False)
        tokens = table[TOKENS].to_numpy().astype(np.int64)
        ends = offsets + tokens
        first = np.searchsorted(ends, starts, "right")
        count = np.maximum(np.searchsorted(offsets, stops, "left") - first, 0)
        which = np.repeat(np.arange(len(starts)), count)
        place = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
        # A document without tokens lies in no range.
        there = tokens[place] > 0
        which, place = which[there], place[there]
        chosen = table.select([ID, SOURCE]).take(pa.array(place))
        return Overlap(which, offsets[place], tokens[place], chosen[ID], chosen[SOURCE])

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

    def _groups_with(self, starts: Sequence[int], stops: Sequence[int]) -> list[int]:
        """The row groups that may hold a document of these ranges, in order."""
        if self.groups and self._low(0) is None:
            return list(range(self.groups))
        found: dict[int, None] = {}
        for start, stop in zip(starts, stops, strict=True):
            # The document that holds a token begins at it or before: perhaps in the group before.
            first = max(0, bisect_right(range(self.groups), start, key=self._low) - 1)
            last = bisect_left(range(self.groups), stop, lo=first, key=self._low)
            found |= dict.fromkeys(range(first, max(last, first + 1)))
        return sorted(found)

    def _low(self, group: int) -> Any:
        """The first token offset of a row group; None without statistics."""
        if group not in self._lowest:
            known = self._file.metadata.row_group(group).column(self._offset).statistics
            self._lowest[group] = int(known.min) if known is not None and known.has_min_max else None
        return self._lowest[group]


def _order(ids: Sequence[str], path: Path) -> np.ndarray:
    try:
        return order_hash(ids)
    except ValueError:
        raise OutOfOrderError(f"{path}: ids of its documents are not hexadecimal") from None


def _probes(rows: int) -> np.ndarray:
    """First and last row and some between: int64, not falling."""
    return np.unique(np.linspace(0, rows - 1, 9).astype(np.int64))
