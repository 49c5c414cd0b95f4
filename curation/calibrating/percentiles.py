"""Percentiles of weighted documents, how sure they are, and how they are rounded.

A document's *tail* at its value is the weight of all documents at that value or further out. A threshold at level
ε is the outermost value whose tail is more than ε: what lies further out is lost, and weighs ε at most. So one
number a document and rule says at which levels the rule loses it.

Sources count the same, whatever their size (a mean over sources of the share kept), except that one with too few
documents to speak of the level, fewer than 1/ε, counts in proportion. No document then weighs more than ε.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal

import numpy as np

Weighting = Literal["sources", "documents", "worst"]
DIGITS = 3
CONFIDENCE = 0.95
_SLACK = 1e-9


def document_weights(source: np.ndarray, weighting: Weighting, full: int) -> np.ndarray:
    """Weight of each document, float64, in all 1.

    "documents": the same each. "sources" and "worst": the same for each source that has ``full`` documents or
    more, in proportion for a smaller one. ``source`` is the source's number of each document.
    """
    if not len(source):
        return np.zeros(0)
    if weighting == "documents":
        return np.full(len(source), 1.0 / len(source))
    count = np.bincount(source)
    worth = np.minimum(1.0, count / full) / np.maximum(count, 1)
    weights = worth[source]
    return np.asarray(weights / weights.sum(), np.float64)


def tails(extremes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weight of the documents that are at least as far out as each; float64."""
    order = np.argsort(-extremes, kind="stable")
    ranked = extremes[order]
    last = np.searchsorted(-ranked, -ranked, side="right") - 1
    out = np.empty(len(extremes))
    out[order] = np.cumsum(weights[order])[last]
    return out


def worst_tails(extremes: np.ndarray, source: np.ndarray, least: int) -> np.ndarray:
    """The largest tail that each value has within one source, of those with ``least`` documents or more.

    A threshold from these keeps its share of every such source. Without one, all documents are one source.
    """
    large = np.flatnonzero(np.bincount(source) >= least)
    if not len(large):
        return tails(extremes, np.full(len(extremes), 1.0 / len(extremes)))
    out = np.zeros(len(extremes))
    for one in large:
        own = np.sort(extremes[source == one])
        out = np.maximum(out, 1.0 - np.searchsorted(own, extremes, side="left") / len(own))
    return out


def outermost(extremes: np.ndarray, tail: np.ndarray, level: float) -> float:
    """The outermost value of which more than ``level`` of the weight is as far out: what a threshold keeps."""
    return float(extremes[tail > level + _SLACK].max())


def lost_at(tail: np.ndarray, level: float) -> np.ndarray:
    """Which documents a threshold at this level loses; bool."""
    return tail <= level + _SLACK


def joint_level(tail: np.ndarray, weights: np.ndarray, most: float) -> float:
    """The largest level at which the documents that any rule loses weigh ``most`` together.

    ``tail`` is each document's smallest over the rules: it is lost from that level on, so the level that
    bisection would approach stands at one of these numbers. 0 if there is no such level.
    """
    order = np.argsort(tail, kind="stable")
    ranked = tail[order]
    together = np.cumsum(weights[order])[np.searchsorted(ranked, ranked, side="right") - 1]
    fitting = ranked[together <= most + _SLACK]
    return float(fitting[-1]) if len(fitting) else 0.0


def effective_documents(source: np.ndarray, weights: np.ndarray, lost: np.ndarray) -> float:
    """How many equal documents would be as sure of the share that is lost: weights cost certainty.

    The smaller of Kish's number (1/Σw²) and the design's own, share·(1 − share)/variance, where the variance is
    that of a mean over sources (Korn and Graubard 1998).
    """
    if not len(weights):
        return 0.0
    kish = 1.0 / float(np.sum(weights**2))
    count = np.bincount(source).astype(np.float64)
    weight = np.bincount(source, weights)
    share = np.bincount(source, lost.astype(np.float64)) / np.maximum(count, 1)
    variance = float(np.sum(weight**2 * share * (1 - share) / np.maximum(count, 1)))
    mean = float(weights[lost].sum())
    if variance <= 0 or not 0 < mean < 1:
        return kish
    return min(kish, mean * (1 - mean) / variance)


def interval(
    extremes: np.ndarray, tail: np.ndarray, level: float, documents: float
) -> tuple[float, float | None]:
    """Inner and outer end of the confidence interval of a percentile; None for an outer end that is open.

    By order statistics: of n documents, between k₁ and k₂ lie beyond the true percentile, by the binomial
    distribution, so it lies between the k₁-th and the (k₂ + 1)-th outermost (Woodruff 1952 for weights).
    With k₁ = 0 the documents do not bound it.
    """
    low, high = binomial_limits(int(documents), level)
    inner = extremes[tail >= min((high + 1) / documents, tail.max()) - _SLACK].max()
    outer = extremes[tail >= low / documents - _SLACK].max() if low else None
    return float(inner), None if outer is None else float(outer)


def binomial_limits(trials: int, share: float) -> tuple[int, int]:
    """The smallest counts that a binomial is at or below with probability 2.5 % and 97.5 %."""
    beyond = (1 - CONFIDENCE) / 2
    if trials <= 0 or share <= 0:
        return 0, 0
    if share >= 1:
        return trials, trials
    mean = trials * share
    most = min(trials, int(mean + 12 * math.sqrt(mean) + 40))
    count = np.arange(most)
    steps = np.log((trials - count) / (count + 1.0)) + math.log(share) - math.log1p(-share)
    logs = np.concatenate([[0.0], np.cumsum(steps)]) + trials * math.log1p(-share)
    below = np.cumsum(np.exp(logs))
    return int(np.searchsorted(below, beyond)), int(np.searchsorted(below, 1 - beyond))


def rounded(value: float, side: Literal["max", "min"], digits: int = DIGITS) -> float:
    """A threshold with few significant digits, never on the losing side of ``value``.

    What keeps at most it is rounded up, what keeps at least it down. Whole numbers stay whole.
    """
    exact = Decimal(repr(float(value)))
    if not exact.is_finite() or exact.is_zero():
        return float(value)
    place = exact.adjusted() - digits + 1
    if exact == exact.to_integral_value():
        place = max(place, 0)
    direction = ROUND_CEILING if side == "max" else ROUND_FLOOR
    return float(exact.quantize(Decimal(1).scaleb(place), direction))


def plain(value: float) -> str:
    """A number as recipes write it: decimal digits, no exponent, nothing superfluous."""
    return format(Decimal(repr(float(value))).normalize(), "f")
