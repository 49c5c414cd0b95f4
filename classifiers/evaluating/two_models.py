"""Two models side by side on the same texts, with the texts on which they differ most."""

from __future__ import annotations

from typing import Any

import numpy as np

from hanji.classifiers.evaluating import sides
from hanji.classifiers.evaluating.asked import Run
from hanji.classifiers.evaluating.examples import Wanted, show
from hanji.classifiers.evaluating.scoring import Scored

MOST_SOURCES = 60


def side_by_side(run: Run, scored: Scored) -> dict[str, Any]:
    """Two models side by side, on the pool, else on the labelled texts."""
    a, b = scored.scores
    up, down, difference = sides.furthest(a, b, run.asked.samples)
    wanted = {
        name: [Wanted(int(row), {"rank_difference": float(difference[row])}) for row in rows]
        for name, rows in (("a_higher", up), ("b_higher", down))
    }
    return {
        "on": "pool" if run.pool is not None else "labelled",
        "names": [model.name for model in run.models],
        "rank_correlation": sides.rank_correlation(a, b),
        "mean_rank_distance": float(abs(difference).mean()),
        "agreements": sides.agreements(
            a,
            b,
            run.asked.shares,
            [(run.models[0].threshold, run.models[1].threshold)],
            (run.models[0].measure, run.models[1].measure),
        ),
        "by_source": _by_source(scored, difference),
        "samples": show(
            *(run.compared, scored, wanted, [model.reader() for model in run.models], [0, 1]),
            [model.measure for model in run.models],
        ),
    }


def _by_source(scored: Scored, difference: np.ndarray) -> list[dict[str, Any]]:
    """Which sources one model ranks higher than the other, on the mean; those furthest apart first."""
    count = np.bincount(scored.source, minlength=len(scored.sources))
    total = np.bincount(scored.source, difference, len(scored.sources))
    rows: list[dict[str, Any]] = [
        {"name": name, "texts": int(count[one]), "mean_rank_difference": float(total[one] / count[one])}
        for one, name in enumerate(scored.sources)
    ]
    rows.sort(key=lambda row: (-abs(float(row["mean_rank_difference"])), str(row["name"])))
    return rows[:MOST_SOURCES]
