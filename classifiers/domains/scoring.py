"""The domain of documents by a fastText classifier of more than two labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from hanji.classifiers import fasttext_model
from hanji.classifiers.fasttext_model import FastTextModel
from hanji.classifiers.linear import FAST, FLOOR, LinearModel, linear_model
from hanji.classifiers.preparing import DEFAULTS, known, prepare, without_surrogates
from hanji.classifiers.quality import read_card
from hanji.errors import InputError
from hanji.fingerprint import file_sha256_once

DOMAINS = (
    *("encyclopaedic", "academic", "code", "instruction", "news", "community", "commerce", "legal"),
    *("literature", "web"),
)
"""The project's own names; ``web`` is the rest. A model may have others."""


class DomainScorer:
    """Tells texts' domains with a model of `hanji classifier train-domain`, or any supervised fastText model.

    Its card (MODEL.json) says how texts are prepared for it; without one as DCLM does. The model is loaded once a
    process. Raises InputError for a model or card that is missing or broken.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        card = read_card(self.path)
        self.preparation = str(card.get("preparation") or DEFAULTS.get(str(card.get("language")), "dclm"))
        known(self.preparation)
        try:
            status = self.path.stat()
        except OSError:
            raise InputError(f"{self.path}: no such model file") from None
        self._file = (str(self.path), status.st_size, status.st_mtime_ns)
        self._linear: LinearModel | None = None
        self._model: FastTextModel | None = None
        if self.preparation in FAST:
            self._linear = linear_model(*self._file)
        if self._linear is None:
            self._model = fasttext_model.load(self.path)
        self.labels = self._linear.labels if self._linear is not None else self._loaded().labels()

    def identity(self) -> str:
        """What predictions depend on: the model's SHA-256 and how text is prepared for it."""
        return f"{file_sha256_once(*self._file)}-{self.preparation}"

    def predict(self, texts: Sequence[str] | pa.Array) -> tuple[pa.Array, np.ndarray]:
        """(the most probable domain of each text, its probability: float64 in [0, 1]).

        Null and NaN for a text of which the model knows nothing. Of labels that are equally probable, the first of
        the model's.
        """
        found = self.probabilities(texts)
        unknown = np.isnan(found).any(axis=1)
        best = np.where(unknown, 0, np.argmax(np.nan_to_num(found, nan=-1.0), axis=1))
        names = pa.array(self.labels, pa.large_string()).take(pa.array(best, mask=unknown))
        return names, np.where(unknown, np.nan, found[np.arange(len(found)), best])

    def probabilities(self, texts: Sequence[str] | pa.Array) -> np.ndarray:
        """The probability of each label, float64[n, labels]; NaN for a text of which the model knows nothing."""
        array = (
            texts
            if isinstance(texts, pa.Array)
            else pa.array(map(without_surrogates, texts), pa.large_string())
        )
        if self._linear is not None:
            return self._linear.probabilities(array, self.preparation)
        lines = [prepare(text, self.preparation) for text in array.to_pylist()]
        found = np.full((len(lines), len(self.labels)), np.nan)
        places = {label: place for place, label in enumerate(self.labels)}
        for row, predictions in enumerate(self._loaded().best(lines, len(self.labels))):
            for prediction in predictions:
                found[row, places[prediction.label]] = prediction.probability - FLOOR
        return found

    def _loaded(self) -> FastTextModel:
        assert self._model is not None
        return self._model
