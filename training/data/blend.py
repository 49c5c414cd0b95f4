"""Which components a stage reads, and how many samples of each stand in a block of its order.

A stage's weights become integers: of every ``BLOCK`` samples, component i gives exactly ``slots[i]``
(largest remainder, at least one). With integers the position of every component is a product and a table
look-up at any step, and no rounding accumulates over a long run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from hanji.errors import RecipeError

BLOCK = 4096
"""Samples in a block; a weight is met to within 1/4096, and no component with a weight gets none."""


@dataclass(frozen=True)
class StageBlend:
    """Slots per block by component name, in the order of the names; they sum to ``BLOCK``."""

    stage: str
    slots: dict[str, int]

    def shares(self) -> dict[str, float]:
        """Share of the samples by component."""
        return {name: count / BLOCK for name, count in self.slots.items()}


def match_patterns(
    stage: str, patterns: Mapping[str, float], components: Mapping[str, int]
) -> dict[str, float]:
    """Weight by component name, for those that a pattern matches; ``components`` gives their tokens.

    The most specific pattern (fewest ``*`` parts) counts for a component, so the order of a recipe's lines
    does not matter; its weight is shared among its components in proportion to tokens. Raises RecipeError
    for a pattern that no component is left for, and for two equally specific patterns on one component.
    """
    members: dict[str, list[str]] = {pattern: [] for pattern in patterns}
    for name in components:
        matching = [pattern for pattern in patterns if _matches(pattern, name)]
        if not matching:
            continue
        best = max(matching, key=_literal_parts)
        rivals = [p for p in matching if p != best and _literal_parts(p) == _literal_parts(best)]
        if rivals:
            raise RecipeError(
                f"stages.{stage}.blend: {best!r} and {rivals[0]!r} are equally specific and both match "
                f"{name}; add a more specific pattern, for example {name!r}"
            )
        members[best].append(name)
    empty = [pattern for pattern, names in members.items() if not names]
    if empty:
        raise RecipeError(
            f"stages.{stage}.blend: {empty[0]!r} matches no component that another pattern does not take; "
            f"there are: {', '.join(sorted(components)) or 'none'}"
        )
    weights = {}
    for pattern, names in members.items():
        tokens = sum(components[name] for name in names)
        for name in names:
            weights[name] = patterns[pattern] * components[name] / tokens
    return dict(sorted(weights.items()))


def apportion(stage: str, weights: Mapping[str, float]) -> StageBlend:
    """Whole slots per block by the largest remainder (Hamilton's method), at least one for each.

    Ties go to the name that sorts first. Raises RecipeError for more than ``BLOCK`` components.
    """
    names = sorted(weights)
    if len(names) > BLOCK:
        raise RecipeError(f"stages.{stage}.blend: {len(names)} components; at most {BLOCK} can be blended")
    total = sum(weights[name] for name in names)
    spare = BLOCK - len(names)
    exact = [spare * weights[name] / total for name in names]
    slots = [1 + int(share) for share in exact]
    by_remainder = sorted(range(len(names)), key=lambda i: (-(exact[i] - int(exact[i])), names[i]))
    for index in by_remainder[: BLOCK - sum(slots)]:
        slots[index] += 1
    return StageBlend(stage, dict(zip(names, slots, strict=True)))


def block_sequence(slots: Sequence[int], offset: int) -> np.ndarray:
    """Component index (int32) of each sample of a block, evenly interleaved.

    Slot numbers are walked in steps of the golden ratio of ``BLOCK`` (an odd step, so that each is met
    once): a Weyl sequence, in which every stretch of the block holds nearly its share of each component.
    """
    step = int(BLOCK * 0.6180339887498949) | 1
    visited = (offset + step * np.arange(BLOCK, dtype=np.int64)) % BLOCK
    return np.repeat(np.arange(len(slots), dtype=np.int32), np.asarray(slots))[visited]


def _matches(pattern: str, name: str) -> bool:
    wanted, found = pattern.split("/"), name.split("/")
    return len(wanted) == len(found) and all(
        fnmatchcase(part, glob) for part, glob in zip(found, wanted, strict=True)
    )


def _literal_parts(pattern: str) -> int:
    return sum("*" not in part for part in pattern.split("/"))
