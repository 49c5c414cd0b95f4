"""What `min_probability` buys: how many texts get the predicted domain, and how many of these are right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hanji.classifiers.domains.evaluating.by_label import drawn_sites, interval
from hanji.classifiers.domains.evaluating.scoring import Told
from hanji.classifiers.evaluating.curves import DRAWN

ACCURACIES = (0.8, 0.9, 0.95, 0.99)


def placed(told: Told, least: float, labels: int) -> np.ndarray:
    """bool[n]: texts that get the predicted domain, as a run decides it: those of at least a probability."""
    return np.asarray((told.probability >= least) & (told.label < labels))


def coverage_table(
    truth: np.ndarray, told: Told, site: np.ndarray, names: Sequence[str], values: Sequence[float]
) -> list[dict[str, Any]]:
    """A row for each least probability: ``coverage`` (share of the texts that are placed), ``accuracy`` of these
    with its interval over sites, and of each label its texts' coverage and the precision of what is placed in it.
    """
    labels = len(names)
    sure = [placed(told, least, labels) for least in values]
    correct = truth == told.label
    spread = _intervals(truth, site, sure, correct)
    found = []
    for place, (least, mine) in enumerate(zip(values, sure, strict=True)):
        right = mine & correct
        of_label = np.bincount(truth, minlength=labels)
        covered = np.bincount(truth[mine], minlength=labels)
        in_label = np.bincount(told.label[mine], minlength=labels)
        hits = np.bincount(truth[right], minlength=labels)
        found.append(
            {
                "min_probability": least,
                "texts": int(mine.sum()),
                "coverage": float(mine.mean()),
                "accuracy": _ratio(int(right.sum()), int(mine.sum())),
                "interval": spread[place],
                "by_label": [
                    {
                        "label": name,
                        "coverage": _ratio(int(covered[one]), int(of_label[one])),
                        "placed": int(in_label[one]),
                        "precision": _ratio(int(hits[one]), int(in_label[one])),
                    }
                    for one, name in enumerate(names)
                ],
            }
        )
    return found


def coverage_curve(truth: np.ndarray, told: Told, labels: int) -> dict[str, Any]:
    """Coverage and accuracy at every distinct probability, the highest first, and the most coverage of an accuracy.

    Texts of equal probability go together; a text of which the model knows nothing is placed at no probability.
    ``most_coverage``: for each of ACCURACIES [coverage, least probability], None where no probability has it. The
    curve (``drawn``) is thinned for drawing, the rest is exact.
    """
    known = told.label < labels
    order = np.argsort(-told.probability[known], kind="stable")
    ranked = told.probability[known][order]
    right = np.cumsum((truth == told.label)[known][order])
    ends = (
        np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.zeros(0, np.int64)
    )
    hits, kept, least = right[ends], ends + 1, ranked[ends]
    most: dict[str, list[float] | None] = {}
    for accuracy in ACCURACIES:
        fits = np.flatnonzero(hits >= accuracy * kept - 1e-9)
        last = fits[-1] if len(fits) else None
        most[str(accuracy)] = None if last is None else [float(kept[last] / len(truth)), float(least[last])]
    some = np.unique(np.linspace(0, len(ends) - 1, DRAWN).astype(np.int64)) if len(ends) else ends
    return {
        "most_coverage": most,
        "drawn": {
            "min_probability": least[some].tolist(),
            "coverage": (kept[some] / len(truth)).tolist(),
            "accuracy": (hits[some] / kept[some]).tolist(),
        },
    }


def _intervals(
    truth: np.ndarray, site: np.ndarray, sure: Sequence[np.ndarray], correct: np.ndarray
) -> list[list[float] | None]:
    """Intervals over sites of the share of each choice of texts that is right; None where all are of one site."""
    number = int(site.max()) + 1
    if number == 1:
        return [None] * len(sure)
    kept = np.array([np.bincount(site, mine, number) for mine in sure])
    hits = np.array([np.bincount(site, mine & correct, number) for mine in sure])
    with np.errstate(invalid="ignore"):
        drawn = np.array([(hits @ weight) / (kept @ weight) for weight in drawn_sites(truth, site)])
    return [interval(values) for values in drawn.reshape(-1, len(sure)).T]


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
