"""Texts to look at: a model's worst mistakes, and those where two models part, with what moved their scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hanji.classifiers.evaluating.measure import SCORES, Measure
from hanji.classifiers.evaluating.ngrams import Reader, explained, readable
from hanji.classifiers.evaluating.scoring import Scored
from hanji.classifiers.texts import Text

EXCERPT = 280
REASONS = 6


@dataclass(frozen=True)
class Wanted:
    """A row of the scored texts to show, and what else is said of it."""

    row: int
    more: Mapping[str, Any]


def mistakes(truth: np.ndarray, scores: np.ndarray, threshold: float, most: int) -> dict[str, np.ndarray]:
    """Rows of the others that score highest (``wrong``) and of the good texts that score lowest (``missed``).

    Only texts on the wrong side of the threshold; of equal scores the earlier row first.
    """
    order = np.argsort(scores, kind="stable")
    down = np.argsort(-scores, kind="stable")
    return {
        "wrong": down[~truth[down] & (scores[down] >= threshold)][:most],
        "missed": order[truth[order] & (scores[order] < threshold)][:most],
    }


def show(
    texts: Callable[[], Iterator[tuple[bool | None, Text]]],
    scored: Scored,
    wanted: Mapping[str, Sequence[Wanted]],
    readers: Sequence[Reader | None],
    models: Sequence[int],
    measures: Sequence[Measure] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """The texts of some rows: their hash, source, site, scores of ``models``, excerpt, and each model's reasons.

    ``texts`` gives them again in the order of the rows of ``scored``. ``measures``: of each of the models.
    """
    measures = measures or [SCORES] * len(models)
    needed = {one.row for some in wanted.values() for one in some}
    last = max(needed, default=-1)
    found: dict[int, dict[str, Any]] = {}
    for row, (good, text) in enumerate(texts()):
        if row > last:
            break
        if row in needed:
            found[row] = {
                "hash": text.hash().hex(),
                "source": text.source,
                "site": text.site,
                "good": good,
                "characters": len(text.text),
                "scores": [
                    measure.turned(float(scored.scores[model][row]))
                    for model, measure in zip(models, measures, strict=True)
                ],
                "excerpt": readable(text.text[: 4 * EXCERPT])[:EXCERPT],
                "reasons": [
                    None if reader is None else explained(reader, text.text, REASONS) for reader in readers
                ],
            }
    return {name: [found[one.row] | dict(one.more) for one in some] for name, some in wanted.items()}
