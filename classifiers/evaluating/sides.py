"""Two models on the same texts: do they order them alike, do they keep the same, and where do they part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hanji.classifiers.evaluating.curves import whole_numbers
from hanji.classifiers.evaluating.measure import SCORES, Measure
from hanji.classifiers.evaluating.thresholds import top_share


def ranks(scores: np.ndarray) -> np.ndarray:
    """The rank of each score, 1 for the lowest; ties share their mean rank. float64[n]."""
    _, place, counts = np.unique(whole_numbers(scores), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman's rank correlation, ties by their mean rank; None where one side never varies."""
    x, y = (ranks(scores) - (len(scores) + 1) / 2 for scores in (a, b))
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum() / size) if size else None


def agreements(
    a: np.ndarray,
    b: np.ndarray,
    shares: Sequence[float],
    thresholds: Sequence[tuple[float, float]],
    measures: tuple[Measure, Measure] = (SCORES, SCORES),
) -> list[dict[str, Any]]:
    """Whether two models keep the same texts: of the best share by each, and at thresholds (one for each model).

    ``both``, ``only_a``, ``only_b``, ``neither``: texts. ``agreement``: share of equal decisions; ``overlap``:
    those that both keep as a share of those that either keeps (Jaccard); ``kappa``: Cohen's, agreement beyond
    chance. Perplexities (``measures``) come as their negatives; thresholds are told as they are.
    """
    whole = [measure.comparable(side) for measure, side in zip(measures, (a, b), strict=True)]
    asked: list[tuple[float | None, list[float]]] = [
        (share, [top_share(side, share) for side in whole]) for share in shares
    ]
    asked += [
        (None, [measure.least(threshold) for measure, threshold in zip(measures, pair, strict=True)])
        for pair in thresholds
    ]
    found = []
    for share, least in asked:
        kept = [side >= threshold for side, threshold in zip(whole, least, strict=True)]
        told = [measure.told_least(threshold) for measure, threshold in zip(measures, least, strict=True)]
        found.append({"share": share, "thresholds": told, **_agreement(*kept)})
    return found


def _agreement(a: np.ndarray, b: np.ndarray) -> dict[str, Any]:
    both, only_a, only_b = int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum())
    texts = len(a)
    neither = texts - both - only_a - only_b
    agreed = (both + neither) / texts
    share_a, share_b = (both + only_a) / texts, (both + only_b) / texts
    by_chance = share_a * share_b + (1 - share_a) * (1 - share_b)
    either = both + only_a + only_b
    return {
        "both": both,
        "only_a": only_a,
        "only_b": only_b,
        "neither": neither,
        "agreement": agreed,
        "overlap": both / either if either else None,
        "kappa": (agreed - by_chance) / (1 - by_chance) if by_chance < 1 else None,
    }


def furthest(a: np.ndarray, b: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the texts that A ranks highest above B, those that B does, and the rank of each text by A less by B.

    Ranks are shares of the texts, 0 to 1, so that models whose scores lie elsewhere can be compared. Of equal
    differences the earlier row comes first. float64[n] for the differences.
    """
    difference = (ranks(a) - ranks(b)) / max(1, len(a))
    up = np.argsort(-difference, kind="stable")[:most]
    down = np.argsort(difference, kind="stable")[:most]
    return up[difference[up] > 0], down[difference[down] < 0], difference
