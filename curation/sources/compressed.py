"""Decompressing streams that tell damage of the file from trouble of the machine."""

from __future__ import annotations

import bz2
import io
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import fsspec
import pyarrow as pa

from hanji.curation.sources.members import Members
from hanji.trouble import is_of_machine

_STEP = 1 << 16


class Damaged(Exception):
    """The compressed data is broken; ``reason`` is the rule name of the ledger (gzip-truncated, …)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# By the first bytes of a file, and by the end of its name.
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"\xfd7zXZ\0": "xz"}
_ENDINGS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz"}


def compression_of(head: bytes) -> str | None:
    """How a file that begins so is compressed: gzip, zstd, bz2, xz, or not at all."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def compression_by_name(path: str) -> str | None:
    """How a file of that name says that it is compressed."""
    return next((name for ending, name in _ENDINGS.items() if path.endswith(ending)), None)


@contextmanager
def open_decompressed(path: str) -> Iterator[IO[bytes]]:
    """Open a file, decompressed as its name says; reading raises Damaged at the first broken byte.

    What stands before the damage has been handed out by then.
    """
    compression = compression_by_name(path)
    with fsspec.open(path, "rb") as raw:
        if compression is None:
            yield raw
        else:
            with decompressed(raw, compression) as stream:
                yield stream


@contextmanager
def decompressed(raw: Any, compression: str) -> Iterator[io.BufferedReader]:
    """The content of an open file; see open_decompressed."""
    if compression == "gzip":
        yield io.BufferedReader(Gunzip(raw), 1 << 20)
    elif compression == "zstd":
        yield io.BufferedReader(_Zstd(raw), 1 << 20)
    else:
        library: type[bz2.BZ2File | lzma.LZMAFile] = bz2.BZ2File if compression == "bz2" else lzma.LZMAFile
        with library(raw) as file:
            yield io.BufferedReader(_Library(file, compression), 1 << 20)


class Gunzip(io.RawIOBase):
    """Gzip members one after another, as one stream.

    Python's own reader loses the bytes before a fault; this one hands them out first.
    """

    def __init__(self, raw: Any) -> None:
        self._members = Members(raw)
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._ready:
            self._ready = memoryview(self._members.piece())
        count = min(len(buffer), len(self._ready))
        if not count and self._members.damage is not None:
            raise Damaged(self._members.damage)
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


class _Stepped(io.RawIOBase):
    """A decompressor that is read in steps of one size, so that what it gives before a fault is always the same."""

    def __init__(self) -> None:
        self._ready = memoryview(b"")

    def _step(self) -> bytes:
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._ready:
            self._ready = memoryview(self._step())
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


class _Library(_Stepped):
    """A file of bz2 or lzma, whose complaints about the data become Damaged."""

    def __init__(self, file: Any, name: str) -> None:
        super().__init__()
        self._file = file
        self._name = name

    def _step(self) -> bytes:
        try:
            data: bytes = self._file.read1(_STEP)
        except EOFError:
            raise Damaged(f"{self._name}-truncated") from None
        except (lzma.LZMAError, OSError) as error:
            if is_of_machine(error):
                raise
            raise Damaged(f"{self._name}-invalid") from None
        return data


class _Zstd(_Stepped):
    """A file of zstd frames."""

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self._stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")

    def _step(self) -> bytes:
        try:
            data: bytes = self._stream.read(_STEP)
        except (pa.ArrowInvalid, OSError) as error:
            if is_of_machine(error):
                raise
            message = str(error).lower()
            if "truncated" in message:
                raise Damaged("zstd-truncated") from None
            if "zstd" in message or "compress" in message:
                raise Damaged("zstd-invalid") from None
            raise
        return data
