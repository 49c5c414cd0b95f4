"""Which shards feed which stage of training: ``stages.json``, beside the shard manifest.

A curation recipe may say under ``stages`` what its tiers are for; the run writes it to ``shards/stages.json``,
where a trainer reads it. The file says how shards are to be used and not what they are: shards and
``manifest.json`` are the same with and without it. A curation recipe::

    stages:
      - name: stage1
        tokens: 2.7T
        blend:
          "*/*/*": {weight: 1, max_epochs: 4}
      - name: stage2
        tokens: 300B
        blend:
          ko/*/high: {weight: 2, max_epochs: 4, upsample: {table: {1: 1, 2: 2, 5: 3}}}
          en/*/high: 3

Semantics, for whoever reads the file:

- **Patterns** are ``language/domain/tier`` with ``*``. For a component the pattern with the most parts that have
  no ``*`` counts; two that are equally specific and match one component are a mistake. What an entry is given is
  shared by the components that it matches in proportion to their tokens in an epoch (below).
- **Weights or tokens.** All entries of a stage have ``weight``, or all have ``tokens``. Weights are relative.
  With tokens, the stage is as long as they add up to, and ``tokens`` of the stage is left out. With weights,
  ``tokens`` of the stage may be left out too: the trainer says how long it is.
- **An epoch** of a component is each of its training documents as often as ``upsample`` says, which is once
  without it. So its tokens are the sum of tokens · repeats (:meth:`Upsampling.repeats`, from the columns
  ``occurrences``, ``cluster_size`` or ``cluster_occurrences`` of the sidecars).
- **max_epochs** bounds how many epochs of a component have been trained on when the stage ends, earlier stages
  included. What a component at its cap cannot give comes from the other components of its entry, then from the
  other entries of the stage, in proportion; where all are at their caps, the stage is too long and the trainer
  refuses it. An entry with ``tokens`` that its cap does not allow is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, field_validator, model_validator

from hanji.amounts import TokenAmount
from hanji.errors import InputError
from hanji.recipe import Settings
from hanji.storage import Storage

STAGES = "stages.json"
MOST_REPEATS = 1000


class Upsampling(Settings):
    """How often a document stands in an epoch, by how often it was found.

    A table gives the factor from each value on (``{1: 1, 2: 2, 10: 3, 1000: 1}``: once if found once, twice from
    two on, three times from ten on, once again from a thousand on), as FineWeb-2 fills up what deduplication took
    (Penedo et al. 2025: rehydration). ``growth`` gives it by a function with a cap instead.
    """

    by: Literal["occurrences", "cluster_size", "cluster_occurrences"] = Field(
        "cluster_occurrences",
        description="column of the sidecars: records that are this document, documents of its cluster, or records "
        "that are documents of its cluster",
    )
    table: dict[int, int] | None = Field(None, description="from this value on → times in an epoch")
    growth: Literal["log2", "sqrt", "linear"] | None = Field(
        None, description="n found: 1 + ⌊log₂ n⌋, ⌊√n⌋ or n times in an epoch"
    )
    cap: int | None = Field(None, ge=1, le=MOST_REPEATS, description="most times in an epoch; with growth")

    @field_validator("table")
    @classmethod
    def _sound(cls, value: dict[int, int] | None) -> dict[int, int] | None:
        if value is None:
            return None
        if min(value, default=0) != 1:
            raise ValueError("begins with what is found once: {1: 1, …}")
        wrong = [f"{start}: {times}" for start, times in value.items() if not 1 <= times <= MOST_REPEATS]
        if wrong:
            raise ValueError(f"a document stands 1 to {MOST_REPEATS} times in an epoch, not {wrong[0]}")
        return dict(sorted(value.items()))

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.table is None) == (self.growth is None):
            raise ValueError("give table or growth")
        if (self.cap is None) != (self.growth is None):
            raise ValueError("growth needs a cap, and cap belongs to growth")
        return self

    def repeats(self, counts: np.ndarray) -> np.ndarray:
        """How often documents stand in an epoch, int64[n] of at least 1; ``counts`` int64[n], the column ``by``."""
        counts = np.maximum(counts.astype(np.int64), 1)
        if self.table is not None:
            starts, times = np.array(list(self.table.items()), np.int64).T
            of_table: np.ndarray = times[np.searchsorted(starts, counts, "right") - 1]
            return of_table
        assert self.cap is not None
        if self.growth == "log2":
            # frexp is exact below 2**53, unlike a logarithm.
            found = np.frexp(counts.astype(np.float64))[1].astype(np.int64)
        elif self.growth == "sqrt":
            found = np.floor(np.sqrt(counts.astype(np.float64))).astype(np.int64)
        else:
            found = counts
        capped: np.ndarray = np.minimum(found, self.cap)
        return capped


class BlendEntry(Settings):
    """What a stage takes of the components that a pattern matches."""

    weight: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="relative to the stage's other entries"
    )
    tokens: TokenAmount | None = Field(None, description="or how many tokens: 300B")
    max_epochs: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="most epochs when this stage ends, earlier stages included",
    )
    upsample: Upsampling | None = Field(None, description="documents that stand more than once in an epoch")

    @model_validator(mode="before")
    @classmethod
    def _weight_alone(cls, value: Any) -> Any:
        """``ko/*/high: 3`` means the weight."""
        return {"weight": value} if isinstance(value, int | float) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.weight is None) == (self.tokens is None):
            raise ValueError("give weight or tokens")
        return self


class Stage(Settings):
    """A stretch of training with one blend."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    tokens: TokenAmount | None = Field(
        None, description="its length; null: what the entries' tokens add up to, or what the trainer says"
    )
    blend: dict[str, BlendEntry] = Field(
        min_length=1, description="pattern language/domain/tier → what is taken"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for pattern in self.blend:
            if not is_pattern(pattern):
                raise ValueError(
                    f"{self.name}: {pattern!r} is no pattern; write language/domain/tier, for example ko/*/high"
                )
        by_tokens = [pattern for pattern, entry in self.blend.items() if entry.tokens is not None]
        if by_tokens and len(by_tokens) < len(self.blend):
            other = next(pattern for pattern in self.blend if pattern not in by_tokens)
            raise ValueError(
                f"{self.name}: {by_tokens[0]} has tokens and {other} has a weight; all entries have one kind"
            )
        if by_tokens and self.tokens is not None:
            raise ValueError(
                f"{self.name}: its entries have tokens, which add up to its length: leave out tokens"
            )
        return self

    def length(self) -> int | None:
        """Tokens of the stage; None where only the trainer knows."""
        given = [entry.tokens for entry in self.blend.values() if entry.tokens is not None]
        return sum(given) if given else self.tokens


class StagePlan(Settings):
    """``stages.json``: the stages in their order."""

    format: Literal["hanji-stages/1"] = "hanji-stages/1"
    stages: tuple[Stage, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"stages: each name may stand once: {', '.join(names)}")
        return self

    def stage(self, name: str) -> Stage:
        """The stage of this name. Raises InputError if there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise InputError(f"no stage {name!r}; there are: {', '.join(stage.name for stage in self.stages)}")


def is_pattern(text: str) -> bool:
    """Whether a text has the three parts of a pattern."""
    parts = text.split("/")
    return len(parts) == 3 and "" not in parts


def pattern_of(component: str, patterns: Mapping[str, Any]) -> str | None:
    """The pattern that counts for ``language/domain/tier``, None if none matches.

    Raises ValueError where two equally specific ones match.
    """
    matching = [pattern for pattern in patterns if matches(pattern, component)]
    if not matching:
        return None
    literal = {pattern: sum("*" not in part for part in pattern.split("/")) for pattern in matching}
    best = sorted(pattern for pattern in matching if literal[pattern] == max(literal.values()))
    if len(best) > 1:
        raise ValueError(
            f"{best[0]!r} and {best[1]!r} are equally specific and both match {component}; add a more specific "
            f"pattern, for example {component!r}"
        )
    return best[0]


def matches(pattern: str, component: str) -> bool:
    """Whether each part of ``language/domain/tier`` matches the pattern's."""
    wanted, found = pattern.split("/"), component.split("/")
    return len(wanted) == len(found) and all(
        fnmatchcase(part, glob) for part, glob in zip(found, wanted, strict=True)
    )


def write_stages(storage: Storage, plan: StagePlan) -> None:
    """Write ``stages.json`` into a directory of shards."""
    storage.write_bytes(STAGES, (plan.model_dump_json(indent=1, exclude_none=True) + "\n").encode())


def read_stages(storage: Storage) -> StagePlan | None:
    """The stages of a directory of shards, None if it has none. Raises InputError for what is no such file."""
    if not storage.exists(STAGES):
        return None
    try:
        return StagePlan.model_validate_json(storage.read_bytes(STAGES))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        of_field = f"field {field}: " if field else ""
        raise InputError(f"{storage.describe(STAGES)}: {of_field}{first['msg']}") from None
