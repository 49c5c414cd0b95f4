"""What only a perplexity model has in an evaluation: its default threshold; head, middle and tail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hanji.classifiers.evaluating.asked import Run
from hanji.classifiers.evaluating.measure import PERPLEXITIES, WITHOUT
from hanji.classifiers.evaluating.perplexity import TurnedPerplexity
from hanji.classifiers.evaluating.scoring import Scored
from hanji.classifiers.evaluating.thresholds import ratio
from hanji.classifiers.perplexity import normal
from hanji.classifiers.perplexity.cutoffs import (
    BUCKETS,
    CCNET,
    HEAD_SHARE,
    MIDDLE_SHARE,
    CutOffs,
    exact_cutoffs,
)

LEFT_OUT = (
    "calibration: a perplexity is no probability",
    "n-grams: a perplexity is no sum of weights of n-grams",
)
HISTOGRAM = 40
MOST_SOURCES = 60


def perplexity_figures(
    run: Run,
    place: int,
    shown: Scored,
    labels: tuple[np.ndarray, np.ndarray] | None,
    groups: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Its SentencePiece model, what is left out, texts without a perplexity, histograms, and head, middle and tail.

    ``groups``: negative perplexities, float64, of which histograms of the log10 of perplexities are made;
    ``shown``: the texts whose percentiles are taken.
    """
    model = run.models[place]
    assert isinstance(model.scorer, TurnedPerplexity)
    lost = {name: int(without(scores).sum()) for name, scores in groups.items()}
    if any(lost.values()):
        told = ", ".join(f"{number:,} of {name}" for name, number in lost.items() if number)
        run.warnings.append(
            f"{model.name}: no perplexity for {told}: their normal form is empty; they rank last, as in tiers"
        )
    logs = {name: np.log10(-scores[~without(scores)]) for name, scores in groups.items()}
    ends = [end for some in logs.values() if len(some) for end in (float(some.min()), float(some.max()))]
    lowest = math.floor(min(ends, default=0.0))
    bounds = (float(lowest), float(max(lowest + 1, math.ceil(max(ends, default=0.0)))))
    return {
        "sentencepiece": model.scorer.sentencepiece.name,
        "sentencepiece_sha256": model.scorer.sentencepiece_sha256,
        "left_out": list(LEFT_OUT),
        "without": lost,
        "histogram": histograms(logs, bounds),
        "histogram_of": {"what": "log10 of perplexity", "from": bounds[0], "to": bounds[1]},
        "buckets": bucket_figures(shown, place, labels),
    }


def histograms(groups: Mapping[str, np.ndarray], bounds: tuple[float, float]) -> dict[str, list[int]]:
    """How many numbers of each group lie in each of equal bins."""
    return {name: np.histogram(values, HISTOGRAM, bounds)[0].tolist() for name, values in groups.items()}


def normal_form_warning(name: str, card: dict[str, Any]) -> list[str]:
    """A warning where a model was trained on another normal form than texts have here."""
    trained_on = card.get("normal_form")
    if trained_on in (None, normal.identity()):
        return []
    return [
        f"{name}: was trained on the normal form {trained_on}, texts are given {normal.identity()} here (the "
        "version of the form, and of Unicode in this Python): perplexities may differ a little"
    ]


def settle(run: Run, pool: Scored | None) -> None:
    """Give perplexity models that have none a threshold, and warn of what a reader should know of them."""
    for place, model in enumerate(run.models):
        if model.measure is not PERPLEXITIES:
            continue
        run.warnings += normal_form_warning(model.name, model.card)
        if math.isnan(model.threshold):
            threshold = default_threshold(pool, place, model.card, model.language)
            run.models[place] = replace(model, threshold=threshold)


def card_cutoffs(card: dict[str, Any], language: str) -> CutOffs:
    """The cut-offs that go with a model: of its held-out texts, else CCNet's for its published models."""
    held_out = card.get("held_out") or {}
    head, middle = ((held_out.get(name) or {}).get("below") for name in ("head", "middle"))
    return CCNET[language] if head is None or middle is None else CutOffs(float(head), float(middle))


def default_threshold(pool: Scored | None, place: int, card: dict[str, Any], language: str) -> float:
    """The largest perplexity that is not in the tail: that of the pool's best 60 %, else the card's cut-off."""
    if pool is None:
        return card_cutoffs(card, language).middle
    found = np.sort(-pool.scores[place])
    return float(found[max(0, int(MIDDLE_SHARE * len(found)) - 1)])


def without(scores: np.ndarray) -> np.ndarray:
    """Which texts have no perplexity, bool[n], by their negative perplexities."""
    return np.asarray(scores <= -WITHOUT)


def bucket_figures(shown: Scored, place: int, labels: tuple[np.ndarray, np.ndarray] | None) -> dict[str, Any]:
    """Head, middle and tail by the exact 30th and 60th percentile of some texts (``shown``, the pool).

    ``labels``: truth bool[m] and negative perplexities float64[m] of labelled texts: how many good ones and others
    each bucket has. Texts without a perplexity are in none of the three.
    """
    values = np.where(without(shown.scores[place]), np.nan, -shown.scores[place])
    head, middle = exact_cutoffs(lambda: [values])
    if np.isnan(head):
        return {"head": None, "middle": None, "rows": [], "by_source": []}
    cuts = CutOffs(head, middle)
    bucket = cuts.places(values)
    of_labelled = None
    if labels is not None:
        truth, scores = labels
        of_labelled = truth, cuts.places(np.where(without(scores), np.nan, -scores))
    rows = []
    for number, name in enumerate(BUCKETS):
        mine = bucket == number
        row: dict[str, Any] = {
            "bucket": name,
            "from": (None, head, middle)[number],
            "below": (head, middle, None)[number],
            "documents": int(mine.sum()),
            "documents_share": ratio(int(mine.sum()), len(mine)),
        }
        for what, amounts in (("bytes", shown.bytes), ("tokens", shown.tokens)):
            row[what] = None if amounts is None else int(amounts[mine].sum())
            row[f"{what}_share"] = None if amounts is None else ratio(row[what], int(amounts.sum()))
        if of_labelled is not None:
            truth, place_of = of_labelled
            good, others = (
                int((truth & (place_of == number)).sum()),
                int((~truth & (place_of == number)).sum()),
            )
            row |= {"good": good, "others": others, "share_good": ratio(good, good + others)}
        rows.append(row)
    return {
        "head": head,
        "middle": middle,
        "shares": [HEAD_SHARE, MIDDLE_SHARE],
        "rows": rows,
        "by_source": _by_source(shown, values, bucket),
    }


def _by_source(scored: Scored, values: np.ndarray, bucket: np.ndarray) -> list[dict[str, Any]]:
    """Median perplexity and shares of head, middle and tail of each source; the lowest median first."""
    order = np.argsort(scored.source, kind="stable")
    bounds = np.searchsorted(scored.source[order], np.arange(len(scored.sources) + 1))
    rows: list[dict[str, Any]] = []
    for one, name in enumerate(scored.sources):
        mine = order[bounds[one] : bounds[one + 1]]
        known = mine[bucket[mine] >= 0]
        counts = np.bincount(bucket[known], minlength=len(BUCKETS))
        rows.append(
            {
                "name": name,
                "texts": len(mine),
                "median_perplexity": float(np.median(values[known])) if len(known) else None,
                **{kind: ratio(int(count), len(mine)) for kind, count in zip(BUCKETS, counts, strict=True)},
            }
        )
    rows.sort(
        key=lambda row: (row["median_perplexity"] is None, row["median_perplexity"] or 0.0, row["name"])
    )
    return rows[:MOST_SOURCES]
