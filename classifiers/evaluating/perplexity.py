"""A perplexity model (KenLM and SentencePiece) under evaluation: found by its files or its card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from hanji.classifiers.evaluating.measure import WITHOUT
from hanji.classifiers.perplexity.scoring import MODEL, PIECES, PerplexityScorer
from hanji.classifiers.quality import read_card
from hanji.errors import InputError
from hanji.fingerprint import file_sha256


class TurnedPerplexity:
    """Scores texts by the negative of their perplexity, so that more is better; −WITHOUT for a text that has none.

    What it shares with ``QualityScorer`` is what an evaluation asks of a scorer.
    """

    label = ""
    preparation = "ccnet"

    def __init__(self, model: Path) -> None:
        self.path = model
        self.labels: list[str] = []
        self.sentencepiece = model.with_name(model.name.removesuffix(MODEL) + PIECES)
        self._scorer = PerplexityScorer(model, self.sentencepiece)
        self.sha256, self.sentencepiece_sha256 = file_sha256(model), file_sha256(self.sentencepiece)

    def files(self) -> list[tuple[str, str, str]]:
        """What a card has of the model's files: key, name, SHA-256."""
        pieces = self.sentencepiece.name, self.sentencepiece_sha256
        return [("sha256", self.path.name, self.sha256), ("sentencepiece_sha256", *pieces)]

    def score(self, texts: Sequence[str] | pa.Array) -> np.ndarray:
        """float64[n], at most −1."""
        found = self._scorer.score(texts)
        return -np.where(np.isnan(found), WITHOUT, np.minimum(found, WITHOUT))


def perplexity_model(given: Path) -> Path | None:
    """The KenLM file of a model that a person names by either of its files, its card, or what these begin with.

    None where it is no perplexity model. Raises InputError where one of the two files is missing.
    """
    name = given.name
    if name.endswith(MODEL):
        stem = name.removesuffix(MODEL)
    elif name.endswith(PIECES):
        stem = name.removesuffix(PIECES)
    elif name.endswith(".json") and given.is_file():
        if read_card(given.with_suffix(".bin")).get("kind") != "perplexity":
            return None
        stem = name.removesuffix(".json")
    elif not given.exists() and given.with_name(name + MODEL).is_file():
        stem = name
    else:
        return None
    model, pieces = given.with_name(stem + MODEL), given.with_name(stem + PIECES)
    for path in (model, pieces):
        if not path.is_file():
            raise InputError(
                f"{path}: no such model file; a perplexity model is {stem}{MODEL} and {stem}{PIECES}, side by side"
            )
    return model
