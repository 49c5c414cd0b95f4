"""Frames: where the records of a web archive begin and end, also where the archive is damaged.

A record is a header that says how many bytes of block follow. The length is believed if the content, or
another record, follows where it says so; else the next header decides. Every byte of content belongs to a
record, to the blank between records, or to a stretch that comes out as one failed frame. Work is linear in
the size of the file, whatever stands in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from hanji.curation.sources.window import BLANK, Window, pieces_of

LONGEST_HEADER = 1 << 16
MOST_BLOCK = 1 << 27
_HEAD = 1 << 16
NO_LENGTH = "its header gives no length"
_MOST_BLANK = 1 << 16


@dataclass(frozen=True)
class Header:
    """A record's header: its bytes with the blank line, its fields, and the length it gives for the block.

    ``length`` is None where there is none that can be read.
    """

    size: int
    fields: dict[str, str]
    length: int | None


class Dialect(Protocol):
    """What differs between WARC and ARC."""

    name: str
    longest_line: int
    """Bytes by which it can be told that a header begins."""

    def begins(self, data: bytes, at: int) -> bool:
        """Whether a record's header begins there."""
        ...

    def find(self, data: bytes, start: int, stop: int) -> int:
        """The first place in ``data[start:stop]`` at which a header begins, or -1."""
        ...

    def header(self, data: bytes, at: int) -> Header | None:
        """The header that begins at ``at``; None if ``data`` does not hold all of it."""
        ...


@dataclass(frozen=True, slots=True)
class Frame:
    """One record: its fields, and its block as ``data[start:stop]``.

    ``position``: see Window. ``error`` (``rule: detail``) is set for what is no sound record; its fields are
    there if its header is. ``flaw`` is set for a record whose length was wrong, or that is only begun here
    because its block is larger than is read (``large``).
    """

    fields: dict[str, str]
    data: bytes
    start: int
    stop: int
    position: int
    error: str | None = None
    flaw: str | None = None
    large: bool = False

    @property
    def block(self) -> bytes:
        return self.data[self.start : self.stop]


def frames(raw: Any, dialect: Dialect, *, compressed: bool, size: int | None) -> Iterator[Frame]:
    """The frames of an open archive file: gzip members if ``compressed``, else its bytes.

    ``size`` is None for a stream that cannot be sought in. OSErrors of the machine are raised.
    """
    window = Window(pieces_of(raw, compressed, size), dialect.begins, dialect.longest_line)
    anything = False
    while True:
        window.skip_blank()
        if not window.need(1):
            if window.damage is None:
                if not anything:
                    yield _failed(0, f"{_not_a(dialect)}: it holds no record")
                return
            anything = True
            yield _damaged(window, {})
            if not window.resume():
                return
        elif not _begins(window, dialect, 0):
            frame = _between(window, dialect)
            if not anything and window.ended and not window.need(1) and window.damage is None:
                frame = _failed(frame.position, f"{_not_a(dialect)}: it does not begin with a record")
            yield frame
            anything = True
        else:
            anything = True
            yield from _record(window, dialect)


def _record(window: Window, dialect: Dialect) -> Iterator[Frame]:
    """The frame of the record that begins at the window's position, and the window moved behind it."""
    position, alone = window.position(), window.at_member()
    header = _header(window, dialect)
    if header is None:
        if window.damage is not None and window.ended:
            yield from _lost(window, {})
            return
        cut = window.ended
        yield _failed(position, _no_header(dialect, cut))
        _seek(window, dialect, 1)
        return
    fields, length = header.fields, header.length
    if length is None:
        yield Frame(fields, b"", 0, 0, position, error=f"{dialect.name}-broken: {NO_LENGTH}")
        _seek(window, dialect, header.size)
        return
    if length > MOST_BLOCK and window.need(header.size + _HEAD):
        head = window.data[window.at + header.size : window.at + header.size + _HEAD]
        if window.jump(header.size + length):
            yield Frame(fields, head, 0, len(head), position, large=True)
            return
    whole = window.need(header.size + min(length, MOST_BLOCK)) and length <= MOST_BLOCK
    data, start = window.data, window.at + header.size
    stop = min(start + length, len(data))
    if whole and _follows(window, dialect, header.size + length):
        data, start = window.data, window.at + header.size
        stop = start + length
        window.at = stop
        if alone and _is_damaged(window, position) and _rest_is_blank(window):
            # The only record of a damaged member: inflating reads on into what is no longer its own.
            yield from _lost(window, fields)
            return
        yield Frame(fields, data, start, stop, position)
        return
    data, start = window.data, window.at + header.size
    stop = min(start + length, len(data))
    within = dialect.find(data, start, stop + dialect.longest_line)
    if 0 <= within < stop:
        stop = _without_separator(data, start, within)
        window.at = within
        yield Frame(fields, data, start, stop, position, flaw=_wrong_length(length, stop - start))
        return
    yield from _of_wrong_length(window, dialect, header, position, alone)


def _of_wrong_length(
    window: Window, dialect: Dialect, header: Header, position: int, alone: bool
) -> Iterator[Frame]:
    """A record whose length does not lead to another record, and that has swallowed none."""
    fields, length = header.fields, header.length or 0
    data, start = window.data, window.at + header.size
    there = len(data) - start
    if length > MOST_BLOCK and there >= MOST_BLOCK:
        yield Frame(fields, data, start, start + _HEAD, position, large=True)
        if there < length:
            _seek(window, dialect, header.size + _HEAD)
        else:
            window.at = start + length
        return
    if there < length:
        if window.damage is not None and (not alone or _is_damaged(window, position)):
            yield from _lost(window, fields)
        elif alone:
            # Its gzip member is sound, so nothing of it is missing: the length is wrong.
            stop = _without_separator(data, start, len(data))
            window.at = len(data)
            yield Frame(fields, data, start, stop, position, flaw=_wrong_length(length, stop - start))
        else:
            window.at = len(data)
            message = f"record-truncated: {there} of {length} bytes are there"
            yield Frame(fields, data, start, len(data), position, error=message)
        return
    if alone and window.at_boundary() and dialect.find(data, start + length, len(data)) < 0:
        # It has a member to itself, so what follows is its own.
        if _is_damaged(window, position):
            yield from _lost(window, fields)
            return
        stop = _without_separator(data, start, len(data))
        window.at = len(data)
        yield Frame(fields, data, start, stop, position, flaw=_wrong_length(length, stop - start))
        return
    # What follows comes out as a stretch that is no record.
    window.at = start + length
    flaw = f"record-length: {length} bytes, and then no record follows"
    yield Frame(fields, data, start, start + length, position, flaw=flaw)


def _header(window: Window, dialect: Dialect) -> Header | None:
    """The header at the window's position, having read on as far as that takes."""
    count = 1 << 12
    while True:
        header = dialect.header(window.data, window.at)
        if header is not None or count > LONGEST_HEADER:
            return header
        known = len(window.data) - window.at
        if not window.need(count) and len(window.data) - window.at == known:
            return None
        count *= 2


def _follows(window: Window, dialect: Dialect, offset: int) -> bool:
    """Whether a record or the end is at ``offset``, behind what may stand between records."""
    blank = 0
    while True:
        place = BLANK.match(window.data, window.at + offset + blank).end()  # type: ignore[union-attr]
        blank = place - window.at - offset
        if place < len(window.data):
            return _begins(window, dialect, offset + blank)
        # A block that ends with its member is whole, whatever the next one holds.
        if blank > _MOST_BLANK or window.at_member_end() or not window.need(offset + blank + 1):
            return True


def _begins(window: Window, dialect: Dialect, offset: int) -> bool:
    """Whether a header begins at ``offset``, having read on where that cannot be told yet."""
    if dialect.begins(window.data, window.at + offset):
        return True
    if len(window.data) - window.at - offset >= dialect.longest_line:
        return False
    window.need(offset + dialect.longest_line)
    return dialect.begins(window.data, window.at + offset)


def _between(window: Window, dialect: Dialect) -> Frame:
    """A stretch of bytes that belong to no record, and the window moved behind it."""
    position = window.position()
    count = _seek(window, dialect, 0)
    return _failed(position, f"{dialect.name}-broken: {count} bytes that are no record")


def _seek(window: Window, dialect: Dialect, skip: int) -> int:
    """Move the window past ``skip`` bytes and on to the next header, or to the end; returns how many bytes."""
    window.at += skip
    moved = skip
    while True:
        place = dialect.find(window.data, window.at, len(window.data))
        if place >= 0:
            moved += place - window.at
            window.at = place
            return moved
        # A header may begin in the last bytes, unless what follows is the beginning of another member's record.
        if window.at_boundary():
            moved += len(window.data) - window.at
            window.at = len(window.data)
            return moved
        keep = max(window.at, len(window.data) - dialect.longest_line)
        moved += keep - window.at
        window.at = keep
        window.need(len(window.data) - keep + 1)


def _lost(window: Window, fields: dict[str, str]) -> Iterator[Frame]:
    """The frame of a record in a damaged member; the window moved to where reading can go on."""
    yield _damaged(window, fields)
    window.resume()


def _damaged(window: Window, fields: dict[str, str]) -> Frame:
    member = window.damaged_member
    message = f"{window.damage}: in the gzip member at byte {member}"
    return Frame(fields, b"", 0, 0, member, error=message)


def _failed(position: int, error: str) -> Frame:
    return Frame({}, b"", 0, 0, position, error=error)


def _not_a(dialect: Dialect) -> str:
    return "not-an-arc" if dialect.name == "arc" else "not-a-warc"


def _no_header(dialect: Dialect, cut: bool) -> str:
    if cut:
        return "record-truncated: its header is cut off"
    return f"{dialect.name}-broken: its header has no end"


def _is_damaged(window: Window, member: int) -> bool:
    """Whether what is known ends in damage of the member that begins there in the file."""
    return window.damage is not None and window.damaged_member == member


def _rest_is_blank(window: Window) -> bool:
    return BLANK.match(window.data, window.at).end() == len(window.data)  # type: ignore[union-attr]


def _without_separator(data: bytes, start: int, stop: int) -> int:
    """Where a block ends that was found by what follows it: before the blank lines between records."""
    for separator in (b"\r\n\r\n", b"\n\n", b"\r\n", b"\n"):
        if data.endswith(separator, start, stop):
            return stop - len(separator)
    return stop


def _wrong_length(promised: int, there: int) -> str:
    return f"record-length: its header says {promised} bytes, {there} are there"
