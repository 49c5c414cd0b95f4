"""What a model's numbers are: a score, of which more is better, or a perplexity, of which less is.

Figures are computed on numbers of which more is better, so a perplexity is turned round (its negative, which is
exact) when it is computed and back when it is told. Thresholds are told as they are used in a recipe: ``min_score``
and ``max_perplexity``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hanji.classifiers.evaluating.curves import whole_numbers

Kind = Literal["quality", "perplexity"]

SCALE = 1_000_000
WITHOUT = float(np.finfo(np.float64).max)
"""The perplexity of a text that has none: worse than any, as in tiers."""


def millionths(scores: np.ndarray) -> np.ndarray:
    """Scores (float64[n]) in millionths, int64[n]."""
    return np.asarray(np.rint(whole_numbers(scores) * SCALE), np.int64)


@dataclass(frozen=True)
class Measure:
    """``name``: what a number is called; ``keeps``: what is said before a threshold; ``average``: how it is
    averaged. Perplexities have a heavy tail, so their average is the median.
    """

    kind: Kind
    name: str
    keeps: str
    average: Literal["mean", "median"]

    @property
    def average_name(self) -> str:
        return f"{self.average}_{self.name}"

    def is_threshold(self, told: float) -> bool:
        """Whether a number can be one of these: a score is 0 to 1, a perplexity above 1."""
        return 0 <= told <= 1 if self.kind == "quality" else 1 < told < WITHOUT

    def turned(self, told: float) -> float:
        """A threshold as it is told, as what numbers are compared with; and the other way round."""
        return told if self.kind == "quality" else -told

    def told(self, values: np.ndarray) -> np.ndarray:
        """Numbers as they are told, float64[n]."""
        return values if self.kind == "quality" else -values

    def averaged(self, values: np.ndarray) -> float:
        """The average of some numbers (float64[n], n > 0), as it is told."""
        return self.turned(float(np.mean(values) if self.average == "mean" else np.median(values)))

    def comparable(self, values: np.ndarray) -> np.ndarray:
        """Numbers as a threshold is compared with them: scores in millionths, as tiers do; perplexities exactly."""
        return millionths(values) if self.kind == "quality" else values

    def least(self, told: float) -> float:
        """A threshold as it is told, among ``comparable`` numbers."""
        return round(told * SCALE) if self.kind == "quality" else -told

    def told_least(self, comparable: float) -> float:
        """A threshold among ``comparable`` numbers, as it is told."""
        return comparable / SCALE if self.kind == "quality" else -comparable

    def shown(self, told: float | None) -> str:
        """A number for a person to read."""
        if told is None:
            return "–"
        if self.kind == "quality":
            return f"{told:.3f}"
        return "none" if told >= WITHOUT else f"{told:,.0f}" if told >= 100 else f"{told:.1f}"

    def shown_threshold(self, told: float) -> str:
        """A threshold with as many digits as are worth copying; JSON has all of them."""
        if self.kind == "quality":
            return f"{told:.6f}"
        return "none" if told >= WITHOUT else f"{told:.6g}"


SCORES = Measure("quality", "score", "score ≥", "mean")
PERPLEXITIES = Measure("perplexity", "perplexity", "perplexity ≤", "median")


def measure_of(told: Any) -> Measure:
    """The measure of a model of an account (its ``kind``)."""
    return PERPLEXITIES if told["kind"] == "perplexity" else SCORES
