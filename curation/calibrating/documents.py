"""Measured documents in memory: one column a signal, and excerpts of some of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from hanji.curation.signals import ratios
from hanji.errors import RecipeError

EXCERPT_CHARACTERS = 200
EXCERPTS = 20_000
"""Documents of a source of which an excerpt can be shown: those with the smallest hashes."""
NO_MORE = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class Excerpt:
    """The beginning of a document on one line, and where the document is."""

    text: str
    where: str


Find = Callable[[], Excerpt]


@dataclass
class Part:
    """What one piece of work measured of one source: rows in any order, perhaps with the same text twice.

    ``hash`` is uint64, of the text (of a run: of the id, or of the cluster, which near-duplicates share);
    ``size`` int64 UTF-8 bytes; ``values`` one float64 column a signal. ``left_out`` counts by reason.
    """

    source: str
    hash: np.ndarray
    size: np.ndarray
    values: dict[str, np.ndarray]
    excerpts: dict[int, Excerpt | Find] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    failure: str | None = None

    def smallest(self, most: int | None) -> Part:
        """Each text once, the ``most`` with the smallest hashes (None: all), and the excerpts ever kept."""
        _, rows = np.unique(self.hash, return_index=True)  # in the order of the hashes
        self.left_out["duplicates"] += len(self.hash) - len(rows)
        rows = rows[:most]
        self.hash, self.size = self.hash[rows], self.size[rows]
        self.values = {name: column[rows] for name, column in self.values.items()}
        if len(self.excerpts) > EXCERPTS:
            self.excerpts = {key: self.excerpts[key] for key in sorted(self.excerpts)[:EXCERPTS]}
        return self


def joined(parts: Sequence[Part]) -> Part:
    """Parts of one source as one, without their books."""
    excerpts: dict[int, Excerpt | Find] = {}
    for part in parts:
        excerpts.update(part.excerpts)
    return Part(
        parts[0].source,
        np.concatenate([part.hash for part in parts]),
        np.concatenate([part.size for part in parts]),
        {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values},
        excerpts,
    )


@dataclass(frozen=True)
class Documents:
    """Documents of some sources: ``source`` is int32 into ``names``; the other columns are those of Part."""

    names: tuple[str, ...]
    source: np.ndarray
    hash: np.ndarray
    size: np.ndarray
    values: Mapping[str, np.ndarray]
    excerpts: Mapping[int, Excerpt | Find]
    left_out: Mapping[str, Counter[str]]

    def __len__(self) -> int:
        return len(self.hash)

    def take(self, rows: np.ndarray) -> Documents:
        """The documents of a boolean mask or of row numbers; all sources keep their places."""
        values = {name: column[rows] for name, column in self.values.items()}
        kept = (self.source[rows], self.hash[rows], self.size[rows])
        return Documents(self.names, *kept, values, self.excerpts, self.left_out)

    def count(self) -> np.ndarray:
        """Documents of each source; int64."""
        return np.bincount(self.source, minlength=len(self.names))

    def excerpt(self, row: int) -> Excerpt | None:
        """The excerpt of a document, None if it is not among those of which one is kept."""
        found = self.excerpts.get(int(self.hash[row]))
        return found() if callable(found) else found


def gathered(parts: Iterable[Part], signals: Sequence[str], most: int | None = None) -> Documents:
    """The documents of all parts by source, each text once, at most ``most`` of a source by hash.

    The result does not depend on the order of the parts, nor on how files were cut into them.
    """
    by_source: dict[str, list[Part]] = {}
    for part in parts:
        by_source.setdefault(part.source, []).append(part)
    names = sorted(by_source)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("source", "hash", "size", *signals)}
    excerpts: dict[int, Excerpt | Find] = {}
    left_out: dict[str, Counter[str]] = {}
    seen = np.zeros(0, np.uint64)
    for place, name in enumerate(names):
        own = by_source[name]
        left_out[name] = sum((part.left_out for part in own), Counter())
        hashes = np.concatenate([part.hash for part in own])
        _, rows = np.unique(hashes, return_index=True)
        rows = rows[~np.isin(hashes[rows], seen)]
        left_out[name]["duplicates"] += len(hashes) - len(rows)
        rows = rows if most is None else rows[:most]  # unique sorts by hash
        seen = np.concatenate([seen, hashes[rows]])
        columns["source"].append(np.full(len(rows), place, np.int32))
        columns["hash"].append(hashes[rows])
        columns["size"].append(np.concatenate([part.size for part in own])[rows])
        for signal in signals:
            columns[signal].append(np.concatenate([part.values[signal] for part in own])[rows])
        for part in own:
            excerpts.update(part.excerpts)
    whole = {name: np.concatenate(pieces or [np.zeros(0)]) for name, pieces in columns.items()}
    return Documents(
        tuple(names),
        whole["source"].astype(np.int32),
        whole["hash"].astype(np.uint64),
        whole["size"].astype(np.int64),
        {signal: whole[signal] for signal in signals},
        excerpts,
        left_out,
    )


def signal_values(signals: Sequence[str], table: pa.Table, where: str) -> dict[str, np.ndarray]:
    """Each signal of the rows of a table, float64. Raises RecipeError for one that the table does not give."""
    found = {}
    for signal in signals:
        try:
            found[signal] = np.asarray(ratios.value(signal, table), np.float64)
        except KeyError as error:
            raise RecipeError(
                f"{signal}: {where} does not have it ({error.args[0]}); leave its rule out of the form, or "
                "give a run that measured it"
            ) from None
    return found


def one_line(text: str) -> str:
    """The beginning of a text with its white space made plain."""
    return " ".join(text[: 2 * EXCERPT_CHARACTERS].split())[:EXCERPT_CHARACTERS]
