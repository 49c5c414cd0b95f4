"""Measure: the one text pass over a split, and the score of each language's quality classifier."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.classifiers.quality import QualityScorer
from hanji.curation.records import TEXT
from hanji.curation.signals.text import SIGNALS, measure
from hanji.curation.steps.texts import SplitWork, groups
from hanji.curation.work import Attempt, Outcome

VERSION = 1
SCORE_VERSION = 2
SIGNAL_ROWS = pa.schema([("id", TEXT), *((name, pa.int64()) for name in SIGNALS)])
SCORES = pa.schema([("id", TEXT), ("score", pa.float64())])


def measure_split(attempt: Attempt, work: SplitWork) -> Outcome:
    """Write signals/text: id and one integer column a signal, for the documents that were read."""
    documents = 0
    with attempt.table_writer("signals", "signals/text", SIGNAL_ROWS) as writer:
        for group in groups(attempt.run, work):
            signals = measure(group.texts, group.languages)
            writer.write(signals.add_column(0, "id", group.ids).cast(SIGNAL_ROWS))
            documents += len(group)
    return Outcome(info={"documents": documents})


def score_split(attempt: Attempt, work: SplitWork, models: dict[str, str]) -> Outcome:
    """Write signals/quality: id and ``score`` (float64 in [0, 1], null without a model of the language)."""
    documents = 0
    with attempt.table_writer("score", "signals/quality", SCORES) as writer:
        for group in groups(attempt.run, work):
            scores = np.full(len(group), np.nan)
            for language, path in sorted(models.items()):
                rows = np.flatnonzero(pc.equal(group.languages, language).to_numpy(zero_copy_only=False))
                if len(rows):
                    scores[rows] = QualityScorer(path).score(group.texts.take(pa.array(rows)))
            column = pa.array(scores, pa.float64(), mask=np.isnan(scores))
            writer.write(pa.table({"id": group.ids, "score": column}))
            documents += len(group)
    return Outcome(info={"documents": documents})
