"""Measure: the one text pass over a split, and the scores of each language's quality classifiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.classifiers.quality import QualityScorer
from hanji.curation.decisions.ensembles import mean_score, score_column
from hanji.curation.records import TEXT
from hanji.curation.scoring import Scoring, score_field
from hanji.curation.signals.text import SIGNALS, measure
from hanji.curation.steps.texts import SplitWork, groups
from hanji.curation.work import Attempt, Outcome

VERSION = 1
SCORE_VERSION = 2
SIGNAL_ROWS = pa.schema([("id", TEXT), *((name, pa.int64()) for name in SIGNALS)])
Models = dict[str, str | dict[str, str]]
"""By language the path of its one model, or of several by name."""


def measure_split(attempt: Attempt, work: SplitWork) -> Outcome:
    """Write signals/text: id and one integer column a signal, for the documents that were read."""
    documents = 0
    with attempt.table_writer("signals", "signals/text", SIGNAL_ROWS) as writer:
        for group in groups(attempt.run, work):
            signals = measure(group.texts, group.languages)
            writer.write(signals.add_column(0, "id", group.ids).cast(SIGNAL_ROWS))
            documents += len(group)
    return Outcome(info={"documents": documents})


def scores_schema(columns: Sequence[str]) -> pa.Schema:
    """Of signals/quality: id, ``score``, a column for each of a language's several models, and those of others."""
    return pa.schema([("id", TEXT), ("score", pa.float64()), *(score_field(name) for name in columns)])


def score_split(
    attempt: Attempt, work: SplitWork, models: Models, columns: Sequence[str], others: Scoring
) -> Outcome:
    """Write signals/quality: id and ``score`` (float64 in [0, 1], null without a model of the language).

    Where a language has several models, each has one of ``columns``, and ``score`` is their mean: it ranks the
    members of clusters, and becomes that of the ensemble when tiers are settled. ``others`` make the columns that
    are no scores of quality.
    """
    documents = 0
    schema = scores_schema(columns)
    with attempt.table_writer("score", "signals/quality", schema) as writer:
        for group in groups(attempt.run, work):
            mine = [name for name in schema.names[1:] if name not in others.columns()]
            found = {name: np.full(len(group), np.nan) for name in mine}
            for language, model in sorted(models.items()):
                rows = np.flatnonzero(pc.equal(group.languages, language).to_numpy(zero_copy_only=False))
                if not len(rows):
                    continue
                texts = group.texts.take(pa.array(rows))
                if isinstance(model, str):
                    found["score"][rows] = QualityScorer(model).score(texts)
                    continue
                each = {score_column(name): QualityScorer(path).score(texts) for name, path in model.items()}
                for name, scores in each.items():
                    found[name][rows] = scores
                found["score"][rows] = mean_score(each)
            scored = {
                name: pa.array(scores, pa.float64(), mask=np.isnan(scores)) for name, scores in found.items()
            }
            scored |= others.score(group.languages, group.texts)
            writer.write(pa.table({"id": group.ids, **scored}))
            documents += len(group)
    return Outcome(info={"documents": documents})
