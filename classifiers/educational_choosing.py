"""Which texts of the pool an iteration adds, and which iteration's model is taken."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hanji.classifiers.figures import best_recall


class Bounds(NamedTuple):
    """Scores from which a text is added as educational, and up to which as another; None: none is sure enough."""

    high: float | None
    low: float | None


def bounds(truth: np.ndarray, scores: np.ndarray, precision: float, add_from: float) -> Bounds:
    """Where held-out texts (bool[n], float64[n]) have the precision that adding asks for, on either side.

    The upper bound is at least ``add_from``, the lower one at most 1 less it; with a precision of 0 they are these.
    """
    if not precision:
        return Bounds(add_from, 1 - add_from)
    high = best_recall(truth, scores, precision)
    low = best_recall(~np.asarray(truth, bool), -np.asarray(scores), precision)
    return Bounds(
        None if high is None else max(high.threshold, add_from),
        None if low is None else min(-low.threshold, 1 - add_from),
    )


def choose(
    scores: np.ndarray, sites: np.ndarray, candidates: np.ndarray, quota: int, most: int
) -> np.ndarray:
    """The best candidates, bool[n]: at most ``quota`` of each site (int[n]) and ``most`` in all.

    Equal scores go in the order of the rows.
    """
    chosen = np.zeros(len(scores), bool)
    rows = np.flatnonzero(candidates)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    of_site: Counter[int] = Counter()
    for row in rows.tolist():
        if most <= 0:
            break
        site = int(sites[row])
        if of_site[site] < quota:
            of_site[site] += 1
            chosen[row] = True
            most -= 1
    return chosen


def additions(
    scores: np.ndarray,
    sites: np.ndarray,
    added: np.ndarray,
    found: Bounds,
    *,
    quota: int,
    most: int,
    others_per_found: float,
) -> np.ndarray:
    """What an iteration adds, int8[n]: 1 as educational, −1 as another, 0 not.

    ``added`` (int8[n]) is what those before added. Others are the texts that the model is surest of, so many for
    each educational one, so that the labels stay as they were balanced while one of them grows.
    """
    free = added == 0
    chosen = np.zeros(len(scores), np.int8)
    if found.high is not None:
        chosen[choose(scores, sites, free & (scores >= found.high), quota, most)] = 1
    count = math.ceil(others_per_found * int((chosen == 1).sum()))
    if count and found.low is not None:
        chosen[choose(-scores, sites, free & (chosen == 0) & (scores <= found.low), quota, count)] = -1
    return chosen


def place_taken(recalls: Sequence[float], areas: Sequence[float], good: int) -> int:
    """The place of the iteration that is taken: the last one that the choosing texts cannot tell from the best.

    That is the last whose recall is within one standard error of the highest (the rule of Breiman et al.,
    Classification and Regression Trees, 1984, there for the simplest tree): each iteration has learned from the
    texts of the ones before and from more, of more sites. ``recalls``, at the wanted precision, are shares of
    ``good`` texts; half a text is added to either side of the best, so that a recall of 1 of a few texts has an
    error, too. Where no iteration has the precision at all, the first of the largest AUC (``areas``) is taken.
    """
    best = max(recalls)
    if not best:
        return max(range(len(areas)), key=lambda place: (areas[place], -place))
    share = (best * good + 0.5) / (good + 1)
    error = math.sqrt(share * (1 - share) / (good + 1))
    return max(place for place, recall in enumerate(recalls) if recall >= best - error)
