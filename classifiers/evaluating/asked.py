"""What is asked of an evaluation, and what its parts share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hanji.classifiers.evaluating.material import Labelled, Split
from hanji.classifiers.evaluating.models import Model
from hanji.classifiers.evaluating.scoring import CountTokens
from hanji.classifiers.evaluating.thresholds import SHARES
from hanji.classifiers.texts import HashedTexts, Text
from hanji.errors import RecipeError


@dataclass(frozen=True)
class Asked:
    """What is asked of an evaluation.

    ``split``: what of the labelled texts is left out. ``shares``, ``values``: rows of the threshold table; a value
    of up to 1 is one of scores, above 1 one of perplexities (None: VALUES of scores, no perplexities).
    ``most``: texts of each label, and of the pool, by hash. ``by``: groups of the confusion, "source" or "site".
    ``ngrams``: how many to show of a kind, found in at most ``ngram_texts`` texts, by hash. ``samples``: texts to
    show of a kind; 0 shows no text at all.
    """

    split: Split = "sites"
    shares: tuple[float, ...] = SHARES
    values: tuple[float, ...] | None = None
    most: int | None = None
    by: str = "source"
    ngrams: int = 20
    ngram_texts: int = 10_000
    samples: int = 5

    def __post_init__(self) -> None:
        for share in self.shares:
            if not 0 < share <= 1:
                raise RecipeError(f"--share: {share:g} is not allowed: above 0, at most 1")


@dataclass(frozen=True)
class Tokens:
    """How the tokens of a pool are counted, and what that is called."""

    count: CountTokens
    said: str


@dataclass
class Run:
    """What the parts of an evaluation share."""

    asked: Asked
    models: list[Model]
    scratch: Path
    labelled: Labelled | None = None
    pool: HashedTexts | None = None
    warnings: list[str] = field(default_factory=list)

    def labelled_texts(self) -> Iterator[tuple[bool | None, Text]]:
        assert self.labelled is not None
        yield from self.labelled.in_order()

    def pool_texts(self) -> Iterator[tuple[bool | None, Text]]:
        assert self.pool is not None
        for _, text in self.pool.texts(self.asked.most):
            yield None, text

    @property
    def compared(self) -> Callable[[], Iterator[tuple[bool | None, Text]]]:
        """The texts on which two models are compared: the pool, else the labelled ones."""
        return self.pool_texts if self.pool is not None else self.labelled_texts
