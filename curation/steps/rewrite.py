"""Rewrite: a large compressed JSONL file becomes pieces that many workers can read.

A gzip stream can only be read from its beginning, so one file of many gigabytes would keep one worker busy
while the others wait. It is streamed once, in bounded memory, into Parquet files of its lines with their places
in the original; what is read from them has the same ids, keys and locators as what is read from the file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hanji.curation.sources.compressed import Damaged, compression_by_name, open_decompressed
from hanji.curation.sources.splits import Piece, Split
from hanji.curation.work import Attempt, Commit, Outcome
from hanji.storage import WITH_CHECKSUMS, HashingWriter, Storage

VERSION = 1
DIRECTORY = "rewritten"
GROUP_BYTES = 16_000_000
_CHUNK = 1 << 20
# ``line`` with its line end; or, as the last row, ``error`` where the stream is damaged.
LINES = pa.schema([("offset", pa.int64()), ("line", pa.large_binary()), ("error", pa.large_string())])


def is_rewritten(split: Split, rewrite_bytes: int | None) -> bool:
    """Whether a file is large enough, and cannot be cut where it is."""
    large = bool(rewrite_bytes) and split.size >= (rewrite_bytes or 0)
    return large and split.format == "jsonl" and compression_by_name(split.paths[0]) is not None


def rewrite_file(attempt: Attempt, split: Split, split_bytes: int) -> Outcome:
    """Write the lines of one file as pieces of about ``split_bytes``; the commit's info says where each begins."""
    (path,) = split.paths
    pieces: list[dict[str, Any]] = []
    lines = 0
    with _Pieces(attempt) as writer:
        for group in _groups(path, min(GROUP_BYTES, split_bytes)):
            if writer.bytes >= split_bytes:
                pieces.append(writer.close())
            writer.write(group)
            lines += len(group)
        # A file without a line is one piece as well, so that its source is known to have been read.
        pieces.append(writer.close())
    return Outcome({"in": lines, "kept": lines}, {"pieces": pieces})


def with_pieces(splits: Sequence[Split], commits: Mapping[str, Commit], run: Storage) -> list[Split]:
    """The splits, with each of which there is a commit (by unit) replaced by its pieces, in its place."""
    found: list[Split] = []
    for split in splits:
        commit = commits.get(split.name)
        if commit is None:
            found.append(split)
            continue
        for piece in commit.info["pieces"]:
            written = commit.files[piece["file"]]
            start, stop = piece["start"], piece["stop"]
            there = Piece(run.describe(written.path), written.sha256)
            found.append(dataclasses.replace(split, start=start, stop=stop, size=stop - start, piece=there))
    return found


class _Pieces:
    """Writes Parquet files one after another, row group by row group."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._number = 0
        self._open = ExitStack()
        self._writer: pq.ParquetWriter | None = None
        self._start = 0
        self._stop = 0
        self.bytes = 0

    def __enter__(self) -> _Pieces:
        return self

    def __exit__(self, *raised: Any) -> None:
        # An error in between goes through the open file, which then never appears.
        if self._writer is not None:
            with suppress(OSError, pa.ArrowInvalid):
                self._writer.close()
        self._open.__exit__(*raised)

    def write(self, group: pa.Table) -> None:
        if self._writer is None:
            self._path = self._attempt.name(DIRECTORY, f"-{self._number:05d}.parquet")
            file: IO[bytes] = self._open.enter_context(self._attempt.run.create_file(self._path))
            self._hashing = HashingWriter(file)
            self._writer = pq.ParquetWriter(self._hashing, LINES, use_dictionary=False, **WITH_CHECKSUMS)
            self._rows = 0
        self._writer.write_table(group, row_group_size=max(1, len(group)))
        self._rows += len(group)
        size = int(pc.sum(pc.binary_length(group["line"])).as_py() or 0)
        self._stop += size
        self.bytes += size

    def close(self) -> dict[str, Any]:
        """End the piece; returns what the commit says of it: its file and the bytes of the original it holds."""
        if self._writer is None:
            self.write(LINES.empty_table())
        assert self._writer is not None
        self._hashing.begin_footer()
        self._writer.close()
        self._open.close()
        logical = f"{self._number:05d}"
        self._attempt.files[logical] = self._hashing.written(self._path, self._rows)
        piece = {"file": logical, "start": self._start, "stop": self._stop}
        self._number, self._start, self._writer, self.bytes = self._number + 1, self._stop, None, 0
        return piece


def _groups(path: str, group_bytes: int) -> Iterator[pa.Table]:
    """The lines of a file in tables of about that many bytes; the last may end with the row of an error."""
    position = 0
    chunks: list[bytes] = []
    size = 0
    with open_decompressed(path) as file:
        while True:
            try:
                chunk = file.read1(min(_CHUNK, group_bytes))  # type: ignore[attr-defined]
            except Damaged as damage:
                # The line that the damage is in is lost with it.
                whole, _ = _at_last_line_end(chunks)
                place = position + len(whole)
                yield _table(whole, position, [(place, f"{damage.reason}: after byte {place}")])
                return
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
            if size >= group_bytes and b"\n" in chunk:
                whole, rest = _at_last_line_end(chunks)
                yield _table(whole, position, [])
                position += len(whole)
                chunks, size = [rest], len(rest)
    last = b"".join(chunks)
    if last:
        yield _table(last, position, [])


def _at_last_line_end(chunks: list[bytes]) -> tuple[bytes, bytes]:
    data = b"".join(chunks)
    end = data.rfind(b"\n") + 1
    return data[:end], data[end:]


def _table(data: bytes, position: int, errors: Sequence[tuple[int, str]]) -> pa.Table:
    """The lines of ``data``, which begins at ``position`` of the content, then the errors."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    if len(data) and (not len(ends) or ends[-1] != len(data)):
        ends = np.append(ends, len(data))
    bounds = np.concatenate(([0], ends)).astype(np.int64)
    lines = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(data)]
    )
    table = pa.table(
        {
            "offset": pa.array(bounds[:-1] + position, pa.int64()),
            "line": lines,
            "error": pa.nulls(len(lines), pa.large_string()),
        },
        LINES,
    )
    if not errors:
        return table
    places, messages = zip(*errors, strict=True)
    failed = pa.table(
        {
            "offset": pa.array(places, pa.int64()),
            "line": pa.nulls(len(errors), pa.large_binary()),
            "error": pa.array(messages, pa.large_string()),
        },
        LINES,
    )
    return pa.concat_tables([table, failed])
