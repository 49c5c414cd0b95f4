"""The learning rate by step: what a recipe may ask for, and the rate as a function of the step.

Three schedules, each a linear warm-up to the peak and then:

- *multi_step*: constant, then at given shares of the run down to given shares of the peak. DeepSeek LLM's
  (arXiv 2401.02954, section 2.3), which the Kanana paper uses.
- *wsd*: constant, then a decay at the end (warm-up, stable, decay; Hu et al., arXiv 2404.06395), linear, by a
  cosine or by 1 - sqrt (Hägele et al., arXiv 2405.18392).
- *cosine*: half a cosine from the end of the warm-up to the end of the run (Loshchilov and Hutter, arXiv
  1608.03983), down to a share of the peak.

All span the run's stages, so a stage goes on where the one before it ended. The rate is computed from the
number of the step alone; nothing is kept between steps, so a run that is taken up again has the same rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from hanji.errors import RecipeError
from hanji.recipe import Settings, closest

DECAYS: dict[str, Callable[[float], float]] = {
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
    "sqrt": lambda done: 1.0 - math.sqrt(done),
}
"""Ways from 1 at the beginning of a decay (done = 0) to 0 at its end (done = 1)."""


class RateDrop(Settings):
    """From this share of the run on, the learning rate is this share of its peak."""

    at: float = Field(gt=0, lt=1)
    to: float = Field(gt=0, le=1)


class ScheduleSettings(Settings):
    """What all schedules have."""

    peak_lr: float = Field(gt=0, allow_inf_nan=False)
    warmup_steps: int = Field(default=2000, ge=0, description="the last of them has the peak rate")


class MultiStepSettings(ScheduleSettings):
    """Steps down; the defaults are DeepSeek LLM's."""

    kind: Literal["multi_step"] = "multi_step"
    drops: tuple[RateDrop, ...] = (RateDrop(at=0.8, to=0.316), RateDrop(at=0.9, to=0.1))

    @field_validator("drops")
    @classmethod
    def _in_order(cls, value: tuple[RateDrop, ...]) -> tuple[RateDrop, ...]:
        if any(late.at <= early.at for early, late in pairwise(value)):
            raise ValueError("drops come in the order of `at`, each later than the one before")
        return value


class DecaySettings(Settings):
    """The end of a wsd schedule: from its first step at the peak rate down to ``to`` at the end of the run.

    Its length is a share of the run, a number of steps, or all of a stage and what follows; without any of
    these a tenth of the run, as MiniCPM has it.
    """

    shape: Literal["linear", "cosine", "sqrt"] = Field(default="linear", description="sqrt is 1 - sqrt(done)")
    share: float | None = Field(default=None, gt=0, le=1, description="of the run's steps")
    steps: int | None = Field(default=None, gt=0)
    from_stage: str | None = Field(default=None, description="the stage that it begins with")
    to: float = Field(default=0.0, ge=0, lt=1, description="share of the peak")

    @model_validator(mode="after")
    def _one_length(self) -> DecaySettings:
        given = [name for name in ("share", "steps", "from_stage") if getattr(self, name) is not None]
        if len(given) > 1:
            raise RecipeError(
                f"schedule.decay: {' and '.join(given)} are given; the length of a decay has one of them"
            )
        return self


class WsdSettings(ScheduleSettings):
    """Constant, and a decay at the end."""

    kind: Literal["wsd"]
    decay: DecaySettings = DecaySettings()


class CosineSettings(ScheduleSettings):
    """Half a cosine over the whole run."""

    kind: Literal["cosine"]
    to: float = Field(default=0.1, ge=0, lt=1, description="share of the peak at the end of the run")


KINDS: dict[str, type[MultiStepSettings | WsdSettings | CosineSettings]] = {
    "multi_step": MultiStepSettings,
    "wsd": WsdSettings,
    "cosine": CosineSettings,
}


def _of_its_kind(value: Any) -> Any:
    """The settings that ``kind`` names (multi_step where it is absent), with errors that speak of them alone."""
    if isinstance(value, ScheduleSettings):
        return value
    if not isinstance(value, Mapping):
        raise RecipeError(f"schedule: {value!r} is not allowed: write fields, at least peak_lr")
    kind = value.get("kind", "multi_step")
    if not isinstance(kind, str) or kind not in KINDS:
        raise RecipeError(f"schedule.kind: {kind!r} is not allowed: kinds are {', '.join(KINDS)}")
    fields = KINDS[kind].model_fields
    for name in value:
        if name not in fields:
            raise RecipeError(
                f"schedule.{name}: a schedule of kind {kind} has no such field; "
                f"{closest(str(name), fields)}allowed: {', '.join(sorted(fields))}"
            )
    return KINDS[kind].model_validate(value)


AnySchedule = Annotated[MultiStepSettings | WsdSettings | CosineSettings, BeforeValidator(_of_its_kind)]
"""The type of a recipe's field."""


@dataclass(frozen=True)
class Schedule:
    """Learning rates of a run of ``total`` steps: after ``warmup`` steps ``peak`` times :meth:`share`."""

    peak: float
    warmup: int
    total: int

    def __call__(self, step: int) -> float:
        """Learning rate of the step after ``step`` finished ones (0 for the first)."""
        if step < self.warmup:
            return self.peak * ((step + 1) / self.warmup)
        return self.peak * self.share(step)

    def share(self, step: int) -> float:
        """Share of the peak after the warm-up."""
        raise NotImplementedError

    def describe(self) -> str:
        """The schedule in a line for a person, its first step being 1."""
        return f"rate: {self.peak:.3g} after {self.warmup} steps of warm-up"


@dataclass(frozen=True)
class MultiStep(Schedule):
    """``drops``: the number of finished steps from which on the rate is this share of the peak, in order."""

    drops: tuple[tuple[int, float], ...]

    def share(self, step: int) -> float:
        return next((to for first, to in reversed(self.drops) if step >= first), 1.0)

    def describe(self) -> str:
        drops = [f"{to:.3g} of it from step {first + 1:,}" for first, to in self.drops]
        return ", ".join([super().describe(), *drops])


@dataclass(frozen=True)
class Decaying(Schedule):
    """Constant to step ``start``, then by ``shape`` down to the share ``to``, reached when the run ends."""

    start: int
    shape: str
    to: float

    def share(self, step: int) -> float:
        if step < self.start:
            return 1.0
        done = min(1.0, (step - self.start) / (self.total - self.start))
        return self.to + (1.0 - self.to) * DECAYS[self.shape](done)

    def describe(self) -> str:
        return (
            f"{super().describe()}, from step {self.start + 1:,} down to {self.to:.3g} of it ({self.shape})"
        )


def build_schedule(
    settings: MultiStepSettings | WsdSettings | CosineSettings, stages: Sequence[tuple[str, int]]
) -> Schedule:
    """The schedule over all stages, given as names and optimizer steps.

    Raises RecipeError where the warm-up is as long as the run or reaches into what follows it.
    """
    total, warmup = sum(steps for _, steps in stages), settings.warmup_steps
    if warmup >= total:
        raise RecipeError(
            f"schedule.warmup_steps: {warmup} is not shorter than the run of {total} steps; the default "
            "is DeepSeek LLM's 2,000"
        )
    if isinstance(settings, MultiStepSettings):
        drops = tuple((_first_step(drop.at, total), drop.to) for drop in settings.drops)
        if drops and drops[0][0] < warmup:
            raise RecipeError(
                f"schedule.drops: the first one, at {settings.drops[0].at} of {total} steps, comes before "
                f"the warm-up of {warmup} steps (schedule.warmup_steps) has ended"
            )
        return MultiStep(settings.peak_lr, warmup, total, drops)
    if isinstance(settings, CosineSettings):
        return Decaying(settings.peak_lr, warmup, total, warmup, "cosine", settings.to)
    start, field = _decay_start(settings.decay, stages, total)
    if start < warmup:
        raise RecipeError(
            f"schedule.decay.{field}: the decay would begin after {start} of {total} steps, before the "
            f"warm-up of {warmup} steps (schedule.warmup_steps) has ended"
        )
    return Decaying(settings.peak_lr, warmup, total, start, settings.decay.shape, settings.decay.to)


def _decay_start(decay: DecaySettings, stages: Sequence[tuple[str, int]], total: int) -> tuple[int, str]:
    """Steps before the decay, and the field that says so."""
    if decay.steps is not None:
        return total - decay.steps, "steps"
    if decay.from_stage is not None:
        names = [name for name, _ in stages]
        if decay.from_stage not in names:
            raise RecipeError(
                f"schedule.decay.from_stage: there is no stage {decay.from_stage!r}; stages are {', '.join(names)}"
            )
        return sum(steps for _, steps in stages[: names.index(decay.from_stage)]), "from_stage"
    share = 0.1 if decay.share is None else decay.share
    # At least one step, however short the run.
    return min(total - 1, total - math.floor(Fraction(str(share)) * total)), "share"


def _first_step(at: float, total: int) -> int:
    """The first step that is not before the share ``at`` of the run, taken as the decimal that was written."""
    return math.ceil(Fraction(str(at)) * total)
