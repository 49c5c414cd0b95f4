"""Head, middle and tail: cut-offs of perplexity, CCNet's published ones or exact percentiles of one's own texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

HEAD_SHARE, MIDDLE_SHARE = 0.3, 0.6
"""CCNet's: the head is the 30 % of the lowest perplexity, head and middle are 60 %."""
BUCKETS = ("head", "middle", "tail")
_DIGITS = (16, 16, 16, 16)
"""Bits of a float64 that are counted in each pass, the highest first."""


@dataclass(frozen=True)
class CutOffs:
    """Less perplexity than ``head`` is the head, less than ``middle`` the middle, all other the tail."""

    head: float
    middle: float

    def places(self, perplexities: np.ndarray) -> np.ndarray:
        """Place in BUCKETS of each perplexity (float64), int64; −1 where it is NaN."""
        places = np.searchsorted([self.head, self.middle], perplexities, side="right")
        return np.where(np.isnan(perplexities), -1, places)


CCNET: Mapping[str, CutOffs] = {"ko": CutOffs(920.0, 2130.0), "en": CutOffs(340.0, 520.0)}
"""For CCNet's published models alone (its ``cutoff.csv``)."""


def exact_cutoffs(
    passes: Callable[[], Iterable[np.ndarray]], shares: Sequence[float] = (HEAD_SHARE, MIDDLE_SHARE)
) -> list[float]:
    """The perplexities below which shares of all texts lie, exactly and in bounded memory.

    ``passes`` gives all perplexities (float64, in arrays of any size and order; NaN does not count) each time it
    is called. The cut-off of a share s of n texts is the one at place ⌊s·n⌋ of the sorted perplexities: ⌊s·n⌋
    texts lie below it, fewer where several equal it. NaN where there are no texts. Positive floats are in the
    order of their bits, so four passes that count by 16 of these each find the number itself.
    """
    count = sum(int((~np.isnan(values)).sum()) for values in passes())
    if not count:
        return [float("nan")] * len(shares)
    return [_at(passes, min(count - 1, int(share * count))) for share in shares]


def _at(passes: Callable[[], Iterable[np.ndarray]], place: int) -> float:
    """The number at a place of the sorted numbers."""
    known, shift = 0, 64
    for bits in _DIGITS:
        counts = np.zeros(1 << bits, np.int64)
        for values in passes():
            whole = np.ascontiguousarray(values[~np.isnan(values)], np.float64).view(np.uint64)
            if shift < 64:
                whole = whole[whole >> np.uint64(shift) == known]
            digit = whole >> np.uint64(shift - bits) & np.uint64((1 << bits) - 1)
            counts += np.bincount(digit.astype(np.int64), minlength=1 << bits)
        sums = np.cumsum(counts)
        found = int(np.searchsorted(sums, place, side="right"))
        place -= int(sums[found] - counts[found])
        known, shift = known << bits | found, shift - bits
    return float(np.array([known], np.uint64).view(np.float64)[0])
