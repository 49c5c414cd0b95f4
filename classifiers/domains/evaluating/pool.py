"""What a domain model makes of a pool: documents, bytes and tokens by predicted domain and probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hanji.classifiers.domains.evaluating.coverage import placed
from hanji.classifiers.domains.evaluating.groups import NOTHING
from hanji.classifiers.domains.evaluating.scoring import Scored, Told
from hanji.classifiers.evaluating.groups import MOST_GROUPS

BINS = 20


def pool_figures(
    scored: Scored, told: Told, names: Sequence[str], least: float, values: Sequence[float]
) -> dict[str, Any]:
    """Figures of one model on a pool.

    ``domains``: a row for each predicted domain, at last for none, with amounts, those of them that are placed (of
    at least ``least``), and texts by probability in BINS equal bins; ``values``: the share of the documents that
    each least probability places, in all and by domain; ``sources``: the domains of the largest sources.
    """
    number = len(names)
    mine = placed(told, least, number)
    bins = np.clip((told.probability * BINS).astype(np.int64), 0, BINS - 1)
    amounts = {"documents": np.ones(len(told.label), np.int64), "bytes": scored.bytes}
    if scored.tokens is not None:
        amounts["tokens"] = scored.tokens
    domains = []
    for one, name in enumerate([*names, NOTHING]):
        rows = told.label == one
        row: dict[str, Any] = {"domain": name}
        for what, amount in amounts.items():
            row[what] = int(amount[rows].sum())
            row[f"{what}_share"] = _ratio(row[what], int(amount.sum()))
            row[f"{what}_placed"] = int(amount[rows & mine].sum())
        row["mean_probability"] = float(told.probability[rows].mean()) if rows.any() else None
        row["by_probability"] = np.bincount(bins[rows], minlength=BINS).tolist()
        domains.append(row)
    return {
        "domains": domains,
        "values": [_at(told, value, names) for value in values],
        "sources": _sources(scored, told, names, mine),
    }


def _at(told: Told, value: float, names: Sequence[str]) -> dict[str, Any]:
    mine = placed(told, value, len(names))
    counts = np.bincount(told.label[mine], minlength=len(names))
    return {
        "min_probability": value,
        "documents": int(mine.sum()),
        "share": float(mine.mean()),
        "by_domain": {name: int(count) for name, count in zip(names, counts.tolist(), strict=False)},
    }


def _sources(scored: Scored, told: Told, names: Sequence[str], mine: np.ndarray) -> list[dict[str, Any]]:
    """The domains of each source, the sources of most documents first."""
    count = np.bincount(scored.source, minlength=len(scored.sources))
    order = sorted(range(len(count)), key=lambda one: (-int(count[one]), scored.sources[one]))
    size = len(names) + 1
    table = np.bincount(scored.source * size + told.label, minlength=len(count) * size).reshape(-1, size)
    sure = np.bincount(scored.source, mine, len(count)).astype(np.int64)
    found = []
    for one in order[:MOST_GROUPS]:
        some = sorted(np.flatnonzero(table[one]).tolist(), key=lambda place: (-table[one][place], place))
        found.append(
            {
                "name": scored.sources[one],
                "documents": int(count[one]),
                "placed": int(sure[one]),
                "domains": {[*names, NOTHING][place]: int(table[one][place]) for place in some},
            }
        )
    return found


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
