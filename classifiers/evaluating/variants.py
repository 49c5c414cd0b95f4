"""How scores behave when a text is cut short or its spaces change, which changes nothing of what it says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hanji.classifiers.evaluating.measure import SCORES, WITHOUT, Measure
from hanji.classifiers.evaluating.sides import rank_correlation
from hanji.classifiers.figures import roc_auc

VARIANTS: dict[str, Callable[[str], str]] = {
    "first 300 characters": lambda text: text[:300],
    "first 1,000 characters": lambda text: text[:1_000],
    "spaces removed": lambda text: text.replace(" ", ""),
    "spaces doubled": lambda text: text.replace(" ", "  "),
}


def behaviour(
    truth: np.ndarray | None,
    scores: np.ndarray,
    changed: Mapping[str, np.ndarray],
    threshold: float,
    measure: Measure = SCORES,
) -> list[dict[str, Any]]:
    """What each variant does: to the AUC if labels are known, to scores, and to what is kept.

    ``changed``: scores of each variant, float64[n], in the order of ``scores``. ``crossing``: share of the texts
    that are on the other side of the threshold; ``rank_correlation``: with the scores of the texts as they are.
    Perplexities come as their negatives; of these ``ratios`` are told, not changes: the perplexity of the variant
    through that of the text, the tenth percentile, the median and the ninetieth, of texts that have both.
    """
    least = measure.turned(threshold)
    before = None if truth is None else roc_auc(truth, scores)
    found = []
    for name, other in changed.items():
        row: dict[str, Any] = {
            "variant": name,
            **(_changes(scores, other) if measure.kind == "quality" else _ratios(-scores, -other)),
            "crossing": float(((other >= least) != (scores >= least)).mean()),
            "rank_correlation": rank_correlation(scores, other),
        }
        if truth is not None and before is not None and not math.isnan(before):
            auc = roc_auc(truth, other)
            row |= {"roc_auc": auc, "roc_auc_lost": before - auc}
        found.append(row)
    return found


def _changes(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    return {
        "mean_change": float((after - before).mean()),
        "mean_distance": float(abs(after - before).mean()),
    }


def _ratios(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    both = (before < WITHOUT) & (after < WITHOUT)
    if not both.any():
        return {"ratios": None}
    return {"ratios": np.percentile(after[both] / before[both], [10, 50, 90]).tolist()}
