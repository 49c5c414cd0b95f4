"""JSON Lines, plain or compressed. Lines end at \\n alone: strings may hold U+2028 and U+0085."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

import fsspec
import pyarrow.parquet as pq

from hanji.curation.recipe import Source
from hanji.curation.records import Record
from hanji.curation.sources.compressed import Damaged, open_decompressed
from hanji.curation.sources.rows import row_record
from hanji.curation.sources.signatures import other_than_lines
from hanji.curation.sources.splits import Piece, Split

BATCH = 1024
_HEAD = 512


def read_lines(split: Split, source: Source) -> Iterator[Record]:
    """Records of the lines that begin in the split's range; ``offset`` is a line's first byte."""
    (path,) = split.paths
    if split.piece is not None:
        yield from _rewritten_lines(split.piece, path, source)
        return
    if split.size == 0:
        yield Record(key="", path=path, offset=0, error="empty-file: 0 bytes")
        return
    if split.stop == 0:
        with open_decompressed(path) as file:
            yield from _lines(file, path, 0, None, source)
        return
    with fsspec.open(path, "rb") as file:
        other = other_than_lines(file.read(_HEAD))
        if other is not None:
            # Said once, by the range that holds the beginning: the rest of such a file has no lines.
            if split.start == 0:
                yield Record(key="", path=path, offset=0, error=f"not-jsonl: the file begins like {other}")
            return
        file.seek(0)
        position = 0
        if split.start > 0:
            # A line belongs to the range that its first byte is in: finish the one before ours.
            file.seek(split.start - 1)
            position = split.start - 1 + len(file.readline())
        yield from _lines(file, path, position, split.stop, source)


def _rewritten_lines(piece: Piece, path: str, source: Source) -> Iterator[Record]:
    """Records of lines that were rewritten: as if they were read from the original at ``path``."""
    with (
        fsspec.open(piece.path, "rb") as stream,
        pq.ParquetFile(stream, page_checksum_verification=True) as file,
    ):
        for batch in file.iter_batches(batch_size=BATCH):
            for offset, line, error in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if error is not None:
                    yield Record(key="", path=path, offset=offset, error=error)
                elif line.strip():
                    yield _record(line, path, offset, source)


def _lines(file: IO[bytes], path: str, position: int, stop: int | None, source: Source) -> Iterator[Record]:
    while stop is None or position < stop:
        try:
            line = file.readline()
        except Damaged as damage:
            yield Record(key="", path=path, offset=position, error=f"{damage.reason}: after byte {position}")
            return
        if not line:
            return
        if line.strip():
            yield _record(line, path, position, source)
        position += len(line)


def _record(line: bytes, path: str, position: int, source: Source) -> Record:
    where = f"the line at byte {position}"
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Record(key="", path=path, offset=position, error=f"json-invalid: {where}: {error}")
    if not isinstance(row, dict):
        kind = type(row).__name__
        return Record(
            key="", path=path, offset=position, error=f"json-invalid: {where} is {kind}, not an object"
        )
    return row_record(row, source, path, position, where)
