"""A fastText classifier as what it is, a linear model, summed in compiled code.

A supervised fastText model averages the rows of a text's words and n-grams and multiplies by the output matrix.
Both are linear, so each row is multiplied once, when the model is loaded: a row is then a number a label (one for
two labels) instead of a hundred. Scores are those of fastText but for the rounding of its 32-bit sums.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from hanji.classifiers.fasttext_file import ModelFile, Words, read_model
from hanji.classifiers.feature_kernels import list_features
from hanji.classifiers.linear_kernels import Table, fill_slots, sum_texts
from hanji.classifiers.preparing import LABEL_PREFIX, SINGLE, prepare

FAST = ("dclm", "syllables")
"""Preparations that kernels read off a text's bytes."""
FLOOR = np.float32(1e-5)
"""What fastText adds to every probability (``std_log`` in its loss), and so to every score."""
_MARKS = np.frombuffer(f"</s>{LABEL_PREFIX}".encode(), np.uint8)
_ROWS = 1 << 16
# Spaces of prepared Korean that part no two words of letters and digits.
_LOOSE = re.compile("(?<![a-z0-9]) | (?![a-z0-9])")


@dataclass(frozen=True)
class Features:
    """Words and n-grams of texts, in their order: m features of n texts.

    ``letters`` uint8: the texts' bytes; ``text`` int64[m]; ``counts`` int64[n]: features of each text; the rest as
    ``feature_kernels.list_features`` gives it.
    """

    letters: np.ndarray
    text: np.ndarray
    counts: np.ndarray
    rows: np.ndarray
    keys: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    stopped: np.ndarray

    def word(self, place: int, preparation: str) -> str:
        """One of them as a person reads it: its words as prepared; Korean ones without spaces between them."""
        raw = bytes(self.letters[self.starts[place] : self.ends[place]]).decode("utf-8", "replace")
        shown = prepare(raw, preparation)
        if preparation == "syllables":
            shown = _LOOSE.sub("", shown)
        return f"{shown} </s>".strip() if self.stopped[place] else shown


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
        sums, counts = self._summed(*_buffers(texts), _single(preparation))
        with np.errstate(invalid="ignore"):
            logits = sums / np.where(counts > 0, counts, np.nan)[:, None]
        if len(self.labels) == 2:
            with np.errstate(over="ignore"):  # infinity, and so a probability of 0
                first = 1 / (1 + np.exp(-logits[:, 0]))
            return np.stack([first, 1 - first], axis=1)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    @property
    def rows(self) -> int:
        """Rows of the input matrix: words, then buckets of n-grams."""
        return len(self._weights)

    def toward(self, label: str) -> np.ndarray:
        """What one feature of each row adds to a label's log-odds, times the features of its text; float64[rows].

        With two labels that is all there is to a score. With more it is the label's weight less the mean of the
        others', which orders features by what they say for the label and is no exact share of the score.
        """
        place = self.labels.index(label)
        weights = self._weights.astype(np.float64)
        if len(self.labels) == 2:
            return weights[:, 0] if place == 0 else -weights[:, 0]
        others = weights.sum(axis=1) - weights[:, place]
        return np.asarray(weights[:, place] - others / max(1, len(self.labels) - 1))

    def features(self, texts: pa.Array, preparation: str) -> Features:
        """Every word and n-gram that the model reads in texts, which are as for ``probabilities``."""
        letters, at = _buffers(texts)
        _, counts = self._summed(letters, at, _single(preparation))
        size = int(counts.sum())
        found = Features(
            letters,
            np.repeat(np.arange(len(counts)), counts),
            counts,
            *(np.empty(size, kind) for kind in (np.int64, np.uint64, np.int64, np.int64, np.uint8)),
        )
        model = (self._table, self._words, self._buckets, self._word_ngrams)
        into = (found.rows, found.keys, found.starts, found.ends, found.stopped)
        listed = list_features(letters, at, _MARKS, _single(preparation), *model, *into)
        assert listed == size, f"{listed} features listed, {size} summed"
        return found

    def _summed(
        self, letters: np.ndarray, at: np.ndarray, single: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(float64[n, k] sums of weights, int64[n] features summed)."""
        sums = np.zeros((len(at) - 1, self._weights.shape[1]))
        counts = np.zeros(len(at) - 1, np.int64)
        model = (self._table, self._weights, self._words, self._buckets, self._word_ngrams, sums, counts)
        sum_texts(letters, at, _MARKS, single, *model)
        return sums, counts


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


def _buffers(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """(uint8 bytes of texts, int64[n + 1] where each begins and ends)."""
    texts = texts.cast(pa.large_string())
    _, offsets, data = texts.buffers()
    at = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data if data is not None and data.size else b" ", np.uint8), at


def _single(preparation: str) -> np.ndarray:
    return SINGLE if preparation == "syllables" else SINGLE[:0]


def _table(words: Words) -> Table:
    slots = np.zeros(1 << max(4, (2 * words.words).bit_length()), np.uint64)
    fill_slots(slots, words.letters, words.starts, words.ends, words.words)
    return Table(slots, words.letters, words.starts, words.ends)
