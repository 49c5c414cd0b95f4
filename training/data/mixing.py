"""From what a recipe asks of its stages to segments: exact slots by stream, and no stream beyond its cap.

A stage shares its samples out three times, each time in proportion: its entries by their weights or tokens, the
components of an entry by their tokens in an epoch, the streams of a component (``hanji.training.data.repeats``) by
how much of an epoch each is. Each time what one may not take, because it has reached ``max_epochs``, goes to the
others. The shares hold for the whole stage, so that a component which has little left is spread over it and does
not run out in its middle. Shares become whole slots of a block; where the rounding lets a capped stream give its
last window before the stage ends, a new segment begins there without it, so that caps hold to the window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hanji.errors import RecipeError
from hanji.stages import BlendEntry, pattern_of
from hanji.training.data.blend import apportion
from hanji.training.data.order import Segment, segment_table

DISCREPANCY = 8
"""Samples by which a stream may be behind its share anywhere in a segment (a Weyl sequence is that even)."""


@dataclass(frozen=True)
class StreamFacts:
    """A stream of a component's tokens: all, or those of the documents that stand equally often in an epoch.

    ``repeats`` is how often, under each of the component's up-samplings (:func:`up_samplings`); (1,) without any.
    """

    name: str
    component: str
    windows: int
    tokens: int
    repeats: tuple[int, ...] = (1,)
    number: int = 0
    """Which of the component's streams it is, in the order of ``repeats``."""


@dataclass(frozen=True)
class StageRequest:
    """What a stage asks for: its samples, its blend, and whether a cap may change its shares.

    ``stop_after``: samples after which it ends, planned for all.
    """

    name: str
    samples: int
    blend: Mapping[str, BlendEntry]
    redistribute: bool = True
    stop_after: int | None = None


@dataclass(frozen=True)
class Mixture:
    """The segments of all stages, and what caps did to their shares, for a person."""

    segments: tuple[Segment, ...]
    notes: tuple[str, ...]


def entries_of(stage: str, patterns: Mapping[str, object], components: Sequence[str]) -> dict[str, list[str]]:
    """Components by pattern: the most specific pattern that matches a component takes it.

    Raises RecipeError for a pattern that no component is left for, and for two equally specific ones that match
    the same.
    """
    members: dict[str, list[str]] = {pattern: [] for pattern in patterns}
    for name in components:
        try:
            pattern = pattern_of(name, patterns)
        except ValueError as error:
            raise RecipeError(f"stages.{stage}.blend: {error}") from None
        if pattern is not None:
            members[pattern].append(name)
    empty = [pattern for pattern, names in members.items() if not names]
    if empty:
        raise RecipeError(
            f"stages.{stage}.blend: {empty[0]!r} matches no component that another pattern does not take; "
            f"there are: {', '.join(sorted(components)) or 'none'}"
        )
    return members


def mix(
    stages: Sequence[StageRequest],
    streams: Sequence[StreamFacts],
    upsamplings: Mapping[tuple[str, str], int],
    seed: int,
    begun: Mapping[str, int],
) -> Mixture:
    """The segments of a run.

    streams: all that have a window. ``upsamplings`` says by stage and component which of ``repeats`` counts.
    ``begun``: windows by stream that were taken before the run. Raises RecipeError for a stage that is longer than
    the caps of its blend allow, and for blends that match nothing or are ambiguous.
    """
    index = {stream.name: number for number, stream in enumerate(streams)}
    taken = np.zeros(len(streams), np.int64)
    for name, count in begun.items():
        taken[index[name]] = count
    segments: list[Segment] = []
    notes: list[str] = []
    start = 0
    for stage in stages:
        blend = _Blend.of(stage, streams, upsamplings)
        notes += blend.check(taken)
        left, end = stage.samples, start + (stage.samples if stage.stop_after is None else stage.stop_after)
        while start < end:
            amounts = blend.shares(left, taken)
            chosen = np.flatnonzero(amounts > 0)
            # Those that give all they may get a little more: no rounding is to keep their last windows back.
            amounts[amounts >= blend.limits - taken] += DISCREPANCY
            slots = apportion(stage.name, {streams[i].name: float(amounts[i]) for i in chosen.tolist()})
            counts = np.zeros(len(streams), np.int64)
            for name, count in slots.items():
                counts[index[name]] = count
            table = segment_table(counts, seed, start)
            remaining = blend.limits - taken
            length = min(left, end - start)
            for i in chosen.tolist():
                if math.isfinite(remaining[i]):
                    length = min(length, table.samples_until(i, int(remaining[i])))
            segments.append(Segment(stage.name, slots, length))
            taken = taken + table.taken(length)
            start, left = start + length, left - length
    return Mixture(tuple(segments), tuple(notes))


@dataclass(frozen=True)
class _Entry:
    pattern: str
    weight: float
    by_tokens: bool
    max_epochs: float | None
    members: tuple[tuple[str, np.ndarray], ...]
    """Components with the indices of their streams."""


@dataclass(frozen=True)
class _Blend:
    """A stage with its streams resolved. epoch_windows, epoch_tokens: int64 [streams], of an epoch with its
    repeats; limits: float64 [streams], most windows of the whole run by the stage's end."""

    stage: StageRequest
    streams: Sequence[StreamFacts]
    entries: tuple[_Entry, ...]
    epoch_windows: np.ndarray
    epoch_tokens: np.ndarray
    limits: np.ndarray

    @classmethod
    def of(
        cls,
        stage: StageRequest,
        streams: Sequence[StreamFacts],
        upsamplings: Mapping[tuple[str, str], int],
    ) -> _Blend:
        by_component: dict[str, list[int]] = {}
        for number, stream in enumerate(streams):
            by_component.setdefault(stream.component, []).append(number)
        epoch_windows, epoch_tokens = np.zeros((2, len(streams)), np.int64)
        limits = np.full(len(streams), np.inf)
        entries = []
        for pattern, names in entries_of(stage.name, stage.blend, list(by_component)).items():
            entry = stage.blend[pattern]
            for name in names:
                for i in by_component[name]:
                    repeats = streams[i].repeats[upsamplings.get((stage.name, name), 0)]
                    epoch_windows[i] = repeats * streams[i].windows
                    epoch_tokens[i] = repeats * streams[i].tokens
                    if entry.max_epochs is not None:
                        limits[i] = math.floor(entry.max_epochs * epoch_windows[i])
            entries.append(
                _Entry(
                    pattern,
                    float(entry.weight if entry.weight is not None else entry.tokens or 0),
                    entry.tokens is not None,
                    entry.max_epochs,
                    tuple((name, np.array(by_component[name])) for name in names),
                )
            )
        return cls(stage, streams, tuple(entries), epoch_windows, epoch_tokens, limits)

    def shares(self, samples: int, taken: np.ndarray, *, capped: bool = True) -> np.ndarray:
        """Samples by stream, float64 [streams], when so many are still to be drawn and ``taken`` were."""
        room = np.maximum(self.limits - taken, 0) if capped else np.full(len(self.streams), np.inf)
        result = np.zeros(len(self.streams))
        of_entries = [np.concatenate([streams for _, streams in entry.members]) for entry in self.entries]
        by_entry = fill(
            samples,
            np.array([entry.weight for entry in self.entries]),
            np.array([room[streams].sum() for streams in of_entries]),
        )
        for entry, amount in zip(self.entries, by_entry, strict=True):
            by_component = fill(
                amount,
                np.array([float(self.epoch_tokens[streams].sum()) for _, streams in entry.members]),
                np.array([room[streams].sum() for _, streams in entry.members]),
            )
            for (_, streams), part in zip(entry.members, by_component, strict=True):
                result[streams] = fill(part, self.epoch_windows[streams].astype(np.float64), room[streams])
        return result

    def check(self, taken: np.ndarray) -> list[str]:
        """What caps do to the shares. Raises RecipeError where they leave too little, or may do nothing."""
        stage, samples = self.stage, self.stage.samples
        amounts = self.shares(samples, taken)
        wanted = self.shares(samples, taken, capped=False)
        field = f"stages.{stage.name}.blend"
        if amounts.sum() < samples - 0.5:
            raise RecipeError(
                f"{field}: max_epochs leave {int(amounts.sum()):,} samples for a stage of {samples:,}; make it "
                "shorter, raise max_epochs, or give more components a weight"
            )
        notes = []
        for entry in self.entries:
            streams = np.concatenate([numbers for _, numbers in entry.members])
            if entry.by_tokens and amounts[streams].sum() < wanted[streams].sum() * (1 - 1e-9) - 1:
                raise RecipeError(
                    f"{field}: {entry.pattern!r} asks for {int(entry.weight):,} tokens, of which max_epochs "
                    f"{entry.max_epochs:g} allows {amounts[streams].sum() / wanted[streams].sum():.1%}"
                )
            for name, numbers in entry.members:
                before, after = wanted[numbers].sum(), amounts[numbers].sum()
                if after < before * (1 - 1e-9):
                    notes.append(
                        f"stage {stage.name}: {name} reaches max_epochs {entry.max_epochs:g}: "
                        f"{after / samples:.1%} of the samples, not {before / samples:.1%}; the rest goes to the "
                        "others in proportion to their weights"
                    )
        if notes and not stage.redistribute:
            raise RecipeError(f"{field}: at_cap is refuse, and {notes[0].rpartition(';')[0]}")
        return notes


def fill(amount: float, weights: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """``amount`` shared out in proportion to weights, none above its limit; float64 [n].

    What a limit holds back goes to the others in proportion. The sum is smaller than ``amount`` where all are at
    their limits.
    """
    result = np.zeros(len(weights))
    open_ = (weights > 0) & (limits > 0)
    left = float(amount)
    while open_.any() and left > 0:
        share = np.where(open_, left * (weights / weights[open_].sum()), 0.0)
        full = open_ & (share >= limits)
        if not full.any():
            return result + share
        result[full] = limits[full]
        left = float(amount) - float(result.sum())
        open_ &= ~full
    return result
