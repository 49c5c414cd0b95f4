"""What models tell of the texts of an evaluation, and what figures need of each text: columns, a row a text.

Texts stay on disk; of each some dozen numbers are in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hanji.classifiers.domains.scoring import DomainScorer
from hanji.classifiers.evaluating.scoring import Column, CountTokens, TextFacts
from hanji.classifiers.evaluating.variants import VARIANTS
from hanji.classifiers.texts import Text
from hanji.classifiers.training import batches


@dataclass(frozen=True)
class Told:
    """What one model tells of n texts.

    ``label`` int64[n]: the place of the most probable label among those of the evaluation, their number for a text
    of which the model knows nothing; ``probability`` float64[n]: its probability, 0 for such a text.
    """

    label: np.ndarray
    probability: np.ndarray


@dataclass(frozen=True)
class Scored:
    """n texts in the order of their hash.

    ``truth`` int64[n]: places of their labels (None: no labels); ``source``, ``site`` int64[n]: places in
    ``sources`` and ``sites``; ``characters``, ``bytes``, ``tokens`` int64[n] (tokens None: not counted). Of each
    model ``told``, the same of each variant in ``changed``, and in ``probabilities`` (labelled texts alone)
    float32[n, labels] with 0 for labels that the model does not have.
    """

    truth: np.ndarray | None
    source: np.ndarray
    sources: list[str]
    site: np.ndarray
    sites: list[str]
    characters: np.ndarray
    bytes: np.ndarray
    tokens: np.ndarray | None
    told: list[Told]
    changed: list[dict[str, Told]]
    probabilities: list[np.ndarray]


class _Teller:
    """Gathers what a model tells, batch by batch."""

    def __init__(self, scorer: DomainScorer, labels: Sequence[str], whole: bool) -> None:
        self._scorer, self._number = scorer, len(labels)
        self._places = np.array([labels.index(label) for label in scorer.labels], np.int64)
        self._label, self._probability = Column("q"), Column("d")
        self._whole: list[np.ndarray] | None = [] if whole else None

    def add(self, texts: list[str]) -> None:
        found = self._scorer.probabilities(texts)
        unknown = np.isnan(found).any(axis=1)
        found = np.nan_to_num(found, nan=0.0)
        best = found.argmax(axis=1)
        self._label.add(np.where(unknown, self._number, self._places[best]))
        self._probability.add(found[np.arange(len(found)), best])
        if self._whole is not None:
            row = np.zeros((len(found), self._number), np.float32)
            row[:, self._places] = found
            self._whole.append(row)

    def told(self) -> Told:
        return Told(self._label.whole(), self._probability.whole())

    def whole(self) -> np.ndarray:
        empty = np.zeros((0, self._number), np.float32)
        return np.concatenate([empty, *(self._whole or [])])


def score_texts(
    scorers: Sequence[DomainScorer],
    texts: Iterable[tuple[str, Text]],
    labels: Sequence[str],
    *,
    labelled: bool,
    count_tokens: CountTokens | None = None,
) -> Scored:
    """Ask each model of texts, a batch at a time; of labelled ones in each variant and for all probabilities, too.

    ``labels``: those of all models, among which every text's label is, if they are ``labelled``.
    """
    place = {label: number for number, label in enumerate(labels)}
    truth, facts = Column("q"), TextFacts(count_tokens)
    tellers = [_Teller(scorer, labels, labelled) for scorer in scorers]
    variants = VARIANTS if labelled else {}
    changed = [{name: _Teller(scorer, labels, False) for name in variants} for scorer in scorers]
    for batch in batches(texts):
        plain = facts.add([text for _, text in batch])
        if labelled:
            truth.add([place[label] for label, _ in batch])
        for teller in tellers:
            teller.add(plain)
        for name, change in variants.items():
            other = [change(text) for text in plain]
            for some in changed:
                some[name].add(other)
    return Scored(
        truth=truth.whole() if labelled else None,
        told=[teller.told() for teller in tellers],
        changed=[{name: teller.told() for name, teller in some.items()} for some in changed],
        probabilities=[teller.whole() for teller in tellers] if labelled else [],
        **facts.whole(),
    )
