"""All figures of one model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hanji.classifiers.evaluating.asked import Run
from hanji.classifiers.evaluating.calibration import calibration
from hanji.classifiers.evaluating.curves import curves
from hanji.classifiers.evaluating.examples import Wanted, mistakes, show
from hanji.classifiers.evaluating.groups import auc_of_like_length, by_length, confusion
from hanji.classifiers.evaluating.intervals import intervals
from hanji.classifiers.evaluating.measure import PERPLEXITIES, SCORES
from hanji.classifiers.evaluating.models import Model
from hanji.classifiers.evaluating.ngrams import weightiest
from hanji.classifiers.evaluating.perplexity_figures import histograms, perplexity_figures
from hanji.classifiers.evaluating.scoring import Scored
from hanji.classifiers.evaluating.sides import rank_correlation
from hanji.classifiers.evaluating.thresholds import VALUES, threshold_table
from hanji.classifiers.evaluating.trust import length_warning
from hanji.classifiers.evaluating.variants import behaviour
from hanji.classifiers.figures import at_threshold
from hanji.classifiers.texts import Text

PRECISIONS, RECALLS = (0.9, 0.95), (0.8, 0.9)
_READ_AT_ONCE = 256


def model_figures(run: Run, place: int, labelled: Scored | None, pool: Scored | None) -> dict[str, Any]:
    """All figures of one model."""
    model, asked = run.models[place], run.asked
    measure, threshold = model.measure, model.threshold
    shown = pool or labelled
    assert shown is not None
    told: dict[str, Any] = {
        "kind": measure.kind,
        "name": model.name,
        "path": str(model.path),
        "sha256": model.scorer.sha256,
        "label": model.scorer.label or None,
        "preparation": model.scorer.preparation,
        "threshold": threshold,
    }
    labels = None
    if labelled is not None and labelled.truth is not None:
        labels = (labelled.truth, labelled.scores[place])
        told |= _on_labels(labelled, place, model, asked.by)
        told["mistakes"] = _mistakes(run, place, labelled)
        run.warnings += length_warning(model.name, told["figures"])
    groups = _score_groups(labelled, pool, place)
    if measure is PERPLEXITIES:
        told |= perplexity_figures(run, place, shown, labels, groups)
    else:
        told["histogram"] = histograms(groups, (0.0, 1.0))
    values = sorted(
        {*filter(measure.is_threshold, VALUES if asked.values is None else asked.values), threshold}
    )
    told["thresholds"] = threshold_table(
        shown.scores[place], shown.bytes, shown.tokens, labels, asked.shares, values, measure
    )
    of = labelled or shown
    told["variants"] = behaviour(of.truth, of.scores[place], of.changed[place], threshold, measure)
    told["lengths"] = by_length(of.characters, of.truth, of.scores[place], threshold, measure)
    told["length_correlation"] = rank_correlation(shown.characters, measure.told(shown.scores[place]))
    told["ngrams"] = _ngrams(run, model)
    return told


def _score_groups(labelled: Scored | None, pool: Scored | None, place: int) -> Mapping[str, np.ndarray]:
    found = {}
    if labelled is not None and labelled.truth is not None:
        found["good"] = labelled.scores[place][labelled.truth]
        found["others"] = labelled.scores[place][~labelled.truth]
    if pool is not None:
        found["pool"] = pool.scores[place]
    return found


def _on_labels(scored: Scored, place: int, model: Model, by: str) -> dict[str, Any]:
    """Figures that need labels."""
    assert scored.truth is not None
    truth, scores = scored.truth, scored.scores[place]
    measure, threshold = model.measure, model.threshold
    drawn = curves(truth, scores)
    points = drawn.drawn()
    kept = at_threshold(truth, scores, measure.turned(threshold))

    def told(pair: tuple[float, float] | None) -> tuple[float, float] | None:
        return None if pair is None else (pair[0], measure.turned(pair[1]))

    names, group = (scored.sources, scored.source) if by == "source" else (scored.sites, scored.site)
    return {
        "figures": {
            "roc_auc": drawn.roc_auc(),
            "roc_auc_of_like_length": auc_of_like_length(scored.characters, truth, scores),
            "average_precision": drawn.average_precision(),
            "share_good": float(truth.mean()),
            "intervals": intervals(truth, scores, scored.site),
            "best_f1": told(drawn.best_f1()),
            "at_threshold": {
                "threshold": threshold,
                "precision": None if np.isnan(kept.precision) else kept.precision,
                "recall": kept.recall,
                "macro_f1": kept.macro_f1,
            },
            "recall_at_precision": {str(p): told(drawn.recall_at_precision(p)) for p in PRECISIONS},
            "precision_at_recall": {str(r): told(drawn.precision_at_recall(r)) for r in RECALLS},
        },
        "curves": {**points, "threshold": [measure.turned(one) for one in points["threshold"]]},
        "calibration": calibration(truth, scores) if measure is SCORES else None,
        "confusion": {"by": by, "rows": confusion(names, group, truth, scores, threshold, measure)},
    }


def _mistakes(run: Run, place: int, scored: Scored) -> dict[str, Any]:
    assert scored.truth is not None
    model = run.models[place]
    least = model.measure.turned(model.threshold)
    rows = mistakes(scored.truth, scored.scores[place], least, run.asked.samples)
    wanted = {name: [Wanted(int(row), {}) for row in some] for name, some in rows.items()}
    return show(run.labelled_texts, scored, wanted, [model.reader()], [place], [model.measure])


def _ngrams(run: Run, model: Model) -> dict[str, Any] | None:
    """What a linear model goes by, in the labelled texts, else in the pool; None for another kind of model."""
    reader = model.reader()
    if reader is None or not run.asked.ngrams:
        return None
    source = run.labelled_texts if run.labelled is not None else run.pool_texts

    def batches() -> Iterator[tuple[list[str], np.ndarray | None]]:
        some: list[tuple[bool | None, Text]] = []
        for number, pair in enumerate(source()):
            if number == run.asked.ngram_texts:
                break
            some.append(pair)
            if len(some) == _READ_AT_ONCE:
                yield _apart(some)
                some = []
        if some:
            yield _apart(some)

    return weightiest(reader, batches, run.asked.ngrams)


def _apart(pairs: Sequence[tuple[bool | None, Text]]) -> tuple[list[str], np.ndarray | None]:
    good = None if pairs[0][0] is None else np.array([bool(one) for one, _ in pairs])
    return [text.text for _, text in pairs], good
