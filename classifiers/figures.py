"""How well scores tell two kinds of texts apart, and how well two labellings of the same texts agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def roc_auc(truth: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve (the share of pairs in the right order, ties half); NaN without both kinds.

    ``truth``: bool[n]; ``scores``: float64[n].
    """
    truth = np.asarray(truth, bool)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return math.nan
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # ties share their mean rank
    return float((ranks[place][truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


@dataclass(frozen=True)
class AtThreshold:
    """What keeping the texts with at least a score means."""

    threshold: float
    precision: float
    recall: float
    kept: int
    macro_f1: float


def at_threshold(truth: np.ndarray, scores: np.ndarray, threshold: float) -> AtThreshold:
    """Figures of keeping what scores at least ``threshold``; precision is NaN where nothing is kept."""
    truth, kept = np.asarray(truth, bool), np.asarray(scores) >= threshold
    hits, wrong = int((kept & truth).sum()), int((kept & ~truth).sum())
    missed, right = int((~kept & truth).sum()), int((~kept & ~truth).sum())
    return AtThreshold(
        float(threshold),
        hits / (hits + wrong) if hits + wrong else math.nan,
        hits / (hits + missed) if hits + missed else math.nan,
        hits + wrong,
        (_f1(hits, wrong, missed) + _f1(right, missed, wrong)) / 2,
    )


def _f1(hits: int, wrong: int, missed: int) -> float:
    return 2 * hits / (2 * hits + wrong + missed) if hits else 0.0


def best_recall(truth: np.ndarray, scores: np.ndarray, precision: float) -> AtThreshold | None:
    """The threshold of most recall among those with at least a precision; None if none has it."""
    truth = np.asarray(truth, bool)
    order = np.argsort(-np.asarray(scores), kind="stable")
    ranked, sorted_scores = truth[order], np.asarray(scores)[order]
    hits = np.cumsum(ranked)
    ends = np.flatnonzero(np.append(sorted_scores[1:] != sorted_scores[:-1], True))  # whole ties alone
    good = ends[(hits[ends] >= precision * (ends + 1) - 1e-9) & (hits[ends] > 0)]
    return at_threshold(truth, scores, float(sorted_scores[good[-1]])) if len(good) else None


def drift(before: np.ndarray, after: np.ndarray, bins: int = 20) -> float:
    """How far a distribution of scores in [0, 1] has moved: the population stability index over equal bins.

    Below 0.1 is commonly read as stable, above 0.25 as another distribution. NaN where either is empty.
    """
    if not len(before) or not len(after):
        return math.nan
    edges = np.linspace(0, 1, bins + 1)
    a, b = (np.histogram(np.clip(s, 0, 1), edges)[0] + 0.5 for s in (before, after))
    a, b = a / a.sum(), b / b.sum()
    return float(((b - a) * np.log(b / a)).sum())


@dataclass(frozen=True)
class Agreement:
    """How far two sets of whole-numbered scores of the same texts agree.

    ``confusion[i][j]``: texts with score i in the first and j in the second. ``precision`` and ``recall`` are those
    of the second at "at least ``threshold``", the first taken as the truth.
    """

    texts: int
    exact: float
    within_one: float
    quadratic_kappa: float
    threshold: int
    precision: float
    recall: float
    confusion: list[list[int]]


def agreement(first: Sequence[int], second: Sequence[int], threshold: int = 3, highest: int = 5) -> Agreement:
    """Compare scores 0 to ``highest`` of the same texts, pair by pair."""
    a, b = np.asarray(first, np.int64), np.asarray(second, np.int64)
    table = np.zeros((highest + 1, highest + 1), np.int64)
    np.add.at(table, (a, b), 1)
    kept = at_threshold(a >= threshold, b, threshold)
    count = len(a)
    return Agreement(
        count,
        float((a == b).mean()) if count else math.nan,
        float((abs(a - b) <= 1).mean()) if count else math.nan,
        _quadratic_kappa(table),
        threshold,
        kept.precision,
        kept.recall,
        table.tolist(),
    )


def _quadratic_kappa(table: np.ndarray) -> float:
    """Cohen's kappa with weights that grow with the square of the distance; NaN if either never varies with it."""
    count = table.sum()
    if not count:
        return math.nan
    scores = np.arange(len(table))
    weights = (scores[:, None] - scores[None, :]) ** 2
    expected = np.outer(table.sum(1), table.sum(0)) / count
    by_chance = (weights * expected).sum()
    return float(1 - (weights * table).sum() / by_chance) if by_chance else math.nan
