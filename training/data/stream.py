"""Tokens of a component, mapped into memory: its shards end to end, read in windows.

A shard is a Megatron ``.bin``/``.idx`` pair (format: ``hanji.manifest``). Nothing but the tokens asked for is read,
so opening a component costs the same whatever its size. A stream is all of a component, or the documents of it that
stand equally often in an epoch (``hanji.training.data.repeats``).
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np

from hanji.errors import InputError
from hanji.manifest import Component
from hanji.storage import Storage
from hanji.training.data.repeats import DocumentRuns


class Stream(Protocol):
    """Tokens in the order in which windows are cut from them."""

    name: str

    def __len__(self) -> int: ...

    def read(self, start: int, length: int) -> np.ndarray:
        """Tokens ``start`` … ``start + length - 1`` as int64. Raises IndexError beyond the end."""
        ...

    def read_into(self, start: int, out: np.ndarray) -> None:
        """The same into an array of integers [length]."""
        ...

    def pieces(self, start: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Where these tokens lie in the component: first token and tokens of each stretch, int64, in order."""
        ...

    def locate(self, places: np.ndarray) -> np.ndarray:
        """Where tokens of the component (int64 [n]) stand in the stream; -1 for those that do not."""
        ...


class TokenStream:
    """The tokens of a component as one sequence. Files are mapped when first read."""

    def __init__(self, component: Component, storage: Storage, dtype: str) -> None:
        self.name = component.name
        self.dtype = np.dtype(dtype)
        shards = [shard for shard in component.shards if shard.tokens]
        self._paths = [local_file(storage, shard.bin.path) for shard in shards]
        self._starts = [0, *accumulate(shard.tokens for shard in shards)]
        self._maps: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return self._starts[-1]

    def read(self, start: int, length: int) -> np.ndarray:
        """Tokens ``start`` … ``start + length - 1`` as int64. Raises IndexError beyond the end."""
        result = np.empty(length, np.int64)
        self.read_into(start, result)
        return result

    def read_into(self, start: int, out: np.ndarray) -> None:
        """The same into an array of integers [length]."""
        self._check(start, len(out))
        filled = 0
        index = bisect_right(self._starts, start) - 1
        while filled < len(out):
            offset = start + filled - self._starts[index]
            piece = self._map(index)[offset : offset + len(out) - filled]
            out[filled : filled + len(piece)] = piece
            filled += len(piece)
            index += 1

    def read_at(self, places: np.ndarray, out: np.ndarray) -> None:
        """Tokens at these places (int64 [n], rising) into ``out`` [n]."""
        if not len(places):
            return
        self._check(int(places[0]), int(places[-1]) - int(places[0]) + 1)
        filled = 0
        while filled < len(places):
            index = bisect_right(self._starts, int(places[filled])) - 1
            end = int(np.searchsorted(places, self._starts[index + 1]))
            out[filled:end] = self._map(index)[places[filled:end] - self._starts[index]]
            filled = end

    def pieces(self, start: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Where these tokens lie in the component: in one piece."""
        self._check(start, length)
        return np.array([start], np.int64), np.array([length], np.int64)

    def locate(self, places: np.ndarray) -> np.ndarray:
        """Where tokens of the component stand in the stream: at the same places."""
        return np.asarray(places, np.int64)

    def _check(self, start: int, length: int) -> None:
        if start < 0 or start + length > len(self):
            raise IndexError(f"{self.name}: tokens {start} to {start + length} of {len(self)}")

    def _map(self, index: int) -> np.ndarray:
        if index not in self._maps:
            self._maps[index] = np.memmap(self._paths[index], self.dtype, mode="r").view(np.ndarray)
        return self._maps[index]


class RepeatedStream:
    """The documents of a component that stand equally often in an epoch, as one sequence."""

    def __init__(self, name: str, component: TokenStream, runs: DocumentRuns) -> None:
        self.name = name
        self._component, self._runs = component, runs

    def __len__(self) -> int:
        return self._runs.tokens

    def read(self, start: int, length: int) -> np.ndarray:
        """Tokens ``start`` … ``start + length - 1`` as int64. Raises IndexError beyond the end."""
        result = np.empty(length, np.int64)
        self.read_into(start, result)
        return result

    def read_into(self, start: int, out: np.ndarray) -> None:
        """The same into an array of integers [length]."""
        places, lengths = self.pieces(start, len(out))
        ahead = np.cumsum(lengths) - lengths
        self._component.read_at(np.repeat(places - ahead, lengths) + np.arange(len(out)), out)

    def pieces(self, start: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Where these tokens lie in the component: first token and tokens of each stretch, int64, in order."""
        if start < 0 or start + length > len(self):
            raise IndexError(f"{self.name}: tokens {start} to {start + length} of {len(self)}")
        first, place = self._runs.first, self._runs.place
        low = int(np.searchsorted(first, start, side="right")) - 1
        high = int(np.searchsorted(first, start + length, side="left"))
        begins = np.maximum(first[low:high], start)
        ends = np.append(first[low + 1 : high], start + length)
        return place[low:high] + (begins - first[low:high]), ends - begins

    def locate(self, places: np.ndarray) -> np.ndarray:
        """Where tokens of the component (int64 [n]) stand in the stream; -1 for those that do not."""
        places = np.asarray(places, np.int64)
        first, place = self._runs.first, self._runs.place
        run = np.searchsorted(place, places, side="right") - 1
        inside = run >= 0
        known = np.where(inside, run, 0)
        ends = np.where(
            known + 1 < len(first), first[np.minimum(known + 1, len(first) - 1)], self._runs.tokens
        )
        offset = places - place[known]
        inside &= offset < ends - first[known]
        located: np.ndarray = np.where(inside, first[known] + offset, -1)
        return located


def local_file(storage: Storage, path: str) -> Path:
    if storage.local is None:
        raise InputError(
            f"{storage.describe(path)}: training maps shards into memory; copy them to a local or mounted "
            "directory first"
        )
    full = storage.local / path
    if not full.exists():
        raise InputError(f"{full}: no such file, but the manifest names it")
    return full
