"""Streams of tokens and the shards that they are made of: from a window to stretches of shards, and back.

A stream is a component's shards end to end, or of them the documents that stand equally often in an epoch
(``hanji.training.data.repeats``). All functions take arrays of ranges: a step has thousands of windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hanji.manifest import Component

if TYPE_CHECKING:
    from hanji.training.data.repeats import DocumentRuns


@dataclass(frozen=True)
class Pieces:
    """Stretches of tokens within one shard, all int64 [pieces], in the order of their ranges.

    ``range`` is the number of the range that a piece is of, ``shard`` the number of the shard in the component,
    ``start`` and ``stop`` its tokens in the shard, ``within`` where it begins in its range.
    """

    range: np.ndarray
    shard: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    within: np.ndarray


class StreamMap:
    """Where the tokens of a stream are. ``runs`` is its table of documents, None where it has all of them."""

    def __init__(self, component: Component, runs: DocumentRuns | None = None) -> None:
        self.component = component
        self._runs = runs
        tokens = np.array([shard.tokens for shard in component.shards], np.int64)
        self._starts = np.concatenate([[0], np.cumsum(tokens)])
        """int64 [shards + 1]: where each shard begins in the component, in tokens."""

    @property
    def tokens(self) -> int:
        """Tokens of the whole stream."""
        return int(self._starts[-1]) if self._runs is None else self._runs.tokens

    def pieces(self, starts: np.ndarray, stops: np.ndarray) -> Pieces:
        """The stretches of shards that ranges [start, stop) of the stream are made of, none of them empty."""
        number = np.arange(len(starts), dtype=np.int64)
        within = np.zeros(len(starts), np.int64)
        if self._runs is not None:
            # Cut where runs of documents begin, and go over from the stream to the component.
            number, run, lows, highs = cut(starts, stops, self._runs.first)
            within = lows - starts[number]
            moved = np.asarray(self._runs.place[run]) - np.asarray(self._runs.first[run])
            starts, stops = lows + moved, highs + moved
        part, shard, lows, highs = cut(starts, stops, self._starts[:-1])
        base = self._starts[shard]
        return Pieces(number[part], shard, lows - base, highs - base, within[part] + lows - starts[part])

    def span(self, shard: int, start: int, stop: int) -> tuple[int, int] | None:
        """Where a document, tokens [start, stop) of a shard, is in the stream; None where it is in another one."""
        first, last = int(self._starts[shard]) + start, int(self._starts[shard]) + stop
        if self._runs is None:
            return first, last
        run = int(np.searchsorted(self._runs.place, first, "right")) - 1
        if run < 0:
            return None
        begins = self._runs.first
        end = int(begins[run + 1]) if run + 1 < len(begins) else self._runs.tokens
        moved = int(begins[run]) - int(self._runs.place[run])
        return (first + moved, last + moved) if last + moved <= end else None


def cut(
    starts: np.ndarray, stops: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ranges [start, stop) cut at sorted bounds, the first of which is no later than any start.

    starts, stops: int64 [ranges]. Returns int64 [pieces]: the range, the number of the last bound at or before the
    piece, its start and its stop. Of equal bounds the last one counts, so cells without tokens get no piece.
    """
    first = np.searchsorted(bounds, starts, "right") - 1
    last = np.searchsorted(bounds, stops, "left") - 1
    count = np.maximum(last - first + 1, 0)
    number = np.repeat(np.arange(len(starts), dtype=np.int64), count)
    cell = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
    lows = np.maximum(starts[number], bounds[cell])
    following = np.minimum(cell + 1, len(bounds) - 1)
    ends = np.where(cell + 1 < len(bounds), bounds[following], np.iinfo(np.int64).max)
    highs = np.minimum(stops[number], ends)
    real = highs > lows
    return number[real], cell[real], lows[real], highs[real]


def windows_with(span: tuple[int, int], seq_length: int, windows: int) -> np.ndarray:
    """The windows of a stream, int64, whose samples hold a token of a document at this span of the stream.

    Sample k is tokens k·S … k·S + S: S inputs, and the last target, which is the first input of the next window.
    """
    start, stop = span
    first = max(0, -(-start // seq_length) - 1)
    last = min(windows - 1, (stop - 1) // seq_length)
    return np.arange(first, last + 1, dtype=np.int64)
