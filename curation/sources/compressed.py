"""Decompressing streams that tell damage of the file from trouble of the machine."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import fsspec
import pyarrow as pa


class Damaged(Exception):
    """The compressed data is broken; ``reason`` is the rule name of the ledger (gzip-truncated, …)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@contextmanager
def open_decompressed(path: str) -> Iterator[IO[bytes]]:
    """Open a file, through gzip or zstd by its name; reading raises Damaged at the first broken byte.

    What stands before the damage has been handed out by then.
    """
    with fsspec.open(path, "rb") as raw:
        if path.endswith(".gz"):
            yield io.BufferedReader(Gunzip(raw), 1 << 20)
        elif path.endswith(".zst"):
            yield io.BufferedReader(_Zstd(raw), 1 << 20)
        elif path.endswith((".bz2", ".xz")):
            library: type[bz2.BZ2File | lzma.LZMAFile] = (
                bz2.BZ2File if path.endswith(".bz2") else lzma.LZMAFile
            )
            with library(raw) as file:
                yield io.BufferedReader(_Library(file, path.rpartition(".")[2]), 1 << 20)
        else:
            yield raw


class Gunzip(io.RawIOBase):
    """Gzip members one after another.

    Python's own reader loses the bytes before a fault; this one hands them out first. ``members`` maps the
    decompressed position at which a member starts to its position in the file, ``member`` is the latter
    of the one being read. ``start`` is the position in the file at which ``raw`` stands. ``damage`` is set as
    soon as a fault is met, which is before it is raised: what stands before it is handed out first.
    """

    def __init__(self, raw: Any, start: int = 0) -> None:
        self._raw = raw
        self._inflate = zlib.decompressobj(31)
        self._ready = b""
        self._started = False
        self.damage: str | None = None
        self._consumed = start
        self._produced = 0
        self.members: dict[int, int] = {0: start}
        self.member = start

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and self.damage is None:
            if not self._fill(len(buffer)):
                break
        if self._ready:
            count = min(len(buffer), len(self._ready))
            buffer[:count] = self._ready[:count]
            self._ready = self._ready[count:]
            return count
        if self.damage is not None:
            raise Damaged(self.damage)
        return 0

    def _fill(self, room: int) -> bool:
        """Produce more bytes; False at the end of the file."""
        if self._inflate.eof:
            rest = self._inflate.unused_data or self._read_raw()
            rest = rest.lstrip(b"\0")  # padding between members is allowed
            if not rest:
                return False
            self.member = self._consumed - len(rest)
            self.members[self._produced] = self.member
            self._inflate = zlib.decompressobj(31)
            self._started = False
        else:
            rest = self._inflate.unconsumed_tail or self._read_raw()
            if not rest:
                if self._started:
                    self.damage = "gzip-truncated"
                    self._ready = self._inflate.flush()
                    self._produced += len(self._ready)
                    return bool(self._ready)
                return False
        self._started = True
        before = self._inflate.copy()
        try:
            self._ready = self._inflate.decompress(rest, max(room, 1 << 16))
        except zlib.error:
            self.damage = "gzip-invalid"
            self._ready = _up_to_fault(before, rest)
        self._produced += len(self._ready)
        return True

    def _read_raw(self) -> bytes:
        data: bytes = self._raw.read(1 << 16)
        self._consumed += len(data)
        return data


def _up_to_fault(inflate: Any, data: bytes) -> bytes:
    """What can be decompressed of data with a fault in it: zlib hands out nothing of the call that fails."""
    pieces: list[bytes] = []
    for position in range(len(data)):
        try:
            pieces.append(inflate.decompress(data[position : position + 1]))
        except zlib.error:
            break
    return b"".join(pieces)


def next_member(raw: Any, start: int, begins: bytes) -> int | None:
    """Where in the file, from ``start`` on, the next gzip member stands whose content begins so.

    None if there is none. The content is checked because the three magic bytes also occur by chance.
    """
    for position in find_bytes(raw, b"\x1f\x8b\x08", start):
        raw.seek(position)
        try:
            content = zlib.decompressobj(31).decompress(raw.read(1 << 16), len(begins))
        except zlib.error:
            continue
        if content.startswith(begins):
            return position
    return None


def find_bytes(raw: Any, needle: bytes, start: int) -> Iterator[int]:
    """The positions from ``start`` on at which ``needle`` stands in a seekable file."""
    while True:
        raw.seek(start)
        chunk: bytes = raw.read(1 << 20)
        if len(chunk) < len(needle):
            return
        place = chunk.find(needle)
        while place >= 0:
            yield start + place
            place = chunk.find(needle, place + 1)
        start += len(chunk) - len(needle) + 1


class _Library(io.RawIOBase):
    """A file of bz2 or lzma, whose complaints about the data become Damaged."""

    def __init__(self, file: Any, name: str) -> None:
        self._file = file
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read1(len(buffer))
        except EOFError:
            raise Damaged(f"{self._name}-truncated") from None
        except (lzma.LZMAError, OSError) as error:
            if getattr(error, "errno", None) is not None:
                raise
            raise Damaged(f"{self._name}-invalid") from None
        buffer[: len(data)] = data
        return len(data)


class _Zstd(io.RawIOBase):
    def __init__(self, raw: Any) -> None:
        self._stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (pa.ArrowInvalid, OSError) as error:
            if "ZSTD" in str(error) or "zstd" in str(error) or "compress" in str(error).lower():
                raise Damaged("zstd-invalid") from None
            raise
        buffer[: len(data)] = data
        return len(data)
