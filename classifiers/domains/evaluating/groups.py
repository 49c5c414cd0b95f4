"""How a domain model does by source, by length, and when a text is cut short or its spaces change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hanji.classifiers.domains.evaluating.coverage import placed
from hanji.classifiers.domains.evaluating.scoring import Told
from hanji.classifiers.domains.figures import counted, macro_f1
from hanji.classifiers.evaluating.groups import LENGTHS, MOST_GROUPS

NOTHING = "none"
"""What a text is taken for of which a model knows nothing."""


def by_group(
    names: Sequence[str],
    group: np.ndarray,
    truth: np.ndarray,
    told: Told,
    labels: Sequence[str],
    least: float,
) -> list[dict[str, Any]]:
    """A row for each group and label that have texts together; the most wrong ones first, and of as many by name.

    ``group`` int[n]: place in ``names``. ``told``: texts by what they were taken for, the most first. The rows
    beyond the first MOST_GROUPS are added up in one, "… others".
    """
    number = len(labels)
    key, place = np.unique(group * number + truth, return_inverse=True)
    right = told.label == truth
    texts, hits = np.bincount(place), np.bincount(place, right).astype(np.int64)
    owner = [(names[one // number], labels[one % number]) for one in key.tolist()]
    order = sorted(range(len(key)), key=lambda one: (-int(texts[one] - hits[one]), owner[one]))
    parts = [(*owner[one], [one]) for one in order[:MOST_GROUPS]]
    if rest := order[MOST_GROUPS:]:
        parts.append((f"… {len(rest):,} others", "", rest))
    found = []
    for name, label, some in parts:
        rows = np.isin(place, some)
        counts = np.bincount(told.label[rows], minlength=number + 1)
        mine = placed(told, least, number) & rows
        found.append(
            {
                "name": name,
                "label": label,
                "texts": int(texts[some].sum()),
                "right": int(hits[some].sum()),
                "placed": int(mine.sum()),
                "placed_right": int((mine & right).sum()),
                "mean_probability": float(told.probability[rows].mean()),
                "told": {
                    [*labels, NOTHING][one]: int(counts[one])
                    for one in sorted(np.flatnonzero(counts).tolist(), key=lambda one: (-counts[one], one))
                },
            }
        )
    return found


def by_length(
    characters: np.ndarray, truth: np.ndarray, told: Told, labels: int, least: float
) -> list[dict[str, Any]]:
    """Figures by bin of length (``characters`` int64[n]); bins without a text are left out.

    ``most_common``: what always saying the bin's most common label would get right.
    """
    place = np.searchsorted(LENGTHS, characters, "right") - 1
    found = []
    for one, start in enumerate(LENGTHS):
        rows = place == one
        if not rows.any():
            continue
        mine, right = placed(told, least, labels)[rows], (told.label == truth)[rows]
        found.append(
            {
                "from": start,
                "to": LENGTHS[one + 1] if one + 1 < len(LENGTHS) else None,
                "texts": int(rows.sum()),
                "labels": int((np.bincount(truth[rows]) > 0).sum()),
                "accuracy": float(right.mean()),
                "most_common": float(np.bincount(truth[rows]).max() / rows.sum()),
                "mean_probability": float(told.probability[rows].mean()),
                "coverage": float(mine.mean()),
                "placed_accuracy": float(right[mine].mean()) if mine.any() else None,
            }
        )
    return found


def accuracy_of_length(rows: Sequence[Mapping[str, Any]]) -> float:
    """What always saying the most common label of a text's bin of length would get right, of rows of by_length."""
    return float(sum(row["most_common"] * row["texts"] for row in rows) / sum(row["texts"] for row in rows))


def behaviour(
    truth: np.ndarray, told: Told, changed: Mapping[str, Told], labels: int, least: float
) -> list[dict[str, Any]]:
    """What each variant does: ``changing`` is the share of the texts that get another label, ``crossing`` that of
    those that are placed and were not, or the other way round; losses are those of texts as they are less the
    variant's.
    """
    right = float((told.label == truth).mean())
    mean = macro_f1(counted(truth, told.label, labels))
    before = placed(told, least, labels)
    found = []
    for name, other in changed.items():
        accuracy = float((other.label == truth).mean())
        of_other = macro_f1(counted(truth, other.label, labels))
        after = placed(other, least, labels)
        found.append(
            {
                "variant": name,
                "accuracy": accuracy,
                "accuracy_lost": right - accuracy,
                "macro_f1": of_other,
                "macro_f1_lost": mean - of_other,
                "changing": float((other.label != told.label).mean()),
                "crossing": float((after != before).mean()),
                "mean_change": float((other.probability - told.probability).mean()),
                "placed_accuracy": float((other.label == truth)[after].mean()) if after.any() else None,
            }
        )
    return found
