"""Rows of a checkpoint's tensors, read without ranks, CUDA or Megatron, and checked as they are read.

Whatever layout wrote a checkpoint, its tensors lie there as rectangular parts. One part is in memory at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch

from hanji.errors import RunError
from hanji.training.checkpoint import digest
from hanji.training.checkpoint.files import StoredParts
from hanji.training.checkpoint.manifest import faults_of_files, read_manifest
from hanji.training.checkpoint.record import Commit

ADVICE = "make the checkpoint again, or name another one"


class StoredTensors:
    """The tensors of a committed checkpoint.

    Opening compares the sizes of all files with the manifest; of each part that is read the digest is kept for
    :meth:`check`. Raises RunError for files that are missing, cut short or of another save.
    """

    def __init__(self, directory: Path, commit: Commit) -> None:
        self.directory = directory
        self.manifest = read_manifest(directory, commit.contents, commit.step, ADVICE)
        faults = faults_of_files(directory, self.manifest, sorted(self.manifest.files), "sizes")
        if faults:
            raise RunError("\n".join([*faults[:8], ADVICE]))
        self._parts = StoredParts(directory)
        self._held: tuple[str, tuple[int, ...], torch.Tensor] | None = None
        self._digests: dict[str, dict[tuple[int, ...], int]] = {}

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self.manifest.tensors)

    def shape(self, key: str) -> tuple[int, ...]:
        return self.manifest.tensors[key].shape

    def dtype(self, key: str) -> torch.dtype:
        dtype: torch.dtype = getattr(torch, self.manifest.tensors[key].dtype)
        return dtype

    def rows(self, key: str, layer: int | None, ranges: Sequence[tuple[int, int]]) -> torch.Tensor:
        """Ranges of rows of a tensor, one below the other; of one ``layer`` where the tensor is stacked.

        The last part that was read is kept, so that queries, keys and values cost one read of their matrix;
        rows that lie together in one part are a view of it. Raises RunError when rows are stored nowhere or a
        file is damaged.
        """
        size = self.shape(key) if layer is None else self.shape(key)[1:]
        wanted = [_rectangle(layer, rows, size) for rows in ranges]
        result: torch.Tensor | None = None
        filled = 0
        for offset, lengths in self._parts.chunks(key):
            at = 0
            for (first, last), (start, extent) in zip(ranges, wanted, strict=True):
                begin = tuple(map(max, start, offset))
                ends = (min(a + n, b + m) for a, n, b, m in zip(start, extent, offset, lengths, strict=True))
                shared = tuple(end - b for end, b in zip(ends, begin, strict=True))
                if all(length > 0 for length in shared):
                    part = self._part(key, offset)[_index(begin, shared, offset)]
                    part = part if layer is None else part[0]
                    if len(ranges) == 1 and shared == extent:
                        return part
                    if result is None:
                        total = sum(stop - begin for begin, stop in ranges)
                        result = torch.empty((total, *size[1:]), dtype=self.dtype(key))
                    place = _index(begin, shared, start)
                    result[at : at + last - first][place if layer is None else place[1:]] = part
                    filled += part.numel()
                at += last - first
        needed = sum(math.prod(extent) for _, extent in wanted)
        if result is None or filled != needed:
            raise RunError(
                f"{self.directory}: {filled:,} of {needed:,} values of {key} are in its files; {ADVICE}"
            )
        return result

    def check(self, key: str) -> None:
        """Raise RunError unless the tensor's parts, as they were read, are what was saved.

        Parts that nobody asked for (rows of the padded vocabulary) are read for it.
        """
        for offset, _ in self._parts.chunks(key):
            if offset not in self._digests.get(key, {}):
                self._part(key, offset)
        if digest.add(list(self._digests[key].values())) != self.manifest.tensors[key].digest:
            raise RunError(f"{self.directory}: {key} is not what was saved (its digest differs); {ADVICE}")

    def _part(self, key: str, offset: tuple[int, ...]) -> torch.Tensor:
        if self._held is not None and self._held[:2] == (key, offset):
            return self._held[2]
        self._held = None
        part = self._parts.part(key, offset)
        seen = self._digests.setdefault(key, {})
        if offset not in seen:
            seen[offset] = digest.shard_digest(part, offset, self.shape(key))
        self._held = (key, offset, part)
        return part


def _rectangle(
    layer: int | None, rows: tuple[int, int], size: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(offset, size) of rows of a tensor, or of a layer of one with a leading layer axis."""
    start, extent = (rows[0], *(0 for _ in size[1:])), (rows[1] - rows[0], *size[1:])
    return (start, extent) if layer is None else ((layer, *start), (1, *extent))


def _index(start: tuple[int, ...], size: tuple[int, ...], origin: tuple[int, ...]) -> tuple[slice, ...]:
    """A rectangle as an index into a tensor that begins at ``origin``."""
    return tuple(slice(a - b, a - b + n) for a, n, b in zip(start, size, origin, strict=True))
