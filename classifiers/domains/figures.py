"""Figures of a classifier of many labels: confusion, F1 by label, their mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def confusion(truth: Sequence[str], told: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """int64[labels, labels + 1]: texts of label i that were taken for label j; in the last column, for none.

    None is what a text is taken for of which the model knows nothing.
    """
    places = {label: place for place, label in enumerate(labels)}
    rows = [places[label] for label in truth]
    columns = [places.get(label, len(labels)) for label in told]
    return counted(np.array(rows, np.int64), np.array(columns, np.int64), len(labels))


def counted(truth: np.ndarray, told: np.ndarray, labels: int) -> np.ndarray:
    """``confusion`` of places of labels, int64[n] each; ``labels`` stands for none of them."""
    cells = np.bincount(truth * (labels + 1) + told, minlength=labels * (labels + 1))
    return cells.reshape(labels, labels + 1)


def f1(table: np.ndarray) -> np.ndarray:
    """F1 of each label, float64; NaN for a label that has no text and was told of none."""
    hits = np.diag(table).astype(np.float64)
    both = table[:, :-1].sum(0) + table.sum(1)
    with np.errstate(invalid="ignore"):
        return np.where(both > 0, 2 * hits / np.maximum(both, 1), np.nan)


def macro_f1(table: np.ndarray) -> float:
    """The mean F1 of the labels that have texts; NaN where none has."""
    there = table.sum(1) > 0
    return float(f1(table)[there].mean()) if there.any() else float("nan")


def of_labels(table: np.ndarray, labels: Sequence[str]) -> dict[str, dict[str, float | int | None]]:
    """Texts, precision, recall and F1 by label; None where there is nothing to divide by."""
    found: dict[str, dict[str, float | int | None]] = {}
    scores = f1(table)
    for place, label in enumerate(labels):
        hits, texts, told = int(table[place, place]), int(table[place].sum()), int(table[:, place].sum())
        found[label] = {
            "texts": texts,
            "precision": hits / told if told else None,
            "recall": hits / texts if texts else None,
            "f1": None if np.isnan(scores[place]) else float(scores[place]),
        }
    return found
