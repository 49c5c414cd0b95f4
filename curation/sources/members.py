"""Gzip files member by member, and where the next sound member begins behind a damaged one.

Web archives hold one member a record, so a member is the unit of damage. Inflating is ISA-L's (twice as fast
as zlib); at a fault the member is inflated once more by zlib, byte by byte at the end, so that everything
before the fault is handed out and the result does not depend on which library found it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from isal import igzip_lib, isal_zlib

_GZIP = 31
_READ = 1 << 20
_STEP = 1 << 15
# Magic, deflate, and no reserved flag: three bytes alone occur by chance every 16 MB.
MEMBER = re.compile(rb"\x1f\x8b\x08[\x00-\x1f]")


class Members:
    """The content of a gzip file from position ``start`` on, in pieces.

    ``piece`` gives content of one member only: ``fresh`` says that it begins one, and ``member`` where in the
    file that member starts. At a fault ``damage`` is set: what stands before the
    fault is given first, then b"" as at the end of the file.
    """

    def __init__(self, raw: Any, start: int = 0) -> None:
        self.raw = raw
        self.wasted = 0  # bytes of the file inflated in vain, for the reader that goes on behind damage
        self._any = False
        self.restart(start)

    def restart(self, start: int) -> None:
        """Go on at another position of the file, with a member that begins there."""
        self.raw.seek(start)
        self._buffer = memoryview(b"")
        self._at = 0
        self._behind = start  # position in the file of the buffer's end
        self._inflate: Any = None
        self._produced = 0
        self.member = start
        self.fresh = False
        self.damage: str | None = None

    def piece(self) -> bytes:
        """The next bytes of content; b"" at the end of the file or at damage."""
        while self.damage is None:
            if self._inflate is None and not self._begin_member():
                return b""
            data = self._take()
            content = self._truncated() if not data else self._inflated(data)
            if content:
                self.fresh = self._produced == 0
                self._produced += len(content)
                return content
        return b""

    def finish(self) -> None:
        """Give nothing more, and forget the damage: as if the file ended here."""
        self._any = True
        self.restart(self.raw.seek(0, 2))

    def position(self) -> int:
        """How far the file has been read, in bytes of the file."""
        return self._behind - (len(self._buffer) - self._at)

    def _begin_member(self) -> bool:
        """Start the next member; False at the end of the file. Zeros between members are padding."""
        while True:
            data = self._take()
            if not data:
                if not self._any and self._behind > 0:
                    self.damage = "gzip-invalid"  # nothing but padding
                return False
            padding = len(data) - len(bytes(data).lstrip(b"\0"))
            self._at -= len(data) - padding
            if padding < len(data):
                break
        self.member = self.position()
        self._any = True
        self._inflate = isal_zlib.decompressobj(_GZIP)
        self._produced = 0
        return True

    def _take(self) -> memoryview:
        """The next bytes of the file, a step of them."""
        if self._at >= len(self._buffer):
            self._buffer = memoryview(self.raw.read(_READ))
            self._behind += len(self._buffer)
            self._at = 0
        data = self._buffer[self._at : self._at + _STEP]
        self._at += len(data)
        return data

    def _inflated(self, data: memoryview) -> bytes:
        try:
            content: bytes = self._inflate.decompress(data)
        except igzip_lib.IsalError:  # type: ignore[misc, unused-ignore]
            return self._replayed()
        if self._inflate.eof:
            self._at -= len(self._inflate.unused_data)
            self._inflate = None
        return content

    def _truncated(self) -> bytes:
        self.damage = "gzip-truncated"
        rest: bytes = self._inflate.flush()
        return rest

    def _replayed(self) -> bytes:
        """Inflate the member again from its start, by zlib: what it gives beyond what was handed out."""
        self.raw.seek(self.member)
        inflate = zlib.decompressobj(_GZIP)
        pieces: list[bytes] = []
        position, seen = self.member, 0
        while not inflate.eof and self.damage is None and (data := self.raw.read(_STEP)):
            before = inflate.copy()
            try:
                piece = inflate.decompress(data)
                position += len(data) - len(inflate.unused_data)
            except zlib.error:
                self.damage = "gzip-invalid"
                piece, reached = up_to_fault(before, data)
                position += reached
            # Only what was not handed out yet is kept: a member may be larger than the memory.
            pieces.append(piece[max(0, self._produced - seen) :])
            seen += len(piece)
        if not inflate.eof and self.damage is None:
            self.damage = "gzip-truncated"
        # zlib alone found no fault: go on behind the member.
        self.raw.seek(position)
        self._buffer, self._at, self._behind = memoryview(b""), 0, position
        self._inflate = None
        return b"".join(pieces)


def up_to_fault(inflate: Any, data: bytes | memoryview, most: int = 1 << 62) -> tuple[bytes, int]:
    """What can be inflated of data with a fault in it, and how many bytes it takes to meet the fault.

    zlib hands out nothing of the call that fails, so calls get smaller until one of a single byte fails.
    No more than about ``most`` bytes are given.
    """
    pieces: list[bytes] = []
    position, step, total = 0, min(len(data), 1 << 15), 0
    while step and position < len(data) and total < most and not inflate.eof:
        before = inflate.copy()
        try:
            pieces.append(inflate.decompress(data[position : position + step]))
            total += len(pieces[-1])
            position += step
        except zlib.error:
            inflate = before
            step //= 2
    return b"".join(pieces), position


def next_member(raw: Any, start: int, is_record: Callable[[bytes], bool], most: int) -> int | None:
    """Where, from ``start`` on, the next gzip member stands whose content begins like a record; or None.

    ``is_record`` is given the first ``most`` bytes of content.
    """
    for position, ahead in _members(raw, start):
        try:
            content = zlib.decompressobj(_GZIP).decompress(ahead, most)
        except zlib.error:
            continue
        if is_record(content):
            return position
    return None


def _members(raw: Any, start: int) -> Iterator[tuple[int, memoryview]]:
    """Positions that look like a member's beginning, each with the bytes from there on (64 kB of them)."""
    size = 1 << 14
    while True:
        raw.seek(start)
        data: bytes = raw.read(size + _STEP)
        view = memoryview(data)
        for match in MEMBER.finditer(data, 0, size + 3):
            yield start + match.start(), view[match.start() : match.start() + _STEP]
        if len(data) < size + _STEP:
            # The last stretch: what begins in its tail was not looked at above.
            for match in MEMBER.finditer(data, size):
                yield start + match.start(), view[match.start() :]
            return
        start += size
        # Near damage is found with little reading, far away without many requests.
        size = min(2 * size, _READ)
