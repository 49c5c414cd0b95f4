"""Several scores of a document as one: ranks in buckets of equal count, the highest or their weighted mean.

The method of Nemotron-CC (Su et al. 2024, arXiv 2412.02595). Ranks are over the kept documents of a
language, from exact histograms, so they are the same however the run was cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hanji.curation.tier_recipe import Ensemble

PREFIX = "score_"


def score_column(model: str) -> str:
    """The column with the scores of one of a language's several models."""
    return f"{PREFIX}{model}"


def score_columns(quality: Mapping[Any, Any]) -> list[str]:
    """The columns of a recipe's ``quality``: one a model of languages that have several, by name."""
    several = [models for models in quality.values() if not isinstance(models, str)]
    return sorted({score_column(name) for models in several for name in models})


def mean_score(scores: Mapping[str, np.ndarray]) -> np.ndarray:
    """The mean of the columns in the order of their names, float64[n]; NaN where one is."""
    names = sorted(scores)
    total = scores[names[0]].copy()
    for name in names[1:]:
        total += scores[name]
    mean: np.ndarray = total / len(names)
    return mean


def bucket_edges(values: np.ndarray, counts: np.ndarray, buckets: int) -> np.ndarray:
    """The smallest value of each bucket from 1 on, int64[buckets − 1], never falling.

    ``values`` int64 in ascending order and how many documents have each (int64). A document of value v is in
    bucket ⌊buckets · (n(≤ v) − 1) / n⌋: of equal count where values differ, and that of the best of its equals
    where they do not. A bucket that no value begins has the edge of the next; those above all values, one more
    than the largest.
    """
    if not len(values):
        return np.zeros(buckets - 1, np.int64)
    upto = np.cumsum(counts)
    # Python's integers: documents · buckets may be more than 64 bits hold where both are very large.
    bucket = np.array([buckets * (int(n) - 1) // int(upto[-1]) for n in upto.tolist()], np.int64)
    place = np.searchsorted(bucket, np.arange(1, buckets))
    return np.append(values, values[-1] + 1)[place]


def in_buckets(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bucket of each value by :func:`bucket_edges`; int64 in, int64 out."""
    return np.searchsorted(edges, values, "right")


def combined(buckets: Mapping[str, np.ndarray], settings: Ensemble) -> np.ndarray:
    """One score a document, float64 in [0, 1], from its bucket by model: over the number of the highest bucket.

    The highest of its buckets, or their weighted mean, added up in the order of the models' names.
    """
    names = sorted(buckets)
    highest = float(settings.buckets - 1)
    if settings.method == "max":
        best: np.ndarray = np.maximum.reduce([buckets[name] for name in names]) / highest
        return best
    weights = {name: 1.0 if settings.weights is None else settings.weights.get(name, 0.0) for name in names}
    total = np.zeros(len(buckets[names[0]]), np.float64)
    for name in names:
        total += weights[name] * buckets[name].astype(np.float64)
    mean: np.ndarray = total / sum(weights[name] for name in names) / highest
    return mean


def bucket_of(score: np.ndarray, buckets: int) -> np.ndarray:
    """The bucket that a combined score is in, int64: its own for a maximum, that below for a mean."""
    return np.floor(score * (buckets - 1) + 1e-9).astype(np.int64)


def models_of(quality: Mapping[Any, Any], language: str) -> Sequence[str]:
    """The names of a language's several models, sorted; none where it has one or no model."""
    models = quality.get(language)
    return sorted(models) if isinstance(models, Mapping) else ()
