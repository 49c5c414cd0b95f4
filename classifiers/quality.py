"""Quality scores: the probability that a fastText classifier gives to its label of good texts.

English follows DCLM (Li et al. 2024): words and word bigrams of the text with line ends as spaces. Korean
is cut into syllables without spaces, and their n-grams up to 3, so that spacing, which Koreans vary freely,
moves no score (``preparing`` has both).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hanji.classifiers import fasttext_model
from hanji.classifiers.fasttext_model import FastTextModel
from hanji.classifiers.linear import FAST, FLOOR, LinearModel, linear_model
from hanji.classifiers.perplexity.scoring import MODEL
from hanji.classifiers.preparing import DEFAULTS, known, prepare, without_surrogates
from hanji.errors import InputError
from hanji.fingerprint import file_sha256_once

HIGH, LOW = "high", "low"
GOOD_LABELS = (HIGH, "hq")
"""Labels that are taken for good texts where nothing else is said: ours, and that of DCLM's published model."""


class QualityScorer:
    """Scores texts with a classifier of `hanji classifier train`, or any supervised fastText model.

    Its card (MODEL.json, beside it) says what its label of good texts is and how texts are prepared for it. A model
    without a card is prepared for as DCLM does, and its label must be one of GOOD_LABELS; ``label`` and
    ``preparation`` say otherwise. The model is loaded once a process. Raises InputError for a model or card that
    is missing, broken or without such a label.
    """

    def __init__(self, path: str | Path, label: str | None = None, preparation: str | None = None) -> None:
        self.path = Path(path)
        card = read_card(self.path)
        self.preparation = preparation or str(
            card.get("preparation") or DEFAULTS.get(str(card.get("language")), "dclm")
        )
        known(self.preparation)
        try:
            status = self.path.stat()
        except OSError:
            raise InputError(f"{self.path}: no such model file") from None
        self._linear: LinearModel | None = None
        self._model: FastTextModel | None = None
        if self.preparation in FAST:
            self._linear = linear_model(str(self.path), status.st_size, status.st_mtime_ns)
        if self._linear is None:
            self._model = fasttext_model.load(self.path)
        labels = self._linear.labels if self._linear is not None else self._loaded().labels()
        self.label = _good_label(self.path, labels, label or card.get("high"))
        self.labels = labels
        self.sha256 = file_sha256_once(str(self.path), status.st_size, status.st_mtime_ns)

    def identity(self) -> str:
        """What scores depend on: the model's SHA-256, its label and how text is prepared for it."""
        return f"{self.sha256}-{self.label}-{self.preparation}"

    def files(self) -> list[tuple[str, str, str]]:
        """What a card has of the model's files: key, name, SHA-256."""
        return [("sha256", self.path.name, self.sha256)]

    def score(self, texts: Sequence[str] | pa.Array) -> np.ndarray:
        """The score of each text, float64 in [0, 1]; 0 for a text of which the model knows nothing.

        With two labels it is what DCLM takes: the better label's probability as fastText gives it, or one less it
        where the better label is the other one; with more labels, the probability as fastText gives it.
        """
        array = texts if isinstance(texts, pa.Array) else _array(texts)
        if self._linear is not None:
            found = self._linear.probabilities(array, self.preparation)
        else:
            found = self._asked(array.to_pylist())
        mine = found[:, self.labels.index(self.label)]
        given = np.minimum(mine + FLOOR, 1.0)
        if len(self.labels) == 2:
            given = np.where(mine >= 0.5, given, np.maximum(mine - FLOOR, 0.0))
        return np.nan_to_num(given, nan=0.0)

    def _asked(self, texts: list[str]) -> np.ndarray:
        """Probabilities from fastText itself, float64[n, labels], without what it adds; NaN as LinearModel."""
        found = np.full((len(texts), len(self.labels)), np.nan)
        lines = [prepare(text, self.preparation) for text in texts]
        for row, predictions in enumerate(self._loaded().best(lines, len(self.labels))):
            for prediction in predictions:
                found[row, self.labels.index(prediction.label)] = prediction.probability - FLOOR
        return found

    def _loaded(self) -> FastTextModel:
        assert self._model is not None
        return self._model


def card_path(model: Path) -> Path:
    """Where the card of a model lies: MODEL.json of MODEL.bin, and of MODEL.arpa.bin with its MODEL.sp.model."""
    stem = model.name.removesuffix(MODEL)
    return model.with_suffix(".json") if stem == model.name else model.with_name(f"{stem}.json")


def read_card(model: Path) -> dict[str, Any]:
    """The card beside a model; empty if there is none. Raises InputError for one that is no card."""
    path = card_path(model)
    if not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        card["language"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: not a model card of `hanji classifier train`") from None
    return dict(card)


def _good_label(path: Path, labels: Sequence[str], wanted: Any) -> str:
    if wanted is not None:
        if wanted not in labels:
            raise InputError(f"{path}: has no label {wanted!r}; its labels are: {', '.join(labels)}")
        return str(wanted)
    good = [label for label in labels if label in GOOD_LABELS]
    if len(good) != 1:
        names = " or ".join(map(repr, GOOD_LABELS))
        raise InputError(f"{path}: has no label {names}; its labels are: {', '.join(labels)}")
    return good[0]


def _array(texts: Sequence[str]) -> pa.Array:
    try:
        return pa.array(texts, pa.large_string())
    except UnicodeEncodeError:
        return pa.array([without_surrogates(text) for text in texts], pa.large_string())
