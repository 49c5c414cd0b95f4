"""How fast quality classifiers score, and how far their scores are from fastText's.

A model of the size of DCLM's published one (2,000,000 buckets, 100 dimensions: 0.8 GB), trained for one epoch on a
part of the development texts: what a row says changes no speed. Each step tells its processor time as it goes.

Differences are told by the length of texts: fastText adds rows in 32 bits, and its rounding grows with every word,
while ours adds in 64. Whose rounding it is, is told by the texts of the largest differences, of which both are
compared with sums of whole rows in 64 bits, which are then multiplied by the output matrix as fastText does.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.classifier_corpus import corpus
from benchmarks.harness import Row, cpu_seconds, interleaved, median, say
from hanji.classifiers import fasttext_model
from hanji.classifiers.fasttext_file import ModelFile, read_model
from hanji.classifiers.linear import FLOOR, LinearModel
from hanji.classifiers.preparing import DEFAULTS, prepare
from hanji.classifiers.quality import HIGH, LOW, QualityScorer
from hanji.classifiers.texts import Text
from hanji.classifiers.training import default_training, write_lines

LEAST_SPEED = {"en": 15.0, "ko": 5.0}
CLOSE, LONG = 1e-5, 100_000
BUCKETS, DIMENSIONS = 2_000_000, 100
SCORED, TRAINED = 2_000_000, 1_000_000
"""Characters that are scored in a round, and those that the model is trained on."""
ROUNDS = 3
COMPARED = 20
"""Texts, of the largest differences, that are summed anew in 64 bits."""


def speed() -> list[Row]:
    """MB of UTF-8 a second of processor, of one core, and the largest difference from fastText's score."""
    table = []
    for language in ("en", "ko"):
        preparation = DEFAULTS[language]
        texts = _first(language, SCORED)
        array = pa.array(texts, pa.large_string())
        size = sum(len(text.encode()) for text in texts) / 1e6
        with tempfile.TemporaryDirectory() as scratch:
            path, lines = Path(scratch) / "model.bin", Path(scratch) / "lines.txt"
            labelled = (
                (HIGH if s.good else LOW, Text(s.text, None, s.site)) for s in _samples(language, TRAINED)
            )
            write_lines(lines, labelled, preparation, 0)
            how = replace(default_training(language), bucket=BUCKETS, dim=DIMENSIONS, epoch=1)
            _timed(
                f"{language}: trained",
                lambda lines=lines, path=path, how=how: fasttext_model.train(lines, path, how),
            )
            scorer = _timed(
                f"{language}: loaded", lambda path=path, p=preparation: QualityScorer(path, HIGH, p)
            )
            file = read_model(path)
            assert file is not None
            model: Any = _timed(
                f"{language}: loaded by fastText", lambda path=path: fasttext_model.load(path)._model.f
            )

        def by_fasttext(
            texts: list[str] = texts, preparation: str = preparation, model: Any = model
        ) -> list[float]:
            scores = []
            for text in texts:
                ((probability, label),) = model.predict(prepare(text, preparation) + "\n", 1, 0.0, "strict")
                scores.append(probability if label.endswith(HIGH) else 1 - probability)
            return scores

        given = np.clip(by_fasttext(), 0, 1)
        differences = abs(scorer.score(array) - given)
        long = np.array([len(text) > LONG for text in texts])
        taken = interleaved(
            {
                "fastText": lambda f=by_fasttext: cpu_seconds(f),  # type: ignore[misc]
                "ours": lambda s=scorer, a=array: cpu_seconds(lambda: s.score(a)),  # type: ignore[misc]
            },
            ROUNDS,
        )
        theirs, ours = (size / median(taken[name]) for name in ("fastText", "ours"))
        least = LEAST_SPEED[language]
        what = f"{language}: scoring {size:.1f} MB, {DIMENSIONS} dimensions, {BUCKETS:,} buckets"
        rates = (f"{theirs:.1f} MB/s", f"{ours:.1f} MB/s", f"{ours / theirs:.1f}×")
        table.append(Row(what, *rates, f"≥ {least:g} MB/s", ours >= least))
        most = float(differences[~long].max())
        what = f"{language}: largest difference, texts of up to {LONG:,} characters"
        table.append(Row(what, "", f"{most:.1e}", "", f"≤ {CLOSE:g}", most <= CLOSE))
        if long.any():
            what = f"{language}: the same, {long.sum()} longer ones, up to {max(map(len, texts)):,}"
            table.append(Row(what, "", f"{differences[long].max():.1e}"))
        widest = np.argsort(-differences)[:COMPARED]
        exact = _exact(file, [texts[place] for place in widest], preparation)
        from_exact = [
            float(abs(np.asarray(scores)[widest] - exact).max()) for scores in (given, scorer.score(array))
        ]
        what = f"{language}: from sums in 64 bits, the {COMPARED} texts that differ most"
        table.append(Row(what, f"{from_exact[0]:.1e}", f"{from_exact[1]:.1e}"))
        del model, scorer
        fasttext_model._cached.cache_clear()
    return table


def _exact(file: ModelFile, texts: list[str], preparation: str) -> np.ndarray:
    """Scores of texts by sums of the rows of their words and n-grams in 64 bits, float64[n]."""
    model = LinearModel(file)
    outputs = file.outputs.astype(np.float64)
    good = model.labels.index(HIGH)
    scores = []
    for text in texts:
        rows = model.features(pa.array([text], pa.large_string()), preparation).rows
        hidden = np.zeros(file.inputs.shape[1])
        for start in range(0, len(rows), 10_000):
            hidden += file.inputs[rows[start : start + 10_000]].sum(axis=0, dtype=np.float64)
        logits = outputs @ (hidden / len(rows))
        probability = 1 / (1 + np.exp(logits[1 - good] - logits[good]))
        scores.append(probability + (FLOOR if probability >= 0.5 else -FLOOR))
    return np.clip(scores, 0, 1)


def _timed(what: str, work: Any) -> Any:
    made: list[Any] = []
    seconds = cpu_seconds(lambda: made.append(work()))
    say(f"{what} in {seconds:.1f} s of processor")
    return made[0]


def _samples(language: str, characters: int) -> list[Any]:
    """The first samples, by hash, of so many characters."""
    found, left = [], characters
    for sample in corpus(language):
        if left <= 0:
            break
        found.append(sample)
        left -= len(sample.text)
    return found


def _first(language: str, characters: int) -> list[str]:
    return [sample.text for sample in _samples(language, characters)]
