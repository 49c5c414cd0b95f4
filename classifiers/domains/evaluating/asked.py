"""What is asked of an evaluation of domains, and what its parts share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hanji.classifiers.domains.evaluating.material import Labelled
from hanji.classifiers.domains.evaluating.models import DomainModel
from hanji.classifiers.evaluating.material import Split
from hanji.classifiers.texts import HashedTexts, Text
from hanji.errors import RecipeError

MIN_PROBABILITY = 0.5
"""That of a recipe whose ``domains`` say nothing else."""
VALUES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Asked:
    """What is asked of an evaluation of domains.

    ``split``: what of the labelled texts is left out. ``min_probability``: below it a document keeps its source's
    domain, as in a recipe; ``values``: others to tell of. ``most``: texts of each label, and of the pool, by hash.
    ``by``: groups of the confusion, "source" or "site". ``ngrams``: how many to show of each label, found in at
    most ``ngram_texts`` texts, by hash. ``samples``: texts to show of a kind; 0 shows no text at all.
    """

    split: Split = "sites"
    min_probability: float = MIN_PROBABILITY
    values: tuple[float, ...] = VALUES
    most: int | None = None
    by: str = "source"
    ngrams: int = 10
    ngram_texts: int = 500
    samples: int = 5

    def __post_init__(self) -> None:
        for option, numbers in (("--min-probability", (self.min_probability,)), ("--at", self.values)):
            for number in numbers:
                if not 0 <= number <= 1:
                    raise RecipeError(f"{option}: {number:g} is not allowed: a number from 0 to 1")

    def probabilities(self) -> list[float]:
        """The least probabilities to tell of, the lowest first; 0 places every document of which a model knows."""
        return sorted({0.0, self.min_probability, *self.values})


@dataclass
class Run:
    """What the parts of an evaluation share. ``labels``: of all models, by name."""

    asked: Asked
    models: list[DomainModel]
    labels: list[str]
    scratch: Path
    labelled: Labelled | None = None
    pool: HashedTexts | None = None
    warnings: list[str] = field(default_factory=list)

    def labelled_texts(self) -> Iterator[tuple[str, Text]]:
        """(label, text), in the order of the texts' hash."""
        assert self.labelled is not None
        yield from self.labelled.in_order()

    def pool_texts(self) -> Iterator[tuple[str, Text]]:
        """("", text), in the order of the texts' hash."""
        assert self.pool is not None
        yield from self.pool.texts(self.asked.most)
