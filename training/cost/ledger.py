"""The cost ledger: what models took to train, by stage and by ancestor, under every convention at once.

An amount of FLOPs is three numbers, because published figures are counted by three conventions and cannot be told
apart without saying which (:data:`hanji.training.cost.peaks.CONVENTIONS`). A number is None where it cannot be
known: 6ND needs a count of parameters alone, the exact counts need the model's shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from hanji.training.cost.flops import FlopsPerToken, six_nd


@dataclass(frozen=True)
class Flops:
    """An amount of floating-point operations under each convention; None where it is not known."""

    six_nd: float | None = 0.0
    causal_attention: float | None = 0.0
    full_attention: float | None = 0.0

    def __add__(self, other: Flops) -> Flops:
        return Flops(*(_sum(getattr(self, f.name), getattr(other, f.name)) for f in fields(Flops)))

    def times(self, factor: float) -> Flops:
        """Each number times ``factor``."""
        values = (getattr(self, field.name) for field in fields(Flops))
        return Flops(*(None if value is None else value * factor for value in values))

    def by(self, convention: str) -> float | None:
        """The number under a convention, one of the fields' names."""
        value: float | None = getattr(self, convention)
        return value


UNKNOWN = Flops(None, None, None)
CONVENTION_NAMES = tuple(field.name for field in fields(Flops))


def flops_of(tokens: float, parameters: float | None, per_token: FlopsPerToken | None) -> Flops:
    """Training FLOPs of so many tokens: 6ND by ``parameters``, the exact counts by ``per_token``."""
    return Flops(
        None if parameters is None else six_nd(parameters, tokens),
        None if per_token is None else per_token.causal_attention * tokens,
        None if per_token is None else per_token.full_attention * tokens,
    )


@dataclass(frozen=True)
class Spent:
    """Device time that was measured: seconds of all ranks together (ranks × wall time) by what they did.

    ``device`` is the name that the devices give themselves; ``lost`` are seconds of steps that were done again
    after a stop.
    """

    device: str
    ranks: int
    training: float
    validation: float = 0.0
    checkpoints: float = 0.0
    lost: float = 0.0

    @property
    def seconds(self) -> float:
        return self.training + self.validation + self.checkpoints + self.lost


@dataclass(frozen=True)
class StageCost:
    """A stretch of a model's training: its tokens, its FLOPs, and the measured time of its steps (rank-seconds)."""

    name: str
    tokens: int
    flops: Flops
    seconds: float | None = None


@dataclass(frozen=True)
class ModelCost:
    """What one model took beyond its parents.

    ``key`` tells models apart (a name in a recipe, the hash of a family node); ``parents`` are keys. ``teacher``
    is what the forward passes of another model took that it learned from. ``note`` says what is to be known of it.
    What is not ``counted`` in sums is part of another model's cost: an earlier step of the same run. Of one that is
    not ``known`` nothing can be said, nor of sums that it is part of.
    """

    key: str
    name: str
    kind: str
    parents: tuple[str, ...]
    parameters: float | None
    stages: tuple[StageCost, ...]
    teacher: Flops | None = None
    spent: Spent | None = None
    note: str | None = None
    counted: bool = True
    known: bool = True

    @property
    def tokens(self) -> int:
        return sum(stage.tokens for stage in self.stages)

    @property
    def flops(self) -> Flops:
        return total(stage.flops for stage in self.stages) if self.known else UNKNOWN


@dataclass(frozen=True)
class Ledger:
    """Models with their costs, parents before children."""

    name: str
    models: tuple[ModelCost, ...]

    def model(self, key: str) -> ModelCost:
        """The model with this key. Raises KeyError."""
        return next(model for model in self.models if model.key == key)

    def ancestors(self, key: str) -> tuple[ModelCost, ...]:
        """A model's parents, their parents and so on, each once, in the order of the ledger."""
        wanted: set[str] = set()
        waiting = list(self.model(key).parents)
        known = {model.key for model in self.models}
        while waiting:
            one = waiting.pop()
            if one in known and one not in wanted:
                wanted.add(one)
                waiting += self.model(one).parents
        return tuple(model for model in self.models if model.key in wanted)

    @property
    def counted(self) -> tuple[ModelCost, ...]:
        """The models whose costs add up to the whole."""
        return tuple(model for model in self.models if model.counted)

    def inherited(self, key: str) -> Flops:
        """What a model's ancestors took."""
        return total(model.flops for model in self.ancestors(key))

    def total(self, teachers: bool = False) -> Flops:
        """What all models took, each counted once; with ``teachers`` their forward passes too."""
        sums = total(model.flops for model in self.counted)
        if not teachers:
            return sums
        return sums + total(model.teacher for model in self.counted if model.teacher is not None)


def total(amounts: Iterable[Flops]) -> Flops:
    """The sum of amounts; a number that one of them lacks is not known."""
    found = Flops()
    for amount in amounts:
        found = found + amount
    return found


def headline(amounts: Sequence[Flops]) -> str:
    """The convention that single figures are given by: causal attention, or 6ND where some shape is not known."""
    known = all(amount.causal_attention is not None for amount in amounts)
    return "causal_attention" if known else "six_nd"


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
