"""How many samples of each stream stand in a block of the order, and at which places.

Weights become integers: of every ``BLOCK`` samples, stream i gives exactly ``slots[i]`` (largest remainder, at
least one). With integers the position of every stream is a product and a table look-up at any step, and no
rounding accumulates over a long run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hanji.errors import RecipeError

BLOCK = 65536
"""Samples in a block; a weight is met to within 1/65536, and no stream with a weight gets none."""


def apportion(stage: str, weights: Mapping[str, float]) -> dict[str, int]:
    """Whole slots per block by the largest remainder (Hamilton's method), at least one for each.

    Those that would get none take their slot from the largest. Ties go to the name that sorts first. Slots given as
    weights come out as they are. Raises RecipeError for more than ``BLOCK`` streams.
    """
    names = sorted(weights)
    if len(names) > BLOCK:
        raise RecipeError(f"stages.{stage}.blend: {len(names)} streams; at most {BLOCK} can be blended")
    given = np.array([weights[name] for name in names], np.float64)
    exact = given * (BLOCK / given.sum())
    slots = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(slots - exact, kind="stable")
    slots[by_remainder[: BLOCK - int(slots.sum())]] += 1
    while (slots == 0).any():
        slots[int(slots.argmax())] -= 1
        slots[int(slots.argmin())] += 1
    return dict(zip(names, slots.tolist(), strict=True))


@dataclass(frozen=True)
class BlockTable:
    """The places of a block: which stream stands at each, evenly interleaved, and how often it stood before.

    slots: int64 [streams]; stream, turn: int32 [BLOCK]; ``places`` int32 [BLOCK] are the places of stream 0 in
    order, then those of stream 1, …; ``first`` int64 [streams + 1] says where in them each stream's begin.
    """

    slots: np.ndarray
    stream: np.ndarray
    turn: np.ndarray
    places: np.ndarray
    first: np.ndarray

    def taken(self, samples: int) -> np.ndarray:
        """Samples of each stream among the first ``samples`` of a row of such blocks, int64 [streams]."""
        blocks, rest = divmod(samples, BLOCK)
        partial = np.bincount(self.stream[:rest], minlength=len(self.slots))
        counts: np.ndarray = blocks * self.slots + partial
        return counts

    def place(self, stream: int, turn: np.ndarray) -> np.ndarray:
        """Places in the block at which a stream stands for the time ``turn`` (from 0, below its slots)."""
        found: np.ndarray = self.places[self.first[stream] + turn].astype(np.int64)
        return found

    def samples_until(self, stream: int, drawn: int) -> int:
        """Samples of a row of such blocks before a stream is drawn for the time ``drawn`` (from 0)."""
        blocks, turn = divmod(drawn, int(self.slots[stream]))
        return blocks * BLOCK + int(self.place(stream, np.array([turn]))[0])


@lru_cache(maxsize=64)
def block_table(slots: tuple[int, ...], offset: int) -> BlockTable:
    """The places for these slots (they sum to ``BLOCK``).

    Slot numbers are walked in steps of the golden ratio of ``BLOCK`` (an odd step, so that each is met once): a
    Weyl sequence, in which every stretch of the block holds nearly its share of each stream.
    """
    step = int(BLOCK * 0.6180339887498949) | 1
    visited = (offset + step * np.arange(BLOCK, dtype=np.int64)) % BLOCK
    counts = np.asarray(slots, np.int64)
    stream = np.repeat(np.arange(len(slots), dtype=np.int32), counts)[visited]
    first = np.concatenate([[0], np.cumsum(counts)])
    places = np.argsort(stream, kind="stable").astype(np.int32)
    turn = np.empty(BLOCK, np.int32)
    turn[places] = (np.arange(BLOCK) - first[stream[places]]).astype(np.int32)
    return BlockTable(counts, stream, turn, places, first)
