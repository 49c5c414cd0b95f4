"""Texts to look at: those that a model is most surely wrong about, and those where two models part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hanji.classifiers.domains.evaluating.groups import NOTHING
from hanji.classifiers.domains.evaluating.models import DomainModel
from hanji.classifiers.domains.evaluating.scoring import Scored, Told
from hanji.classifiers.evaluating.examples import EXCERPT, REASONS
from hanji.classifiers.evaluating.ngrams import explained, readable
from hanji.classifiers.texts import Text


def mistakes(truth: np.ndarray, told: Told, labels: int, most: int) -> list[int]:
    """Rows of at most ``most`` texts of each label that are taken for another, the surest first.

    By label, and of equal probability the earlier row first.
    """
    order = np.argsort(-told.probability, kind="stable")
    wrong = order[(told.label[order] != truth[order]) & (told.label[order] < labels)]
    return [int(row) for one in range(labels) for row in wrong[truth[wrong] == one][:most]]


def apart(a: Told, b: Told, labels: int, most: int) -> list[int]:
    """Rows of at most ``most`` texts to which two models give different labels, both as sure as may be.

    Ordered by the lower of the two probabilities, the highest first; of equal ones the earlier row first.
    """
    both = np.minimum(a.probability, b.probability)
    order = np.argsort(-both, kind="stable")
    fits = (a.label != b.label) & (a.label < labels) & (b.label < labels)
    return [int(row) for row in order[fits[order]][:most]]


def show(
    texts: Callable[[], Iterator[tuple[str, Text]]],
    scored: Scored,
    rows: Sequence[int],
    models: Mapping[int, DomainModel],
    names: Sequence[str],
) -> list[dict[str, Any]]:
    """The texts of some rows, in their order: what is known of them, an excerpt, and what each model makes of them.

    ``texts`` gives them again in the order of the rows of ``scored``; ``models`` are those at these places.
    """
    wanted, found = set(rows), {}
    last = max(wanted, default=-1)
    readers = {
        (place, label): model.reader(label)
        for place, model in models.items()
        for label in model.scorer.labels
    }
    for row, (label, text) in enumerate(texts()):
        if row > last:
            break
        if row not in wanted:
            continue
        told = []
        for place in models:
            of = int(scored.told[place].label[row])
            name = names[of] if of < len(names) else NOTHING
            reader = readers.get((place, name))
            told.append(
                {
                    "label": name,
                    "probability": float(scored.told[place].probability[row]),
                    "reasons": None if reader is None else explained(reader, text.text, REASONS),
                }
            )
        found[row] = {
            "hash": text.hash().hex(),
            "source": text.source,
            "site": text.site,
            "label": label or None,
            "characters": len(text.text),
            "excerpt": readable(text.text[: 4 * EXCERPT])[:EXCERPT],
            "told": told,
        }
    return [found[row] for row in rows]
