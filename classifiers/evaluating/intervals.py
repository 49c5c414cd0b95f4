"""How far figures would move with other sites: a bootstrap over sites, for texts of a site are not independent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hanji.classifiers.evaluating.curves import checked

RESAMPLES = 200
LOWEST, HIGHEST = 2.5, 97.5


def intervals(
    truth: np.ndarray, scores: np.ndarray, sites: np.ndarray, resamples: int = RESAMPLES
) -> dict[str, list[float] | None]:
    """95 % intervals of ROC-AUC and average precision: [low, high], or None where a kind is of one site only.

    ``sites``: int[n], 0 to below the number of sites, in an order that does not depend on how the texts came.
    Sites are drawn with replacement, and again where one of the two kinds is missing (a percentile bootstrap;
    Efron 1979).
    """
    truth, scores = checked(truth, scores)
    number = int(sites.max()) + 1
    if min(len(np.unique(sites[truth])), len(np.unique(sites[~truth]))) < 2:
        return {"roc_auc": None, "average_precision": None}
    distinct, place = np.unique(scores, return_inverse=True)
    place = len(distinct) - 1 - place  # highest first
    draws = site_draws(number)
    found: list[tuple[float, float]] = []
    for _ in range(20 * resamples):
        if len(found) == resamples:
            break
        weight = next(draws)[sites]
        good = np.bincount(place, weight * truth, len(distinct))
        other = np.bincount(place, weight * ~truth, len(distinct))
        if good.any() and other.any():
            found.append(_figures(good, other))
    values = np.array(found).reshape(-1, 2)
    if not len(values):
        return {"roc_auc": None, "average_precision": None}
    low, high = np.percentile(values, [LOWEST, HIGHEST], axis=0)
    return {
        "roc_auc": [float(low[0]), float(high[0])],
        "average_precision": [float(low[1]), float(high[1])],
    }


def site_draws(number: int) -> Iterator[np.ndarray]:
    """How often each of so many sites is drawn, int64[number], with replacement; the same draws every time."""
    draw = np.random.Generator(np.random.PCG64(0))
    while True:
        yield np.bincount(draw.integers(0, number, number), minlength=number)


def _figures(good: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """ROC-AUC and average precision of weights by distinct score, highest first."""
    hits, wrong = np.cumsum(good), np.cumsum(other)
    auc = (other * (hits - good / 2)).sum() / (hits[-1] * wrong[-1])
    kept = hits + wrong
    full = kept > 0
    precision = hits[full] / kept[full]
    return float(auc), float((good[full] / hits[-1] * precision).sum())
