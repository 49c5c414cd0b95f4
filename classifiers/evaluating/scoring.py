"""Scores of the texts of an evaluation, and what figures need of each text: columns, a row a text.

Texts stay on disk; of each a few dozen bytes of numbers are in memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hanji.classifiers.evaluating.curves import whole_numbers
from hanji.classifiers.evaluating.variants import VARIANTS
from hanji.classifiers.texts import Text
from hanji.errors import InputError


class Scorer(Protocol):
    """What gives texts a number of which more is better: ``QualityScorer``, ``TurnedPerplexity``."""

    path: Path
    sha256: str
    label: str
    labels: list[str]
    preparation: str

    def score(self, texts: list[str]) -> np.ndarray: ...


CountTokens = Callable[[list[str]], np.ndarray]
"""Tokens of each of some texts, int64[n]."""
_AT_ONCE = 1024


@dataclass(frozen=True)
class Scored:
    """Texts in the order of their hash.

    ``truth`` bool[n] (None: no labels); ``source``, ``site`` int64[n]: places in ``sources`` and ``sites``;
    ``characters``, ``bytes``, ``tokens`` int64[n] (tokens None: not counted); ``scores``: float64[n] of each model;
    ``changed``: for each model, float64[n] of each variant.
    """

    truth: np.ndarray | None
    source: np.ndarray
    sources: list[str]
    site: np.ndarray
    sites: list[str]
    characters: np.ndarray
    bytes: np.ndarray
    tokens: np.ndarray | None
    scores: list[np.ndarray]
    changed: list[dict[str, np.ndarray]]


class Column:
    """Numbers that grow batch by batch, without an object each."""

    def __init__(self, kind: str) -> None:
        self._numbers = array(kind)

    def add(self, values: Iterable[float] | np.ndarray) -> None:
        if isinstance(values, np.ndarray):
            wanted = np.float64 if self._numbers.typecode == "d" else np.int64
            self._numbers.frombytes(np.ascontiguousarray(values, wanted).tobytes())
        else:
            self._numbers.extend(values)  # type: ignore[arg-type]

    def whole(self) -> np.ndarray:
        return np.frombuffer(self._numbers, np.float64 if self._numbers.typecode == "d" else np.int64)


class TextFacts:
    """Gathers what figures need of texts besides scores, batch by batch: where they are from, and their sizes."""

    def __init__(self, count_tokens: CountTokens | None) -> None:
        self._count_tokens = count_tokens
        self._sizes = {name: Column("q") for name in ("characters", "bytes", "tokens")}
        self._places: dict[str, dict[str, int]] = {"source": {}, "site": {}}
        self._groups = {name: Column("q") for name in self._places}

    def add(self, texts: Sequence[Text]) -> list[str]:
        """Add a batch; returns its texts alone."""
        plain = [text.text for text in texts]
        self._sizes["characters"].add([len(text) for text in plain])
        self._sizes["bytes"].add([len(text.encode("utf-8", "surrogatepass")) for text in plain])
        if self._count_tokens is not None:
            self._sizes["tokens"].add(self._count_tokens(plain))
        for name, known in self._places.items():
            self._groups[name].add([known.setdefault(getattr(text, name), len(known)) for text in texts])
        return plain

    def whole(self) -> dict[str, Any]:
        """The columns of all texts, by the names that ``Scored`` has for them."""
        return {
            "source": self._groups["source"].whole(),
            "sources": list(self._places["source"]),
            "site": self._groups["site"].whole(),
            "sites": list(self._places["site"]),
            "characters": self._sizes["characters"].whole(),
            "bytes": self._sizes["bytes"].whole(),
            "tokens": None if self._count_tokens is None else self._sizes["tokens"].whole(),
        }


def score_texts(
    scorers: Sequence[Scorer],
    texts: Iterable[tuple[bool | None, Text]],
    *,
    variants: bool,
    count_tokens: CountTokens | None = None,
    advance: Callable[[int], None] = lambda n: None,
) -> Scored:
    """Score texts with each model, as they are and, if asked for, in each variant, a batch at a time.

    Raises InputError naming the model where a score is not a number.
    """
    truth, facts = Column("q"), TextFacts(count_tokens)
    scores = [Column("d") for _ in scorers]
    changed = [{name: Column("d") for name in VARIANTS} if variants else {} for _ in scorers]
    labelled = True
    for batch in _batches(texts):
        plain = facts.add([text for _, text in batch])
        labelled &= batch[0][0] is not None
        truth.add([bool(good) for good, _ in batch])
        for scorer, column, others in zip(scorers, scores, changed, strict=True):
            column.add(_scores(scorer, plain))
            for name, other in others.items():
                other.add(_scores(scorer, [VARIANTS[name](text) for text in plain]))
        advance(len(batch))
    return Scored(
        truth=truth.whole().astype(bool) if labelled else None,
        scores=[column.whole() for column in scores],
        changed=[{name: column.whole() for name, column in others.items()} for others in changed],
        **facts.whole(),
    )


def _scores(scorer: Scorer, texts: list[str]) -> np.ndarray:
    try:
        return whole_numbers(scorer.score(texts))
    except InputError as error:
        raise InputError(f"{scorer.path}: {error}") from None


def _batches(
    texts: Iterable[tuple[bool | None, Text]],
) -> Iterable[list[tuple[bool | None, Text]]]:
    batch: list[tuple[bool | None, Text]] = []
    for pair in texts:
        batch.append(pair)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
