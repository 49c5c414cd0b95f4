"""The order of samples in a run, as a function: any step, without replaying the ones before, and backwards.

A sample is window k of a stream of tokens. Shards are already shuffled by document, so the order of windows is a
seeded permutation of 0…n-1 for each epoch of each stream. A stream has one cursor that goes on from stage to
stage: it gives every window once before it gives any a second time, however often the weights change. The order
knows nothing of ranks, micro-batches or files.

The run is a row of segments, stretches in which the weights stay the same. What a segment draws depends on what
came before it, and never on what follows: segments that are still to come may change without moving a sample that
was drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

from hanji.training.data.blend import BLOCK, BlockTable, block_table
from hanji.training.data.permutation import permute, round_keys

ORDER_VERSION = 2
"""Raised when the same segments, windows and seed would give other samples."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a stage with one blend: slots per block by stream (they sum to ``BLOCK``), and its samples."""

    stage: str
    slots: Mapping[str, int]
    samples: int

    def shares(self) -> dict[str, float]:
        """Share of the samples by stream."""
        return {name: count / BLOCK for name, count in self.slots.items()}


@dataclass(frozen=True)
class SampleBatch:
    """Samples in order: index into ``names``, window number and epoch of each (int64 arrays)."""

    names: tuple[str, ...]
    component: np.ndarray
    window: np.ndarray
    epoch: np.ndarray


@dataclass(frozen=True)
class Draws:
    """Where windows stand in a run, ordered by ``sample``: its number in the run from 0, which window it is, and
    in which epoch of its stream (int64 arrays)."""

    sample: np.ndarray
    window: np.ndarray
    epoch: np.ndarray


class SampleOrder:
    """The whole run's order. ``windows`` gives the number of windows by stream.

    Samples are numbered through the run from 0: step s of a run whose batches have b samples (s from 0) has the
    samples s · b … s · b + b - 1. ``names`` are the streams; ``starts[i]`` is the first sample of segment i.
    ``begun`` are windows of streams that were taken before the run, by one whose place it goes on from: its cursors
    begin there. Raises ValueError for a segment with a stream that has no window.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        windows: Mapping[str, int],
        seed: int,
        begun: Mapping[str, int] | None = None,
    ) -> None:
        self.segments = tuple(segment for segment in segments if segment.samples)
        self.windows = dict(windows)
        self.seed = seed
        self.names = tuple(self.windows)
        self._index = {name: index for index, name in enumerate(self.names)}
        self._sizes = np.array(list(self.windows.values()), np.int64)
        for segment in self.segments:
            for name in segment.slots:
                if self.windows.get(name, 0) < 1:
                    raise ValueError(f"stage {segment.stage}: {name} has no window")
        self.starts = (0, *accumulate(segment.samples for segment in self.segments))
        self._slots = np.zeros((len(self.segments), len(self.names)), np.int64)
        self._before = np.zeros((len(self.segments) + 1, len(self.names)), np.int64)
        self.begun = {name: count for name, count in (begun or {}).items() if count}
        for name, count in self.begun.items():
            self._before[0, self._index[name]] = count
        for number, segment in enumerate(self.segments):
            for name, count in segment.slots.items():
                self._slots[number, self._index[name]] = count
            taken = self._table(number).taken(segment.samples)
            self._before[number + 1] = self._before[number] + taken

    @property
    def samples(self) -> int:
        """Samples of the whole run."""
        return self.starts[-1]

    def consumed(self, samples: int) -> dict[str, int]:
        """Windows that the run has taken from each stream when its first ``samples`` are done."""
        number = self._segment_of(samples)
        totals = self._before[number] - self._before[0]
        if number < len(self.segments):
            totals = totals + self._table(number).taken(samples - self.starts[number])
        return dict(zip(self.names, totals.tolist(), strict=True))

    def batch(self, first: int, count: int) -> SampleBatch:
        """Samples ``first`` … ``first + count - 1`` of the run. Raises IndexError beyond its end."""
        if first < 0 or first + count > self.samples:
            raise IndexError(f"samples {first} to {first + count} of {self.samples}")
        component = np.empty(count, np.int64)
        drawn = np.empty(count, np.int64)
        done, number = 0, self._segment_of(first)
        while done < count:
            start = first + done - self.starts[number]
            length = min(count - done, self.segments[number].samples - start)
            table = self._table(number)
            block, within = np.divmod(np.arange(start, start + length, dtype=np.int64), BLOCK)
            of_block = table.stream[within]
            part = slice(done, done + length)
            component[part] = of_block
            drawn[part] = (
                self._before[number, of_block] + block * self._slots[number, of_block] + table.turn[within]
            )
            done, number = done + length, number + 1
        epoch, place = np.divmod(drawn, self._sizes[component])
        window = self._permute(component, epoch, place, backwards=False)
        return SampleBatch(self.names, component, window, epoch)

    def find(self, name: str, windows: np.ndarray) -> Draws:
        """Every sample of the run that is one of these windows (int64 [n]) of a stream, over all epochs.

        The inverse of :meth:`batch`, in time that grows with what is found and not with the run. Raises KeyError
        for an unknown stream.
        """
        index = self._index[name]
        windows = np.asarray(windows, np.int64).reshape(-1)
        begun, total, size = int(self._before[0, index]), int(self._before[-1, index]), self.windows[name]
        epochs = np.arange(begun // size, -(-total // size), dtype=np.int64)
        epoch = np.repeat(epochs, len(windows))
        window = np.tile(windows, len(epochs))
        component = np.full(len(window), index, np.int64)
        drawn = epoch * size + self._permute(component, epoch, window, backwards=True)
        seen = (drawn >= begun) & (drawn < total)
        drawn, window, epoch = drawn[seen], window[seen], epoch[seen]
        sample = self._samples_of(index, drawn)
        order = np.argsort(sample, kind="stable")
        return Draws(sample[order], window[order], epoch[order])

    def history(self, samples: int) -> dict[str, Any]:
        """What decides the first ``samples`` of the run, as JSON: two runs with equal ones drew the same samples.

        Names of stages are not part of it, so a stage may be cut in two between runs of one command.
        """
        segments: list[dict[str, Any]] = []
        for segment, start in zip(self.segments, self.starts, strict=False):
            length = min(segment.samples, samples - start)
            if length > 0:
                segments.append({"slots": dict(sorted(segment.slots.items())), "samples": length})
        return {
            "version": ORDER_VERSION,
            "seed": self.seed,
            "windows": {name: self.windows[name] for name in sorted(self.windows)},
            "begun": dict(sorted(self.begun.items())),
            "segments": segments,
        }

    def _samples_of(self, index: int, drawn: np.ndarray) -> np.ndarray:
        """Numbers of the samples that are these draws (counted from 0 over the run) of a stream."""
        number = np.searchsorted(self._before[:, index], drawn, side="right") - 1
        sample = np.empty(len(drawn), np.int64)
        for segment in np.unique(number).tolist():
            chosen = number == segment
            block, turn = np.divmod(drawn[chosen] - self._before[segment, index], self._slots[segment, index])
            place = self._table(segment).place(index, turn)
            sample[chosen] = self.starts[segment] + block * BLOCK + place
        return sample

    def _permute(
        self, component: np.ndarray, epoch: np.ndarray, values: np.ndarray, *, backwards: bool
    ) -> np.ndarray:
        if not len(values):
            return values
        pairs, which = np.unique(component << 40 | epoch, return_inverse=True)
        keys = np.stack([self._keys(pair >> 40, pair & ((1 << 40) - 1)) for pair in pairs.tolist()], axis=1)
        return permute(values, self._sizes[component], keys[:, which], backwards=backwards)

    def _keys(self, index: int, epoch: int) -> np.ndarray:
        return round_keys(f"{self.seed}/{self.names[index]}/{epoch}")

    def _segment_of(self, sample: int) -> int:
        return int(np.searchsorted(np.array(self.starts[1:], np.int64), sample, side="right"))

    def _table(self, number: int) -> BlockTable:
        return segment_table(self._slots[number], self.seed, self.starts[number])


def segment_table(slots: np.ndarray, seed: int, start: int) -> BlockTable:
    """The blocks of the segment that begins with sample ``start``; slots: int64 [streams]."""
    return block_table(tuple(slots.tolist()), _offset(seed, start))


@lru_cache(maxsize=4096)
def _offset(seed: int, start: int) -> int:
    """Where the walk through a block begins, for the segment that begins with this sample."""
    digest = hashlib.blake2b(f"{seed}/{start}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % BLOCK
