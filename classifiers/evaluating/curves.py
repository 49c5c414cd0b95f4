"""Precision–recall and ROC curves, exact: one point a distinct score, so that texts of equal score go together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hanji.errors import InputError

DRAWN = 200
"""Points of a curve that are kept for a page: those nearest to equal steps along it, and both ends."""


@dataclass(frozen=True)
class Curves:
    """What keeping the texts of at least a score means, for every distinct score, highest first.

    ``thresholds`` float64[d]; ``hits`` and ``kept`` int64[d]: good texts kept, and all kept; ``good`` and
    ``texts``: how many there are.
    """

    thresholds: np.ndarray
    hits: np.ndarray
    kept: np.ndarray
    good: int
    texts: int

    @property
    def precision(self) -> np.ndarray:
        """float64[d]: share of the kept that is good."""
        return np.asarray(self.hits / self.kept)

    @property
    def recall(self) -> np.ndarray:
        """float64[d]: share of the good that is kept."""
        return np.asarray(self.hits / self.good)

    @property
    def false_alarms(self) -> np.ndarray:
        """float64[d]: share of the others that is kept (the false-positive rate)."""
        return np.asarray((self.kept - self.hits) / (self.texts - self.good))

    def average_precision(self) -> float:
        """Mean precision over recall: Σ (Rₖ − Rₖ₋₁) Pₖ over the distinct scores, without interpolation."""
        return float((np.diff(self.recall, prepend=0.0) * self.precision).sum())

    def roc_auc(self) -> float:
        """Area under the ROC curve, which is the share of pairs in the right order, ties half."""
        wrong = self.kept - self.hits
        # Twice the area in whole numbers, exact while pairs are fewer than 2^62.
        steps = np.diff(wrong, prepend=0)
        area = steps * (self.hits + np.concatenate([[0], self.hits[:-1]]))
        return float(area.sum() / (2 * self.good * (self.texts - self.good)))

    def recall_at_precision(self, precision: float) -> tuple[float, float] | None:
        """(most recall with at least a precision, its threshold); None where no threshold has it."""
        fits = np.flatnonzero((self.hits >= precision * self.kept - 1e-9) & (self.hits > 0))
        return (float(self.recall[fits[-1]]), float(self.thresholds[fits[-1]])) if len(fits) else None

    def precision_at_recall(self, recall: float) -> tuple[float, float]:
        """(precision of the highest threshold with at least a recall, that threshold)."""
        place = int(np.argmax(self.hits >= recall * self.good - 1e-9))
        return float(self.precision[place]), float(self.thresholds[place])

    def best_f1(self) -> tuple[float, float]:
        """(largest F1 of the good label, the highest threshold that has it)."""
        f1 = 2 * self.hits / (self.kept + self.good)
        place = int(f1.argmax())
        return float(f1[place]), float(self.thresholds[place])

    def drawn(self) -> dict[str, list[float]]:
        """Some points of the curves, for drawing: lists of equal length."""
        # Along the ROC curve, whose steps are counts, equal steps lose no turn that could be seen.
        along = self.hits / self.good + self.false_alarms
        places = np.unique(np.searchsorted(along, np.linspace(along[0], along[-1], DRAWN)))
        places = np.unique(np.append(places.clip(0, len(along) - 1), [0, len(along) - 1]))
        return {
            "threshold": self.thresholds[places].tolist(),
            "precision": self.precision[places].tolist(),
            "recall": self.recall[places].tolist(),
            "false_alarms": self.false_alarms[places].tolist(),
        }


def curves(truth: np.ndarray, scores: np.ndarray) -> Curves:
    """The curves of scores (float64[n]) and whether each text is good (bool[n]).

    Raises InputError for scores that are no numbers, and where one kind of text is missing.
    """
    truth, scores = checked(truth, scores)
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    return Curves(ranked[ends], np.cumsum(truth[order])[ends], ends + 1, int(truth.sum()), len(truth))


def checked(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays. Raises InputError for scores that are no numbers, and where one kind of text is missing."""
    truth, scores = np.asarray(truth, bool), whole_numbers(scores)
    good = int(truth.sum())
    if good in (0, len(truth)):
        raise InputError(
            f"labels: figures need good texts and others; there are {good:,} good ones and {len(truth) - good:,} "
            "others"
        )
    return truth, scores


def whole_numbers(scores: np.ndarray, what: str = "scores") -> np.ndarray:
    """Scores as float64. Raises InputError if some are NaN or infinite: how many, and the first one's place."""
    scores = np.asarray(scores, np.float64)
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise InputError(
            f"{what}: {len(bad):,} of {len(scores):,} are not numbers, the first that of text {bad[0] + 1:,}"
        )
    return scores
