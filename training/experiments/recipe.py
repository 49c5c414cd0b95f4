"""The recipe of an experiment: one training recipe, what its arms change, the seeds, and what is measured.

Two kinds. *Arms*: each is the base recipe with some fields set otherwise, as the paper's data ablation has it
(arXiv 2502.18934, table 2). *Annealing*: the base recipe is a half-trained run, and each arm takes its state and
brings the learning rate down to zero on a mixture of the default data and one candidate, as Llama 3's authors judge
small data sets (arXiv 2407.21783, section 3.1.3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from hanji.amounts import TokenAmount
from hanji.errors import RecipeError
from hanji.recipe import Settings
from hanji.stages import BlendEntry, is_pattern

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=64)]
"""Of an arm: a directory is named by it."""

SET_BY_THE_EXPERIMENT = ("name", "run", "seed", "init_from", "init_with")
DEFAULT = "default"
"""The arm of an annealing experiment that has no candidate."""
TRUNK = "trunk"
"""The half-trained run of an annealing experiment."""

Difference = Literal["tokens", "model", "tokenizer"]


class ArmSettings(Settings):
    """One arm: the base recipe with some fields set otherwise."""

    name: Name
    labels: dict[str, str] = Field(
        default={}, description="what stands in the table's columns for it; every arm has the same columns"
    )
    set: dict[str, Any] = Field(
        default={}, description="fields of the training recipe, with dots, to values: stages.broad.blend: {…}"
    )

    @field_validator("set")
    @classmethod
    def _free_fields(cls, value: dict[str, Any]) -> dict[str, Any]:
        for field in value:
            if field.split(".")[0] in SET_BY_THE_EXPERIMENT:
                raise ValueError(f"{field} is set by the experiment, for each arm and seed")
        return value


class MeasureSettings(Settings):
    """Held-out text whose bits per byte are compared."""

    name: str = Field(min_length=1)
    components: tuple[str, ...] = Field(
        min_length=1, description="patterns language/domain/tier of held-out text, taken together"
    )
    untrained: bool = Field(
        default=False, description="whether no arm may train on components of these patterns either"
    )

    @field_validator("components")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _checked_patterns(value)
        return value


class CandidateSettings(Settings):
    """A set of data that might go into the last stage of a run."""

    name: Name
    blend: dict[str, BlendEntry] = Field(
        min_length=1,
        description="pattern language/domain/tier to weight, or to all that a stage's blend may say",
    )

    @field_validator("blend")
    @classmethod
    def _patterns(cls, value: dict[str, BlendEntry]) -> dict[str, BlendEntry]:
        _checked_patterns(value)
        return value


class AnnealSettings(Settings):
    """How a candidate is tried: the rate goes to zero over so many tokens of default data and candidate."""

    tokens: TokenAmount | None = None
    steps: int | None = Field(default=None, gt=0, description="instead of tokens")
    candidate_share: float = Field(
        default=0.3, gt=0, lt=1, description="Llama 3's: 30 % candidate, 70 % default"
    )
    checkpoint: str | None = Field(
        default=None,
        description="a half-trained run, or a checkpoint of one, that the base recipe made; {seed} stands for the "
        "seed. Unset: the experiment trains the base recipe first, once for each seed",
    )
    default: dict[str, BlendEntry] | None = Field(
        default=None, description="the default blend; unset: that of the base recipe's last stage"
    )
    candidates: tuple[CandidateSettings, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_length(self) -> AnnealSettings:
        if (self.tokens is None) == (self.steps is None):
            raise RecipeError("anneal: give either tokens or steps")
        _no_doubles("anneal.candidates", [candidate.name for candidate in self.candidates])
        for candidate in self.candidates:
            if candidate.name in (DEFAULT, TRUNK):
                raise RecipeError(
                    f"anneal.candidates: {candidate.name!r} is the name of an arm of every such experiment"
                )
        _checked_patterns(self.default or {})
        return self


class ExperimentRecipe(Settings):
    """A whole experiment."""

    name: str = Field(min_length=1)
    directory: str = Field(description="where its runs, its table and its figures go")
    base: str = Field(
        description="training recipe that every arm begins with; a path, as on the command line"
    )
    arms: tuple[ArmSettings, ...] = ()
    anneal: AnnealSettings | None = None
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(1, 2, 3), min_length=1, description="of initial weights and of the order of the data"
    )
    measures: tuple[MeasureSettings, ...] = Field(min_length=1)
    baseline: str | None = Field(
        default=None, description="arm that the others are compared with; unset: the first"
    )
    may_differ: tuple[Difference, ...] = Field(
        default=(), description="what arms may have unlike each other: tokens, model, tokenizer"
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _fits(self) -> ExperimentRecipe:
        if bool(self.arms) == (self.anneal is not None):
            raise RecipeError("give either arms or anneal, with its candidates")
        _no_doubles("arms", [arm.name for arm in self.arms])
        _no_doubles("seeds", [str(seed) for seed in self.seeds])
        _no_doubles("measures", [measure.name for measure in self.measures])
        if self.arms and len(self.arms) < 2:
            raise RecipeError("arms: there is one; a comparison needs two")
        columns = [tuple(arm.labels) for arm in self.arms]
        if any(set(one) != set(columns[0]) for one in columns):
            raise RecipeError("arms: their labels name different columns; give every arm the same ones")
        names = [DEFAULT] if self.anneal else [arm.name for arm in self.arms]
        if self.baseline is not None and self.baseline not in names:
            raise RecipeError(f"baseline: there is no arm {self.baseline!r}; there are: {', '.join(names)}")
        return self


def _checked_patterns(patterns: Iterable[str]) -> None:
    for pattern in patterns:
        if not is_pattern(pattern):
            raise ValueError(
                f"{pattern!r} is not a pattern; write language/domain/tier, for example ko/*/high"
            )


def _no_doubles(field: str, names: list[str]) -> None:
    doubles = [name for name, count in Counter(names).items() if count > 1]
    if doubles:
        raise RecipeError(f"{field}: {doubles[0]} stands there twice")
