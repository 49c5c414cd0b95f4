"""Tiers from quality scores: thresholds by exact share over the whole run, by language.

Scores are compared in millionths, so that a histogram of integers, merged from all partitions in any order,
gives the exact k-th best score. All documents of equal score share a tier.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from hanji.curation.recipe import Tier

SCALE = 1_000_000


@dataclass(frozen=True)
class TierThresholds:
    """Smallest score in millionths for each conditional tier of one language, in the recipe's order."""

    names: list[str]
    minimum: list[int]
    rest: str

    def places(self, scores: np.ndarray) -> np.ndarray:
        """Place in the recipe's order of the tier of each score (float64, NaN where there is none); int64."""
        whole = quantise(scores)
        places = np.full(len(whole), len(self.names), np.int64)
        for place, minimum in reversed(list(enumerate(self.minimum))):
            places[whole >= minimum] = place
        return places

    def assign(self, scores: np.ndarray) -> list[str]:
        """Tier of each score (float64, NaN where there is none: those take the rest)."""
        names = [*self.names, self.rest]
        return [names[place] for place in self.places(scores).tolist()]


def quantise(scores: np.ndarray) -> np.ndarray:
    """Scores in millionths (int64); −1 where a score is missing."""
    return np.where(np.isnan(scores), -1, np.rint(np.nan_to_num(scores) * SCALE)).astype(np.int64)


def histogram(scores: np.ndarray) -> dict[str, int]:
    """Count of each score in millionths, missing ones under "-1"; JSON-able and mergeable."""
    values, counts = np.unique(quantise(scores), return_counts=True)
    return {str(value): int(count) for value, count in zip(values, counts, strict=True)}


def merge_histograms(histograms: Iterable[Mapping[str, int]]) -> dict[int, int]:
    """The sum of histograms, in any order."""
    total: Counter[int] = Counter()
    for one in histograms:
        total.update({int(value): count for value, count in one.items()})
    return dict(total)


def thresholds(tiers: list[Tier], counts: Mapping[int, int]) -> TierThresholds:
    """Thresholds of one language from its merged histogram.

    ``top_share`` s takes the best ⌊s·n⌋ of the n kept documents (never fewer than one), those of equal score
    to the last one included. A tier never reaches below zero: documents without a score take the rest.
    """
    total = sum(counts.values())
    ordered = sorted((value for value in counts if value >= 0), reverse=True)
    minimum = []
    for tier in tiers[:-1]:
        if tier.min_score is not None:
            minimum.append(round(tier.min_score * SCALE))
            continue
        assert tier.top_share is not None
        wanted = max(1, int(tier.top_share * total))
        reached, threshold = 0, SCALE + 1
        for value in ordered:
            if reached >= wanted:
                break
            reached += counts[value]
            threshold = value
        minimum.append(threshold)
    return TierThresholds([tier.name for tier in tiers[:-1]], minimum, tiers[-1].name)
