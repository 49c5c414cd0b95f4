"""A family of models as a recipe: what it takes, by model and stage, and what another way would have taken.

For reckoning before a run, and for checking what a paper says of its own: sizes may be given as stated
(``parameters: 26.8B``, which is enough for 6ND) or as shapes, for the exact counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from hanji.amounts import TokenAmount
from hanji.errors import RecipeError
from hanji.recipe import Settings
from hanji.training.cost.flops import FlopsPerToken, flops_per_token
from hanji.training.cost.ledger import CONVENTION_NAMES, Flops, Ledger, ModelCost, StageCost, flops_of, total
from hanji.training.model.shape import parameter_count
from hanji.training.recipe import ModelSettings

Name = Annotated[str, Field(min_length=1)]


class FamilyStage(Settings):
    """A stretch of training on so many tokens."""

    name: Name
    tokens: TokenAmount


class FamilyModel(Settings):
    """One model of a family."""

    name: Name
    kind: str = Field(default="pretraining", description="how it came about, in a word or two")
    parent: str | None = Field(default=None, description="the model whose weights it starts from")
    teacher: str | None = Field(
        default=None, description="the model that it learns from, by a forward pass a token"
    )
    parameters: TokenAmount | None = Field(
        default=None, description="as stated, for 6ND; without it those of the shape"
    )
    model: ModelSettings | None = Field(default=None, description="a preset or sizes, for the exact counts")
    stages: tuple[FamilyStage, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _sized(self) -> FamilyModel:
        if self.parameters is None and self.model is None:
            raise RecipeError(f"models.{self.name}: give parameters, as in 26.8B, or model, or both")
        return self


class Alternative(Settings):
    """A model of the family trained another way: so many tokens from random weights."""

    model: str
    tokens: TokenAmount


class Figure(Settings):
    """A share to report: what a comparison saves, or what some of its models take, of one of its two sums."""

    name: Name
    what: Literal["saved"] | tuple[str, ...] = "saved"
    of: Literal["spent", "instead"] = "instead"
    printed: str | None = Field(default=None, description="the same as a paper prints it: 11.06 %")

    @field_validator("printed")
    @classmethod
    def _percentage(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"\d+(\.\d+)? %", value):
            raise ValueError("write a percentage as it is printed, with a space: 11.06 %")
        return value


class Comparison(Settings):
    """What some models took, beside what would have been done without their family."""

    name: Name
    spent: tuple[str, ...] = Field(min_length=1)
    instead: tuple[Alternative, ...] = Field(min_length=1)
    figures: tuple[Figure, ...] = (Figure(name="saved"),)


class FamilyRecipe(Settings):
    """A family of models: what each starts from, and its stages."""

    kind: Literal["family"]
    name: Name
    vocabulary: int = Field(default=128_256, gt=0, description="ids of the tokenizer, for shapes")
    source: str | None = Field(default=None, description="where the numbers come from")
    models: tuple[FamilyModel, ...] = Field(min_length=1)
    comparisons: tuple[Comparison, ...] = ()

    @model_validator(mode="after")
    def _names_known(self) -> FamilyRecipe:
        names: list[str] = []
        for model in self.models:
            for field, value in (("parent", model.parent), ("teacher", model.teacher)):
                if value is not None and value not in names:
                    raise RecipeError(
                        f"models.{model.name}.{field}: {value!r} is not a model above it; there are: "
                        f"{', '.join(names) or 'none'}"
                    )
            if model.name in names:
                raise RecipeError(f"models: two are called {model.name}")
            names.append(model.name)
        for comparison in self.comparisons:
            used = [*comparison.spent, *(other.model for other in comparison.instead)]
            for figure in comparison.figures:
                used += () if figure.what == "saved" else figure.what
            for name in used:
                if name not in names:
                    raise RecipeError(
                        f"comparisons.{comparison.name}: there is no model {name!r}; there are: {', '.join(names)}"
                    )
        return self

    def ledger(self) -> Ledger:
        """Costs of the models, in the order of the recipe."""
        by_name = {model.name: model for model in self.models}
        return Ledger(self.name, tuple(self._cost(model, by_name) for model in self.models))

    def size(self, model: FamilyModel) -> tuple[int, FlopsPerToken | None]:
        """Parameters for 6ND, and the exact FLOPs per token where the shape is known."""
        shape = None if model.model is None else model.model.shape()
        counted = None if shape is None else parameter_count(shape, self.vocabulary)
        parameters = model.parameters if model.parameters is not None else counted
        assert parameters is not None
        return parameters, None if shape is None else flops_per_token(shape, self.vocabulary)

    def _cost(self, model: FamilyModel, by_name: dict[str, FamilyModel]) -> ModelCost:
        parameters, per_token = self.size(model)
        stages = tuple(
            StageCost(stage.name, stage.tokens, flops_of(stage.tokens, parameters, per_token))
            for stage in model.stages
        )
        teacher = None
        if model.teacher is not None:
            size, exact = self.size(by_name[model.teacher])
            tokens = sum(stage.tokens for stage in model.stages)
            # A forward pass is a third of a training step.
            teacher = flops_of(tokens, size, exact).times(1 / 3)
        parents = () if model.parent is None else (model.parent,)
        return ModelCost(model.name, model.name, model.kind, parents, parameters, stages, teacher)


@dataclass(frozen=True)
class FigureResult:
    """A figure by convention: shares from 0 to 1, None where a shape is not known."""

    figure: Figure
    shares: dict[str, float | None]

    @property
    def as_printed(self) -> bool | None:
        """Whether the share by 6ND, rounded to the digits of ``printed``, is that; None without ``printed``."""
        return None if self.figure.printed is None else self.shown() == self.figure.printed

    def shown(self, convention: str = "six_nd") -> str:
        """The share as a percentage, with as many digits as ``printed`` has, two without it."""
        share = self.shares[convention]
        digits = 2 if self.figure.printed is None else len(self.figure.printed.partition(".")[2].rstrip(" %"))
        return "not known" if share is None else f"{share:.{digits}%}".replace("%", " %")


@dataclass(frozen=True)
class ComparisonResult:
    """Both sums of a comparison, and for each figure what it is.

    ``spent_terms`` and ``instead_terms``: parameters and tokens of each summand, for the derivation by 6ND.
    """

    comparison: Comparison
    spent: Flops
    instead: Flops
    spent_terms: tuple[tuple[int, int], ...]
    instead_terms: tuple[tuple[int, int], ...]
    figures: tuple[FigureResult, ...]


def compare(recipe: FamilyRecipe) -> tuple[ComparisonResult, ...]:
    """The comparisons of a family, reckoned."""
    ledger = recipe.ledger()
    by_name = {model.name: model for model in recipe.models}
    results = []
    for comparison in recipe.comparisons:
        spent_terms = tuple(
            (recipe.size(by_name[name])[0], ledger.model(name).tokens) for name in comparison.spent
        )
        sizes = [recipe.size(by_name[other.model]) for other in comparison.instead]
        tokens = [other.tokens for other in comparison.instead]
        spent = total(ledger.model(name).flops for name in comparison.spent)
        instead = total(flops_of(count, *size) for size, count in zip(sizes, tokens, strict=True))
        figures = []
        for figure in comparison.figures:
            if figure.what == "saved":
                part = instead + spent.times(-1)
            else:
                part = total(ledger.model(name).flops for name in figure.what)
            whole = instead if figure.of == "instead" else spent
            figures.append(
                FigureResult(figure, {name: _share(part, whole, name) for name in CONVENTION_NAMES})
            )
        results.append(
            ComparisonResult(
                comparison,
                spent,
                instead,
                spent_terms,
                tuple((size[0], count) for size, count in zip(sizes, tokens, strict=True)),
                tuple(figures),
            )
        )
    return tuple(results)


def _share(part: Flops, whole: Flops, convention: str) -> float | None:
    one, other = part.by(convention), whole.by(convention)
    return None if one is None or other is None else one / other
