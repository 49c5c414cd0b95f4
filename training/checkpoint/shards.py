"""What a checkpoint is made of: rectangular parts of named tensors, and small objects.

A :class:`Shard` is a view of what this rank holds, so the same description serves to save and, in place, to
load. Names and places are those of the whole model: no layout shows in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Shard:
    """A part of tensor ``key`` of shape ``whole``, beginning at ``offset``; ``data`` has as many axes.

    ``main``: whether this rank writes it; others hold copies of it.
    """

    key: str
    data: torch.Tensor
    offset: tuple[int, ...]
    whole: tuple[int, ...]
    main: bool


@dataclass(frozen=True)
class Blob:
    """An object kept by pickle under a key of its own, which tells the part (``name/shard_0_4``)."""

    key: str
    value: Any
    main: bool


def boxes_of_range(
    shape: Sequence[int], start: int, stop: int
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """A stretch of a row-major tensor's elements as rectangles (offset, size), in the order of the elements.

    At most 2·axes − 1 of them: the end of a row, whole rows, the beginning of a row, and so on inwards.
    """
    if start >= stop:
        return []
    if len(shape) <= 1:
        return [((start,), (stop - start,))] if shape else [((), ())]
    inner = math.prod(shape[1:])
    rest = tuple(shape[1:])
    boxes = []
    position = start
    while position < stop:
        row, within = divmod(position, inner)
        whole_rows = (stop - position) // inner if within == 0 else 0
        if whole_rows:
            boxes.append(((row, *([0] * len(rest))), (whole_rows, *rest)))
            position += whole_rows * inner
            continue
        end = min(inner, within + stop - position)
        boxes += [((row, *offset), (1, *size)) for offset, size in boxes_of_range(rest, within, end)]
        position += end - within
    return boxes
