"""Long curves in few points: exact smallest, largest and mean of each stretch of a run.

A run may have a million steps and a page room for some hundred points. A bin holds what lies in a stretch of steps;
when there are too many bins, neighbours are merged and the stretch doubles, so that memory is bounded and one pass
suffices, however long the run turns out to be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

MOST = 320
"""Bins of a curve; while it grows it has between half of them and all."""


@dataclass
class Bin:
    """Values between two places, ``first`` and ``last``: their weight, weighted sum, extremes and the latest."""

    first: float
    last: float
    weight: float
    total: float
    low: float
    high: float
    latest: float

    @property
    def mean(self) -> float:
        return self.total / self.weight

    @property
    def middle(self) -> float:
        return (self.first + self.last) / 2


class Bins:
    """A curve over places 1, 2, … (steps, or tokens), which are handed in as they come.

    ``width`` is the first length of a bin: 1 for steps.
    """

    def __init__(self, most: int = MOST, width: float = 1.0) -> None:
        if most < 2:
            raise ValueError(f"{most} bins are too few: 2 or more")
        self._most, self.width = most, width
        self._bins: dict[int, Bin] = {}
        self.count = 0

    def __bool__(self) -> bool:
        return bool(self._bins)

    def add(self, place: float, value: float | None, weight: float = 1.0, first: float | None = None) -> None:
        """A value at a place, or of the stretch from ``first`` to it; what is no finite number is left out."""
        if value is None or not math.isfinite(value) or weight <= 0:
            return
        self.count += 1
        number = self._number(place)
        while number >= self._most:
            self._double()
            number = self._number(place)
        begun = place if first is None else first
        known = self._bins.get(number)
        if known is None:
            self._bins[number] = Bin(begun, place, weight, value * weight, value, value, value)
            return
        known.weight += weight
        known.total += value * weight
        known.low, known.high = min(known.low, value), max(known.high, value)
        known.first, known.last = min(known.first, begun), max(known.last, place)
        known.latest = value

    def bins(self) -> list[Bin]:
        """Those that hold something, in order."""
        return [self._bins[number] for number in sorted(self._bins)]

    def numbered(self) -> Iterator[tuple[int, Bin]]:
        """The same with their numbers: bin n holds places above n × width up to (n + 1) × width."""
        return ((number, self._bins[number]) for number in sorted(self._bins))

    def _number(self, place: float) -> int:
        return max(0, math.ceil(place / self.width) - 1)

    def _put(self, number: int, new: Bin) -> None:
        known = self._bins.get(number)
        if known is None:
            self._bins[number] = new
            return
        known.weight += new.weight
        known.total += new.total
        known.low, known.high = min(known.low, new.low), max(known.high, new.high)
        known.first, known.last = min(known.first, new.first), max(known.last, new.last)
        known.latest = new.latest

    def _double(self) -> None:
        old = [(number, self._bins[number]) for number in sorted(self._bins)]
        self.width *= 2
        self._bins = {}
        for number, bin_ in old:
            self._put(number // 2, bin_)
