"""All figures of one domain model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hanji.classifiers.domains.evaluating import pool as of_pool
from hanji.classifiers.domains.evaluating.asked import Run
from hanji.classifiers.domains.evaluating.by_label import Draws, drawn, label_figures
from hanji.classifiers.domains.evaluating.coverage import coverage_curve, coverage_table
from hanji.classifiers.domains.evaluating.examples import mistakes, show
from hanji.classifiers.domains.evaluating.groups import accuracy_of_length, behaviour, by_group, by_length
from hanji.classifiers.domains.evaluating.models import DomainModel
from hanji.classifiers.domains.evaluating.scoring import Scored
from hanji.classifiers.domains.evaluating.trust import model_warnings
from hanji.classifiers.evaluating.calibration import reliability
from hanji.classifiers.evaluating.ngrams import weightiest
from hanji.classifiers.texts import Text

_READ_AT_ONCE = 256
_LISTS = ("up", "heaviest_up")


def model_figures(
    run: Run, place: int, labelled: Scored | None, pool: Scored | None
) -> tuple[dict[str, Any], Draws | None]:
    """All figures of one model, and those of the draws of sites that a comparison needs."""
    model = run.models[place]
    told: dict[str, Any] = {
        "name": model.name,
        "path": str(model.path),
        "sha256": model.sha256,
        "labels": list(model.scorer.labels),
        "preparation": model.scorer.preparation,
    }
    draws = None
    if labelled is not None and labelled.truth is not None:
        mine = labelled.told[place]
        draws = drawn(labelled.truth, mine.label, labelled.site, len(run.labels))
        told |= _on_labels(run, place, labelled, draws)
        rows = mistakes(labelled.truth, mine, len(run.labels), run.asked.samples)
        told["mistakes"] = show(run.labelled_texts, labelled, rows, {place: model}, run.labels)
        run.warnings += model_warnings(run, place, told)
    if pool is not None:
        told["pool"] = of_pool.pool_figures(
            pool, pool.told[place], run.labels, run.asked.min_probability, run.asked.probabilities()
        )
    told["ngrams"] = _ngrams(run, model)
    return told, draws


def _on_labels(run: Run, place: int, scored: Scored, draws: Draws) -> dict[str, Any]:
    """Figures that need labels."""
    assert scored.truth is not None
    truth, told, asked, labels = scored.truth, scored.told[place], run.asked, run.labels
    names, group = (scored.sources, scored.source) if asked.by == "source" else (scored.sites, scored.site)
    lengths = by_length(scored.characters, truth, told, len(labels), asked.min_probability)
    return {
        "figures": label_figures(truth, told.label, scored.site, draws, labels),
        "coverage": coverage_table(truth, told, scored.site, labels, asked.probabilities()),
        "coverage_curve": coverage_curve(truth, told, len(labels)),
        "calibration": _calibration(truth, scored, place, labels),
        "confusion": {
            "by": asked.by,
            "rows": by_group(names, group, truth, told, labels, asked.min_probability),
        },
        "variants": behaviour(truth, told, scored.changed[place], len(labels), asked.min_probability),
        "lengths": lengths,
        "accuracy_of_length": accuracy_of_length(lengths),
    }


def _calibration(truth: np.ndarray, scored: Scored, place: int, labels: Sequence[str]) -> dict[str, Any]:
    """Whether the probability of the label that is told is how often it is right, and the same of each label.

    Of a label (one against all): mean distance of its probability from its share of the texts, by bin (class-wise
    ECE; Kull et al. 2019). ``brier`` is that of all labels together (Brier 1950), 0 to 2; ``brier_of_shares`` that
    of always saying the labels' shares.
    """
    told, whole = scored.told[place], scored.probabilities[place]
    found = reliability(truth == told.label, told.probability)
    of_label = np.bincount(truth, minlength=len(labels))
    there = np.flatnonzero(of_label)
    squares = 0.0
    for one in range(len(labels)):
        squares += float(np.square(whole[:, one].astype(np.float64) - (truth == one)).sum())
    shares = of_label / len(truth)
    return {
        "bins": found["bins"],
        "expected_error": found["expected_error"],
        "largest_error": found["largest_error"],
        "mean_probability": float(told.probability.mean()),
        "accuracy": float((truth == told.label).mean()),
        "brier": squares / len(truth),
        "brier_of_shares": float(1 - np.square(shares).sum()),
        "by_label": {
            labels[one]: reliability(truth == one, whole[:, one].astype(np.float64))["expected_error"]
            for one in there.tolist()
        },
    }


def _ngrams(run: Run, model: DomainModel) -> dict[str, Any] | None:
    """What a linear model goes by for each label that it has; None for another kind of model."""
    if not run.asked.ngrams or model.reader(model.scorer.labels[0]) is None:
        return None
    source = run.labelled_texts if run.labelled is not None else run.pool_texts
    found: dict[str, Any] = {"labels": {}}
    for label in model.scorer.labels:
        reader = model.reader(label)
        assert reader is not None
        one = weightiest(reader, lambda label=label: _batches(run, source, label), run.asked.ngrams)  # type: ignore[misc]
        found |= {"texts": one["texts"], "least_texts": one["least_texts"]}
        found["labels"][label] = {name: one[name] for name in _LISTS}
    return found


def _batches(run: Run, source: Any, label: str) -> Iterator[tuple[list[str], np.ndarray | None]]:
    some: list[tuple[str, Text]] = []
    for number, pair in enumerate(source()):
        if number == run.asked.ngram_texts:
            break
        some.append(pair)
        if len(some) == _READ_AT_ONCE:
            yield _apart(some, label)
            some = []
    if some:
        yield _apart(some, label)


def _apart(pairs: Sequence[tuple[str, Text]], label: str) -> tuple[list[str], np.ndarray | None]:
    good = np.array([one == label for one, _ in pairs]) if pairs[0][0] else None
    return [text.text for _, text in pairs], good
