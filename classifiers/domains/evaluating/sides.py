"""Two domain models on the same texts: what they agree on, and which of them is right where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hanji.classifiers.domains.evaluating.by_label import Draws, difference
from hanji.classifiers.domains.evaluating.coverage import placed
from hanji.classifiers.domains.evaluating.groups import NOTHING
from hanji.classifiers.domains.evaluating.scoring import Scored
from hanji.classifiers.evaluating.groups import MOST_GROUPS


def side_by_side(scored: Scored, names: Sequence[str], least: float) -> dict[str, Any]:
    """Whether two models say the same of texts: ``agreement``, Cohen's ``kappa``, ``table`` (texts by A's label and
    B's, both at last none), texts that both, one or neither place at ``least``, and where they part by source.
    """
    a, b = scored.told
    size = len(names) + 1
    table = np.bincount(a.label * size + b.label, minlength=size * size).reshape(size, size)
    texts = len(a.label)
    agreed = float(np.diag(table).sum() / texts)
    by_chance = float(table.sum(1) @ table.sum(0)) / texts**2
    same = a.label == b.label
    sure_a, sure_b = placed(a, least, len(names)), placed(b, least, len(names))
    return {
        "texts": texts,
        "agreement": agreed,
        "kappa": (agreed - by_chance) / (1 - by_chance) if by_chance < 1 else None,
        "labels": [*names, NOTHING],
        "table": table.tolist(),
        "placed": {
            "both": int((sure_a & sure_b).sum()),
            "same": int((sure_a & sure_b & same).sum()),
            "only_a": int((sure_a & ~sure_b).sum()),
            "only_b": int((~sure_a & sure_b).sum()),
            "neither": int((~sure_a & ~sure_b).sum()),
        },
        "by_source": _by_source(scored, same),
    }


def who_is_right(
    scored: Scored, figures: Sequence[Mapping[str, Any]], draws: Sequence[Draws]
) -> dict[str, Any]:
    """Texts that both, one or neither of two models is right about, and A's ``label_figures`` less B's."""
    assert scored.truth is not None
    a, b = (told.label == scored.truth for told in scored.told)
    return {
        "both": int((a & b).sum()),
        "only_a": int((a & ~b).sum()),
        "only_b": int((~a & b).sum()),
        "neither": int((~a & ~b).sum()),
        "a_less_b": difference(figures[0], figures[1], draws),
    }


def _by_source(scored: Scored, same: np.ndarray) -> list[dict[str, Any]]:
    """Texts of each source on which two models part; those of most such texts first."""
    count = np.bincount(scored.source, minlength=len(scored.sources))
    other = np.bincount(scored.source, ~same, len(scored.sources)).astype(np.int64)
    order = sorted(range(len(count)), key=lambda one: (-int(other[one]), scored.sources[one]))
    return [
        {"name": scored.sources[one], "texts": int(count[one]), "apart": int(other[one])}
        for one in order[:MOST_GROUPS]
        if other[one]
    ]
