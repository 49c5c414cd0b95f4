"""How a model does by source and by length: the average hides the source that it gets wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hanji.classifiers.evaluating.measure import SCORES, Measure
from hanji.classifiers.figures import roc_auc

MOST_GROUPS = 60
LENGTHS = (0, 100, 300, 1_000, 3_000, 10_000)
"""Lower bounds of the bins of length, in characters; the last one is open."""


def confusion(
    names: Sequence[str],
    group: np.ndarray,
    truth: np.ndarray,
    scores: np.ndarray,
    threshold: float,
    measure: Measure = SCORES,
) -> list[dict[str, Any]]:
    """Confusion at a threshold by group; the most wrong decisions first, and of as many by name.

    ``group`` int[n]: place in ``names``. ``hits``: good and kept; ``missed``: good and not; ``wrong``: others that
    are kept; ``right``: others that are not. ``scores``: of perplexities the negatives, which are told as they are,
    as ``threshold`` is. Groups beyond the first MOST_GROUPS are one row, "… others".
    """
    kept = scores >= measure.turned(threshold)
    cells = [
        np.bincount(group[rows], minlength=len(names))
        for rows in (truth & kept, truth & ~kept, ~truth & kept, ~truth & ~kept)
    ]
    order = sorted(range(len(names)), key=lambda one: (-int(cells[1][one] + cells[2][one]), names[one]))
    order = [one for one in order if any(cell[one] for cell in cells)]
    parts: list[tuple[str, list[int]]] = [(names[one], [one]) for one in order[:MOST_GROUPS]]
    if rest := order[MOST_GROUPS:]:
        parts.append((f"… {len(rest):,} others", rest))
    found = []
    for name, some in parts:
        rows = np.isin(group, some)
        hits, missed, wrong, right = (int(cell[some].sum()) for cell in cells)
        found.append(
            {
                "name": name,
                "texts": hits + missed + wrong + right,
                "hits": hits,
                "missed": missed,
                "wrong": wrong,
                "right": right,
                "precision": hits / (hits + wrong) if hits + wrong else None,
                "recall": hits / (hits + missed) if hits + missed else None,
                "false_alarms": wrong / (wrong + right) if wrong + right else None,
                measure.average_name: measure.averaged(scores[rows]),
                "roc_auc": _or_none(roc_auc(truth[rows], scores[rows])),
            }
        )
    return found


def auc_of_like_length(characters: np.ndarray, truth: np.ndarray, scores: np.ndarray) -> float | None:
    """Share of pairs in the right order, ties half, among pairs of texts in one bin of length; None without any.

    A model that goes by length alone has a half here, whatever its area is.
    """
    place = np.searchsorted(LENGTHS, characters, "right") - 1
    won, pairs = 0.0, 0
    for one in range(len(LENGTHS)):
        good = truth[place == one]
        mine = int(good.sum()) * int((~good).sum())
        if mine:
            won += mine * roc_auc(good, scores[place == one])
            pairs += mine
    return won / pairs if pairs else None


def by_length(
    characters: np.ndarray,
    truth: np.ndarray | None,
    scores: np.ndarray,
    threshold: float,
    measure: Measure = SCORES,
) -> list[dict[str, Any]]:
    """Figures by bin of length (``characters`` int64[n]); bins without a text are left out."""
    place = np.searchsorted(LENGTHS, characters, "right") - 1
    found = []
    for one, start in enumerate(LENGTHS):
        rows = place == one
        if not rows.any():
            continue
        row: dict[str, Any] = {
            "from": start,
            "to": LENGTHS[one + 1] if one + 1 < len(LENGTHS) else None,
            "texts": int(rows.sum()),
            "kept_share": float((scores[rows] >= measure.turned(threshold)).mean()),
            measure.average_name: measure.averaged(scores[rows]),
        }
        if truth is not None:
            good = truth[rows]
            row |= {
                "good": int(good.sum()),
                "roc_auc": _or_none(roc_auc(good, scores[rows])),
                f"{measure.average}_of_good": measure.averaged(scores[rows][good]) if good.any() else None,
                f"{measure.average}_of_others": measure.averaged(scores[rows][~good])
                if not good.all()
                else None,
            }
        found.append(row)
    return found


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
