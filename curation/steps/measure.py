"""Measure: the one text pass over a split, and the score of each language's quality classifier."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.classifiers.quality import QualityScorer
from hanji.curation.signals.text import measure
from hanji.curation.steps.texts import SplitWork, edited_texts
from hanji.curation.work import Attempt, Outcome

VERSION = 1


def measure_split(attempt: Attempt, work: SplitWork) -> Outcome:
    """Write signals/text: id and one integer column a signal, for the documents that were read."""
    texts = edited_texts(attempt.run, work)
    signals = measure(texts.texts, texts.languages)
    table = signals.add_column(0, "id", texts.ids)
    attempt.write_table("signals", "signals/text", table)
    return Outcome(info={"documents": len(texts)})


def score_split(attempt: Attempt, work: SplitWork, models: dict[str, str]) -> Outcome:
    """Write signals/quality: id and ``score`` (float64 in [0, 1], null without a model of the language)."""
    texts = edited_texts(attempt.run, work)
    scores = np.full(len(texts), np.nan)
    for language, path in sorted(models.items()):
        rows = np.flatnonzero(pc.equal(texts.languages, language).to_numpy(zero_copy_only=False))
        if len(rows):
            scorer = QualityScorer(path)
            scores[rows] = scorer.score(texts.texts.take(pa.array(rows)).to_pylist())
    column = pa.array(scores, pa.float64(), mask=np.isnan(scores))
    attempt.write_table("score", "signals/quality", pa.table({"id": texts.ids, "score": column}))
    return Outcome(info={"documents": len(texts)})
