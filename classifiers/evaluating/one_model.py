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
from hanji.classifiers.evaluating.models import Model
from hanji.classifiers.evaluating.ngrams import weightiest
from hanji.classifiers.evaluating.scoring import Scored
from hanji.classifiers.evaluating.sides import rank_correlation
from hanji.classifiers.evaluating.thresholds import threshold_table
from hanji.classifiers.evaluating.trust import length_warning
from hanji.classifiers.evaluating.variants import behaviour
from hanji.classifiers.figures import at_threshold
from hanji.classifiers.texts import Text

HISTOGRAM = 40
PRECISIONS, RECALLS = (0.9, 0.95), (0.8, 0.9)
_READ_AT_ONCE = 256


def model_figures(run: Run, place: int, labelled: Scored | None, pool: Scored | None) -> dict[str, Any]:
    """All figures of one model."""
    model, asked = run.models[place], run.asked
    shown = pool or labelled
    assert shown is not None
    told: dict[str, Any] = {
        "name": model.name,
        "path": str(model.path),
        "sha256": model.scorer.sha256,
        "label": model.scorer.label,
        "preparation": model.scorer.preparation,
        "threshold": model.threshold,
    }
    labels = None
    if labelled is not None and labelled.truth is not None:
        labels = (labelled.truth, labelled.scores[place])
        told |= _on_labels(labelled, place, model.threshold, asked.by)
        told["mistakes"] = _mistakes(run, place, labelled)
        run.warnings += length_warning(model.name, told["figures"])
    told["histogram"] = {
        name: np.histogram(scores, HISTOGRAM, (0, 1))[0].tolist()
        for name, scores in _score_groups(labelled, pool, place).items()
    }
    values = tuple(sorted({*asked.values, model.threshold}))
    told["thresholds"] = threshold_table(
        shown.scores[place], shown.bytes, shown.tokens, labels, asked.shares, values
    )
    told["variants"] = behaviour(
        (labelled or shown).truth,
        (labelled or shown).scores[place],
        (labelled or shown).changed[place],
        model.threshold,
    )
    told["lengths"] = by_length(
        (labelled or shown).characters,
        (labelled or shown).truth,
        (labelled or shown).scores[place],
        model.threshold,
    )
    told["length_correlation"] = rank_correlation(shown.characters, shown.scores[place])
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


def _on_labels(scored: Scored, place: int, threshold: float, by: str) -> dict[str, Any]:
    """Figures that need labels."""
    assert scored.truth is not None
    truth, scores = scored.truth, scored.scores[place]
    drawn = curves(truth, scores)
    kept = at_threshold(truth, scores, threshold)
    names, group = (scored.sources, scored.source) if by == "source" else (scored.sites, scored.site)
    return {
        "figures": {
            "roc_auc": drawn.roc_auc(),
            "roc_auc_of_like_length": auc_of_like_length(scored.characters, truth, scores),
            "average_precision": drawn.average_precision(),
            "share_good": float(truth.mean()),
            "intervals": intervals(truth, scores, scored.site),
            "best_f1": drawn.best_f1(),
            "at_threshold": {
                "threshold": threshold,
                "precision": None if np.isnan(kept.precision) else kept.precision,
                "recall": kept.recall,
                "macro_f1": kept.macro_f1,
            },
            "recall_at_precision": {str(p): drawn.recall_at_precision(p) for p in PRECISIONS},
            "precision_at_recall": {str(r): drawn.precision_at_recall(r) for r in RECALLS},
        },
        "curves": drawn.drawn(),
        "calibration": calibration(truth, scores),
        "confusion": {"by": by, "rows": confusion(names, group, truth, scores, threshold)},
    }


def _mistakes(run: Run, place: int, scored: Scored) -> dict[str, Any]:
    assert scored.truth is not None
    rows = mistakes(scored.truth, scored.scores[place], run.models[place].threshold, run.asked.samples)
    wanted = {name: [Wanted(int(row), {}) for row in some] for name, some in rows.items()}
    return show(run.labelled_texts, scored, wanted, [run.models[place].reader()], [place])


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
