"""Drift: how the values of a signal moved between two populations, in memory that does not grow with them.

Values are counted at a fixed resolution of 8 bits after the leading one (as HDR histograms do it): a count up to
512 is exact, any other number is known to 0.4 %. Counts add up in any order, and quantiles and distances follow
from them. Two distances:

- the two-sample Kolmogorov–Smirnov statistic (Smirnov 1948): the largest difference of the two cumulative
  distributions, 0 to 1;
- the population stability index (Siddiqi, *Credit Risk Scorecards*, 2006): Σ (b − a) ln(b / a) over the bins that
  the deciles of the first population cut. By its rule of thumb a value under 0.1 is no change worth a look, one
  above 0.25 a large one.
"""

from __future__ import annotations

import numpy as np

MANTISSA_BITS, LOWEST, HIGHEST = 8, -20, 40
SIZE = ((HIGHEST - LOWEST) << MANTISSA_BITS) + 3
_SHIFT = 52 - MANTISSA_BITS
_BASE = (1023 + LOWEST) << MANTISSA_BITS
LEAST_SHARE = 1e-4
"""What an empty bin counts as in the stability index, whose logarithm would not exist otherwise."""


def places(values: np.ndarray) -> np.ndarray:
    """The counter of each value: float64 in, int64 in [0, SIZE) out.

    0 holds 0 and what is below it, 1 what is below 2**LOWEST, the last one 2**HIGHEST and more.
    """
    keys = (np.ascontiguousarray(values, np.float64).view(np.int64) >> _SHIFT) - _BASE + 2
    keys = np.clip(keys, 1, SIZE - 1)
    return np.where(values <= 0, 0, keys)


def counters(values: np.ndarray) -> np.ndarray:
    """How many values each counter holds, int64[SIZE]; values that are no number are left out."""
    return np.bincount(places(values[~np.isnan(values)]), minlength=SIZE)


def lower_edge(place: int) -> float:
    """The smallest value that a counter holds."""
    if place < 2:
        return 0.0
    return float(np.array([(place - 2 + _BASE) << _SHIFT], np.int64).view(np.float64)[0])


def quantile(counts: np.ndarray, share: float) -> float | None:
    """The smallest value with at least ``share`` of the population at or below it; None of an empty one."""
    cumulative = np.cumsum(counts)
    total = int(cumulative[-1])
    if not total:
        return None
    rank = max(1, int(np.ceil(share * total)))
    return lower_edge(int(np.searchsorted(cumulative, rank)))


def kolmogorov_smirnov(a: np.ndarray, b: np.ndarray) -> float | None:
    """The largest difference of the cumulative distributions; None if a population is empty."""
    if not a.sum() or not b.sum():
        return None
    return float(np.abs(np.cumsum(a) / a.sum() - np.cumsum(b) / b.sum()).max())


def stability_index(a: np.ndarray, b: np.ndarray) -> float | None:
    """The population stability index of b against a; None if a population is empty."""
    if not a.sum() or not b.sum():
        return None
    cumulative = np.cumsum(a)
    ranks = np.ceil(np.arange(1, 10) * cumulative[-1] / 10)
    cuts = np.unique(np.searchsorted(cumulative, ranks))
    shares = []
    for counts in (a, b):
        reached = np.append(np.cumsum(counts)[cuts], counts.sum()) / counts.sum()
        shares.append(np.maximum(np.diff(reached, prepend=0.0), LEAST_SHARE))
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
