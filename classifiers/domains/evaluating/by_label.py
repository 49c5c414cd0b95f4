"""Precision, recall and F1 by label, with intervals from drawing sites again: texts of a site resemble each other.

Every figure is of a table of counts, label by what it was taken for, so a draw is a sum of the tables of its sites.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from hanji.classifiers.domains.figures import counted, f1
from hanji.classifiers.evaluating.intervals import HIGHEST, LOWEST, RESAMPLES, site_draws

FIGURES = ("accuracy", "macro_f1", "macro_f1_of_several")


@dataclass(frozen=True)
class Draws:
    """Figures of d draws: float64[d] of each of FIGURES, float64[d, labels] of f1, precision and recall.

    NaN where a draw has nothing to divide by.
    """

    overall: dict[str, np.ndarray]
    of_label: dict[str, np.ndarray]


def sites_of_labels(truth: np.ndarray, site: np.ndarray, labels: int) -> np.ndarray:
    """How many sites each label has, int64[labels]."""
    pairs = np.unique(np.stack([truth, site]), axis=1)
    return np.bincount(pairs[0], minlength=labels)


def drawn_sites(truth: np.ndarray, site: np.ndarray) -> Iterator[np.ndarray]:
    """How often each site is drawn, int64[sites], of RESAMPLES draws with replacement; ``site`` is 0 to below them.

    A draw that lacks all texts of a label of several sites is made again, as for two labels
    (``evaluating.intervals``), so that every draw's mean is over the same labels. Which draws stand depends on
    ``truth`` and ``site`` alone: those of two models can be compared one by one.
    """
    pairs, count = np.unique(np.stack([truth, site]), axis=1), int(truth.max()) + 1
    several = np.flatnonzero(np.bincount(pairs[0], minlength=count) > 1)
    found = 0
    for weight in islice(site_draws(int(site.max()) + 1), 20 * RESAMPLES):
        texts = np.bincount(pairs[0], weight[pairs[1]], count)
        if texts.any() and (texts[several] > 0).all():
            found += 1
            yield weight
        if found == RESAMPLES:
            return


def drawn(truth: np.ndarray, told: np.ndarray, site: np.ndarray, labels: int) -> Draws:
    """Figures of each of ``drawn_sites``."""
    several = sites_of_labels(truth, site, labels) > 1
    there = np.bincount(truth, minlength=labels) > 0
    size = labels * (labels + 1)
    cells, amount = np.unique(site * size + truth * (labels + 1) + told, return_counts=True)
    owner, cell = cells // size, cells % size
    rows = [np.bincount(cell, weight[owner] * amount, size) for weight in drawn_sites(truth, site)]
    tables = np.array(rows).reshape(-1, labels, labels + 1)
    hits, texts, taken = (
        np.diagonal(tables, axis1=1, axis2=2),
        tables.sum(2),
        tables.sum(1)[:, :labels],
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        of_label = {
            "f1": np.where(texts > 0, 2 * hits / (texts + taken), np.nan),
            "precision": hits / taken,
            "recall": hits / texts,
        }
        overall = {"accuracy": hits.sum(1) / texts.sum(1)}
    for name, some in (("macro_f1", there), ("macro_f1_of_several", several)):
        of_some = of_label["f1"][:, some]
        full = ~np.isnan(of_some).any(axis=1) if some.any() else np.zeros(len(of_some), bool)
        overall[name] = np.where(full, np.nan_to_num(of_some).sum(1) / max(1, int(some.sum())), np.nan)
    return Draws(overall, of_label)


def interval(values: np.ndarray) -> list[float] | None:
    """The 95 % of the middle of some draws (float64[d], NaN left out); None where there is none."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    low, high = np.percentile(known, [LOWEST, HIGHEST])
    return [float(low), float(high)]


def label_figures(
    truth: np.ndarray, told: np.ndarray, site: np.ndarray, draws: Draws, names: list[str]
) -> dict[str, Any]:
    """Figures of a model: overall, by label, and the confusion.

    An interval stands where there are two sites to draw from: for a mean over labels, of each of them.
    ``macro_f1`` is the mean F1 of the labels that have texts, ``macro_f1_of_several`` of those of several sites.
    """
    labels = len(names)
    table = counted(truth, told, labels)
    sites = sites_of_labels(truth, site, labels)
    there, several = table.sum(1) > 0, sites > 1
    scores = f1(table)
    overall: dict[str, float | None] = {
        "accuracy": float(np.diag(table).sum() / table.sum()),
        "macro_f1": float(scores[there].mean()),
        "macro_f1_of_several": float(scores[several].mean()) if several.any() else None,
    }
    allowed = {
        "accuracy": int(site.max()) > 0,
        "macro_f1": bool((sites[there] > 1).all()),
        "macro_f1_of_several": bool(several.any()),
    }
    rows = []
    for place, name in enumerate(names):
        hits, texts, taken = int(table[place, place]), int(table[place].sum()), int(table[:, place].sum())
        row: dict[str, Any] = {"label": name, "texts": texts, "sites": int(sites[place]), "told": taken}
        values = {
            "precision": hits / taken if taken else None,
            "recall": hits / texts if texts else None,
            "f1": float(scores[place]) if texts else None,
        }
        row |= values
        row["intervals"] = {
            key: interval(draws.of_label[key][:, place])
            if several[place] and values[key] is not None
            else None
            for key in values
        }
        rows.append(row)
    return {
        **overall,
        "labels_of_several": int(several.sum()),
        "intervals": {key: interval(draws.overall[key]) if allowed[key] else None for key in FIGURES},
        "by_label": rows,
        "confusion": {"labels": names, "texts": table.tolist()},
    }


def difference(a: Mapping[str, Any], b: Mapping[str, Any], draws: Sequence[Draws]) -> dict[str, Any]:
    """Two models' ``label_figures``, of each of FIGURES A's less B's, and its interval, draw by draw."""
    return {
        key: {
            "difference": None if a[key] is None or b[key] is None else a[key] - b[key],
            "interval": None
            if a["intervals"][key] is None
            else interval(draws[0].overall[key] - draws[1].overall[key]),
        }
        for key in FIGURES
    }
