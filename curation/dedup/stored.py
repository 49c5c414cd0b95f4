"""Shingle sets of many documents, kept on disk where they are more than fit comfortably into memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.dedup.shingles import shingle_sets
from hanji.curation.recipe import Shingles

IN_MEMORY = 128 << 20
"""Bytes of shingles that are held; more than that go to a temporary file, and are paged in as they are read."""
TEXT_BYTES = 16 << 20
"""Text that is cut into shingles at a time."""


class StoredSets:
    """Sets by place: those of document i are ``hashes()[begin[i]:end[i]]``, ascending uint64; empty until added.

    A context manager: the temporary file goes with it.
    """

    def __init__(self, documents: int) -> None:
        self.begin = np.zeros(documents, np.int64)
        self.end = np.zeros(documents, np.int64)
        self._filled = 0
        self._pieces: list[np.ndarray] = []
        self._file: IO[bytes] | None = None

    def __enter__(self) -> StoredSets:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(
        self,
        places: np.ndarray,
        languages: np.ndarray,
        texts: pa.Array | pa.ChunkedArray,
        shingles: Sequence[Shingles],
    ) -> None:
        """Make and keep the sets of texts.

        places: int64, the document of each text; languages: int64, code of its language, which is its place in
        ``shingles``, what the sets are made of; texts: large_string without nulls.
        """
        texts = flat(texts)
        for code, settings in enumerate(shingles):
            rows = np.flatnonzero(languages == code)
            for some in _slices(rows, texts):
                sets = shingle_sets(texts.take(pa.array(some)), settings)
                self.begin[places[some]] = self._filled + sets.bounds[:-1]
                self.end[places[some]] = self._filled + sets.bounds[1:]
                self._keep(sets.hashes)

    def hashes(self) -> np.ndarray:
        """All sets, end to end; uint64."""
        if self._file is not None:
            self._file.flush()
            return np.memmap(self._file, np.uint64, mode="r", shape=(self._filled,))
        whole = np.concatenate([np.zeros(0, np.uint64), *self._pieces])
        self._pieces = [whole]
        return whole

    def _keep(self, hashes: np.ndarray) -> None:
        self._filled += len(hashes)
        if self._file is None and self._filled * hashes.itemsize <= IN_MEMORY:
            self._pieces.append(hashes)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="hanji-shingles-")  # noqa: SIM115
            for piece in self._pieces:
                self._file.write(piece.data)
            self._pieces = []
        self._file.write(hashes.data)


def _slices(rows: np.ndarray, texts: pa.Array) -> list[np.ndarray]:
    """The rows in pieces of at most TEXT_BYTES of text, or of a single row."""
    if not len(rows):
        return []
    sizes = pc.binary_length(texts).to_numpy(zero_copy_only=False)[rows]
    piece = np.cumsum(sizes) // TEXT_BYTES
    return np.split(rows, np.flatnonzero(np.diff(piece)) + 1)
