"""From texts to overlaps: how much of which benchmark item a document holds, and where.

Stretches count together only where they stand together: within a part of the document that is twice as long as
the item. A leak has its sentences side by side, in whatever order and between whatever marks; a statute of which
an examination quotes five articles has them pages apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hanji.curation.contamination.index import BenchmarkIndex, ItemIndex, Units, counted_runs, units_of

WINDOW = 2


@dataclass(frozen=True)
class Overlap:
    """What one document has of one item.

    ``share`` is ``matched / countable``: units of the item that stand together in the document in stretches that
    count, and units that can count. ``longest`` is the longest stretch, in units. ``spans`` are the places of
    all stretches that count in the document, in code points, in order and apart from each other.
    """

    document: int
    item: int
    share: float
    matched: int
    countable: int
    longest: int
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class _Stretch:
    """Units [first, last) of an item at unit ``unit`` and characters [begin, end) of the document."""

    first: int
    last: int
    unit: int
    begin: int
    end: int


def overlaps(texts: pa.Array, index: BenchmarkIndex) -> list[Overlap]:
    """Overlaps of texts (large_string, no nulls) with the items of an index, by document and item."""
    found: list[Overlap] = []
    for part in index.parts:
        stretches: dict[tuple[int, int], list[_Stretch]] = {}
        quoting = set(
            np.unique(np.searchsorted(part.bounds, np.flatnonzero(part.excluded), "right") - 1).tolist()
        )
        cut: dict[int, Units] = {}
        for matches in part.search(texts):
            for document, item, first, last, unit, begin, end in matches.tolist():
                some = stretches.setdefault((document, item), [])
                if item in quoting:
                    runs = counted_runs(part, item, first, last)
                    if runs and document not in cut:
                        cut[document] = units_of(texts[document].as_py(), int(part.kind[0]))
                    some += [_stretch(cut[document], *run, unit - first) for run in runs]
                else:
                    some.append(_Stretch(first, last, unit, begin, end))
        for (document, item), those in stretches.items():
            if those:
                found.append(_overlap(part, document, item, those))
    return sorted(found, key=lambda one: (one.document, one.item))


def _stretch(cut: Units, first: int, last: int, shift: int) -> _Stretch:
    """Units [first, last) of an item that stand ``shift`` units further on in a document."""
    here, there = first + shift, last + shift
    return _Stretch(first, last, here, int(cut.begins[here]), int(cut.stops[there - 1]))


def _overlap(part: ItemIndex, document: int, item: int, stretches: list[_Stretch]) -> Overlap:
    stretches = sorted(stretches, key=lambda one: (one.unit, one.first))
    reach = WINDOW * int(part.bounds[item + 1] - part.bounds[item])
    matched = 0
    for place, one in enumerate(stretches):
        near = [
            (other.first, other.last)
            for other in stretches[place:]
            if other.unit + other.last - other.first <= one.unit + reach
        ]
        matched = max(matched, sum(last - first for first, last in _union(near)))
    countable = int(part.countable[item])
    return Overlap(
        document,
        int(part.numbers[item]),
        matched / countable,
        matched,
        countable,
        max(one.last - one.first for one in stretches),
        tuple(_union([(one.begin, one.end) for one in stretches])),
    )


def _union(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches in order, those that touch or overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
