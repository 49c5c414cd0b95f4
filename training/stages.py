"""Stages of a training recipe, and those that a curation run has written beside its shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from hanji.amounts import TokenAmount
from hanji.errors import InputError, RecipeError
from hanji.recipe import Settings
from hanji.stages import STAGES, BlendEntry, Stage, is_pattern, read_stages
from hanji.storage import Storage

if TYPE_CHECKING:
    from hanji.training.recipe import TrainingRecipe


class StageSettings(Settings):
    """A stretch of the run with one blend."""

    name: str = Field(min_length=1)
    steps: int | None = Field(default=None, gt=0)
    tokens: TokenAmount | None = Field(
        default=None, description="instead of steps; rounded up to whole steps"
    )
    blend: dict[str, BlendEntry] | None = Field(
        default=None,
        min_length=1,
        description="pattern language/domain/tier (with *) to a weight, or to weight or tokens with max_epochs and "
        "upsample (hanji.stages); left out: as the shards' stages.json has it for the stage of this name",
    )
    stop_after: int | None = Field(
        default=None,
        gt=0,
        description="steps after which the stage ends although it was planned longer: its shares stay those of the "
        "whole stage, so that what was trained of it stays what it was when another blend is to follow",
    )
    at_cap: Literal["redistribute", "refuse"] = Field(
        default="redistribute",
        description="what happens where max_epochs leave less than the weights ask for: the rest goes to the other "
        "entries in proportion to their weights, which is told, or the recipe is refused",
    )

    @model_validator(mode="after")
    def _one_length(self) -> StageSettings:
        if self.steps is not None and self.tokens is not None:
            raise RecipeError(f"stages.{self.name}: give either steps or tokens")
        if self.blend is None:
            return self
        for pattern in self.blend:
            if not is_pattern(pattern):
                raise RecipeError(
                    f"stages.{self.name}.blend: {pattern!r} is not a pattern; "
                    "write language/domain/tier, for example ko/*/high"
                )
        by_tokens = [pattern for pattern, entry in self.blend.items() if entry.tokens is not None]
        if 0 < len(by_tokens) < len(self.blend):
            other = next(pattern for pattern in self.blend if pattern not in by_tokens)
            raise RecipeError(
                f"stages.{self.name}.blend: {by_tokens[0]} has tokens and {other} has a weight; all entries have "
                "one kind"
            )
        if by_tokens and (self.steps or self.tokens):
            raise RecipeError(
                f"stages.{self.name}: its entries have tokens, which add up to its length: leave out steps and "
                "tokens"
            )
        if not by_tokens and self.steps is None and self.tokens is None:
            raise RecipeError(f"stages.{self.name}: give either steps or tokens")
        return self

    def weights(self) -> dict[str, float]:
        """Weight (or tokens) by pattern; empty where the shards have the blend."""
        return {
            pattern: float(entry.weight if entry.weight is not None else entry.tokens or 0)
            for pattern, entry in (self.blend or {}).items()
        }


class PackingSettings(Settings):
    """How documents share a sample, beside ``attention``."""

    positions: Literal["continue", "reset"] = Field(
        default="continue",
        description="whether positions count through the sample, or begin at 0 in each document",
    )
    predict_eod: bool = Field(
        default=True, description="whether the EOD that ends a document is among what is predicted"
    )
    predict_first: bool = Field(
        default=True,
        description="whether the first token of a document is predicted, from the end of the one before it",
    )


def with_stages(recipe: TrainingRecipe) -> TrainingRecipe:
    """The recipe with what it leaves to the shards' stages.json: all stages, or the blends of some.

    A stage of the recipe has its length from there too, unless it says its own; amounts of tokens then count as
    weights. Raises RecipeError where the file is missing, has no such stage, or says no length.
    """
    if recipe.resolved:
        return recipe
    storage = Storage(recipe.shards)
    plan = read_stages(storage)
    if plan is None:
        raise RecipeError(
            f"stages: the recipe leaves {'the blend of ' + _open(recipe) if recipe.stages else 'them'} to "
            f"{storage.describe(STAGES)}, which is not there; give stages with blends, or curate with `stages`"
        )
    if not recipe.stages:
        stages = [_taken(stage, {"name": stage.name}) for stage in plan.stages]
    else:
        stages = []
        for settings in recipe.stages:
            data = settings.model_dump(mode="json", exclude_none=True)
            if settings.blend is None:
                try:
                    data = _taken(plan.stage(settings.name), data)
                except InputError as error:
                    raise RecipeError(
                        f"stages.{settings.name}: {storage.describe(STAGES)}: {error}"
                    ) from None
            stages.append(data)
    return type(recipe).model_validate({**recipe.model_dump(mode="json"), "stages": stages})


def _open(recipe: TrainingRecipe) -> str:
    return ", ".join(stage.name for stage in recipe.stages if stage.blend is None)


def _taken(stage: Stage, data: dict[str, Any]) -> dict[str, Any]:
    """A stage of the recipe, as JSON, with the blend of one of the shards'."""
    blend = {
        pattern: entry.model_dump(mode="json", exclude_none=True) for pattern, entry in stage.blend.items()
    }
    if data.get("steps") is not None or data.get("tokens") is not None:
        for entry in blend.values():
            if "tokens" in entry:
                entry["weight"] = float(entry.pop("tokens"))
        return {**data, "blend": blend}
    if stage.length() is None:
        raise RecipeError(
            f"stages.{stage.name}: {STAGES} does not say how long it is; give it steps or tokens in the recipe"
        )
    return {**data, "blend": blend} | ({} if stage.tokens is None else {"tokens": stage.tokens})
