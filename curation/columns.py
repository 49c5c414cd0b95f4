"""Small operations on Arrow columns that several steps need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One contiguous array of a column of text, as ``large_string``."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # what combining no chunk at all gives
        array = pa.array([], pa.large_string())
    return array.cast(pa.large_string())


def text_buffers(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """(bytes: uint8, offsets into them: int64[documents + 1]) of a large_string array, without a copy."""
    _, offsets, data = texts.buffers()
    if not len(texts):
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    bounds = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8), bounds


def run_starts(table: pa.Table, keys: Sequence[str]) -> np.ndarray:
    """Row numbers at which a new combination of ``keys`` begins in a sorted table without nulls; int64."""
    rows = len(table)
    if rows == 0:
        return np.zeros(0, np.int64)
    same = np.ones(rows - 1, bool)
    for key in keys:
        column = table[key].combine_chunks()
        equal = pc.equal(column.slice(1), column.slice(0, rows - 1))
        same &= equal.to_numpy(zero_copy_only=False)
    return np.append(0, np.flatnonzero(~same) + 1)


def run_lengths(starts: np.ndarray, rows: int) -> np.ndarray:
    """Lengths of the runs that begin at ``starts`` in a table of ``rows`` rows; int64."""
    return np.diff(np.append(starts, rows)) if len(starts) else np.zeros(0, np.int64)


def run_bounds(*columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(starts, lengths) of the runs of rows that are equal in all of several sorted columns; int64 each."""
    rows = len(columns[0])
    if not rows:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    new = np.zeros(rows, bool)
    new[0] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    starts = np.flatnonzero(new)
    return starts, run_lengths(starts, rows)


def pieces(sizes: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Cuts of a sequence: (start, stop) of stretches whose sizes add up to at most ``most``, or of a single one."""
    sums = np.cumsum(sizes)
    cuts: list[tuple[int, int]] = []
    start = 0
    while start < len(sizes):
        before = int(sums[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(sums, before + most, "right")))
        cuts.append((start, stop))
        start = stop
    return cuts
