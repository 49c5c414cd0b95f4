"""A fastText classifier as what it is, a linear model, summed in compiled code.

A supervised fastText model averages the rows of a text's words and n-grams and multiplies by the output matrix.
Both are linear, so each row is multiplied once, when the model is loaded: a row is then a number a label (one for
two labels) instead of a hundred. Scores are those of fastText but for the rounding of its 32-bit sums.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from hanji.classifiers.fasttext_file import ModelFile, Words, read_model
from hanji.classifiers.linear_kernels import Table, fill_slots, sum_texts
from hanji.classifiers.preparing import LABEL_PREFIX, SINGLE

FAST = ("dclm", "syllables")
"""Preparations that kernels read off a text's bytes."""
FLOOR = np.float32(1e-5)
"""What fastText adds to every probability (``std_log`` in its loss), and so to every score."""
_MARKS = np.frombuffer(f"</s>{LABEL_PREFIX}".encode(), np.uint8)
_ROWS = 1 << 16


class LinearModel:
    """The sums of a model. ``weights``: float32[words + buckets, k], k = 1 for two labels (first less second)."""

    def __init__(self, model: ModelFile) -> None:
        self.labels = [label.removeprefix(LABEL_PREFIX) for label in model.words.labels()]
        outputs = model.outputs.astype(np.float64)
        of_labels = outputs[:1] - outputs[1:] if len(self.labels) == 2 else outputs
        self._weights = _multiplied(model.inputs, of_labels)
        self._table = _table(model.words)
        self._words, self._buckets = model.words.words, model.buckets
        self._word_ngrams = model.word_ngrams

    def probabilities(self, texts: pa.Array, preparation: str) -> np.ndarray:
        """Probability of each label, float64[n, labels]; NaN for a text without any feature.

        ``texts``: large_string without nulls. ``preparation``: one of FAST.
        """
        texts = texts.cast(pa.large_string())
        _, offsets, data = texts.buffers()
        at = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
        letters = np.frombuffer(data if data is not None and data.size else b" ", np.uint8)
        sums = np.zeros((len(texts), self._weights.shape[1]))
        counts = np.zeros(len(texts), np.int64)
        model = (self._table, self._weights, self._words, self._buckets, self._word_ngrams, sums, counts)
        sum_texts(letters, at, _MARKS, SINGLE if preparation == "syllables" else SINGLE[:0], *model)
        with np.errstate(invalid="ignore"):
            logits = sums / np.where(counts > 0, counts, np.nan)[:, None]
        if len(self.labels) == 2:
            first = 1 / (1 + np.exp(-logits[:, 0]))
            return np.stack([first, 1 - first], axis=1)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))


@lru_cache(maxsize=8)
def linear_model(path: str, size: int, modified: int) -> LinearModel | None:
    """The model of a file, once a process; None if fastText itself has to predict with it."""
    model = read_model(Path(path))
    return None if model is None else LinearModel(model)


def _multiplied(inputs: np.ndarray, of_labels: np.ndarray) -> np.ndarray:
    """inputs · of_labelsᵀ, float32, a stretch of rows at a time: the input matrix may be larger than memory."""
    made = np.empty((len(inputs), len(of_labels)), np.float32)
    for start in range(0, len(inputs), _ROWS):
        made[start : start + _ROWS] = inputs[start : start + _ROWS].astype(np.float64) @ of_labels.T
    return made


def _table(words: Words) -> Table:
    slots = np.zeros(1 << max(4, (2 * words.words).bit_length()), np.uint64)
    fill_slots(slots, words.letters, words.starts, words.ends, words.words)
    return Table(slots, words.letters, words.starts, words.ends)
