"""Web archives: WARC and WET, framed by fastwarc (ARC files are passed on to their own reader).

Documents are responses with status 200 and a textual type, resources of such types, and the conversion
records of WET files. All else is counted by reason. What is broken becomes an error record, and reading
goes on where it can.
"""

from __future__ import annotations

import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import fsspec
from fastwarc.warc import ArchiveIterator, WarcRecordType

from hanji.curation.records import Record
from hanji.curation.sources.arc import read_arc
from hanji.curation.sources.compressed import (
    Damaged,
    Gunzip,
    find_bytes,
    next_member,
    open_decompressed,
)
from hanji.curation.sources.http import Response, parse_response
from hanji.curation.sources.pages import document_of

# Its record types are no Python enum and cannot be hashed: compared as integers.
_TYPE_NAMES = {
    int(getattr(WarcRecordType, name)): name
    for name in ("warcinfo", "request", "metadata", "revisit", "continuation")
}
_RESPONSE, _RESOURCE = int(WarcRecordType.response), int(WarcRecordType.resource)
_CONVERSION = int(WarcRecordType.conversion)
# A header within a block, whole or cut off by the block's end.
_HEADER_WITHIN = re.compile(
    rb"\r?\n\r?\n(?=WARC/(?:1\.\d\r?\n[A-Za-z-]+:|[\d.]*\r?\n?[A-Za-z-]*\Z)|W(?:A(?:RC?)?)?\Z)"
)
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_RECORD_FOLLOWS = re.compile(rb"\s*(?:WARC/|\Z)")
_LONGEST_HEADER = 65_536


def read_archive(path: str, skipped: Counter[str]) -> Iterator[Record]:
    """Records of a WARC, WET or ARC file, plain or compressed."""
    head = _head(path)
    if not head:
        yield Record(key="", path=path, offset=0, error="empty-file: 0 bytes")
    elif head.startswith(b"filedesc:"):
        yield from read_arc(path, skipped)
    else:
        yield from _read_warc(path, skipped)


def _head(path: str) -> bytes:
    with fsspec.open(path, "rb") as file:
        raw: bytes = file.read(16)
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        with open_decompressed(path) as file:
            return file.read(16) or raw
    except Damaged:
        return raw


class _Watched:
    """A stream for fastwarc that ends at damage, and remembers an OSError: the machine's trouble."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.failure: OSError | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            # One raw read, so that what stands before a broken byte is handed out first.
            data: bytes = self._file.read1(size if size > 0 else 1 << 16)
        except Damaged:
            return b""
        except OSError as error:
            self.failure = error
            raise
        return data

    def tell(self) -> int:
        return 0

    def close(self) -> None: ...


def _read_warc(path: str, skipped: Counter[str]) -> Iterator[Record]:
    with fsspec.open(path, "rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        anything = False
        start: int | None = 0
        while start is not None:
            stretch = _Stretch(raw, path, start, compressed, skipped)
            yield from stretch.records()
            anything = anything or stretch.anything
            start = stretch.resume_at
            if not anything:
                yield Record(key="", path=path, offset=0, error="not-a-warc: it does not begin with a record")
                # The beginning of a compressed file may be all that is broken.
                start, compressed, anything = next_member(raw, 0, b"WARC/"), True, True


class _Stretch:
    """WARC records from a place in the file on: to its end, or to where reading must start anew.

    ``resume_at`` is that place: the first sound member behind a damaged one, the next header behind what
    cannot be parsed, or a record that another one, of wrong Content-Length, has swallowed.
    """

    def __init__(self, raw: Any, path: str, start: int, compressed: bool, skipped: Counter[str]) -> None:
        raw.seek(start)
        self._raw = raw
        self._path = path
        self._start = start
        self._members = Gunzip(raw, start) if compressed else None
        self._watched = _Watched(io.BufferedReader(self._members, 1 << 16) if self._members else _Plain(raw))
        self._skipped = skipped
        self.anything = False
        self.resume_at: int | None = None

    def records(self) -> Iterator[Record]:
        # Quirks mode finds the next record after garbage, where the strict one would give up.
        archive = iter(
            ArchiveIterator(self._watched, parse_http=False, quirks_mode=True, stream_detect=False)
        )
        position = self._start
        while self.resume_at is None:
            try:
                record = next(archive)
                position = self._position(int(record.stream_pos))
                block: bytes = record.reader.read()
                headers = {str(name).lower(): str(value) for name, value in record.headers.items()}
                kind, promised = int(record.record_type), int(record.content_length)
            except StopIteration:
                break
            except (OSError, ValueError) as error:
                if self._watched.failure is not None:
                    raise self._watched.failure from None
                if not self._is_damaged():
                    yield self._broken(position, str(error))
                    return
                break
            self.anything = True
            if self._is_in_damage(int(record.stream_pos), block, promised):
                yield self._damaged(headers)
                return
            length, swallowed = self._sound_length(int(record.stream_pos), position, block, promised)
            if swallowed is not None:
                promised, self.resume_at = length, swallowed
            found = _one_record(kind, headers, block[:length], promised, self._path, position, self._skipped)
            if found is not None:
                yield found
        if self._is_damaged() and self.resume_at is None:
            yield self._damaged({})

    def _is_damaged(self) -> bool:
        return self._members is not None and self._members.damage is not None

    def _is_in_damage(self, stream_position: int, block: bytes, promised: int) -> bool:
        """Whether the record is cut by damage, or has the damaged member to itself.

        In the latter case even a whole block is not to be trusted: inflating reads on into what is no
        longer its member. In a member of many records, those before the fault are sound.
        """
        if self._members is None or self._members.damage is None:
            return False
        return len(block) < promised or self._members.members.get(stream_position) == self._members.member

    def _position(self, stream_position: int) -> int:
        """Where a record is in the file; in a compressed one, the start of its member or of what is known."""
        if self._members is None:
            return self._start + stream_position
        return self._members.members.get(stream_position, self._start + stream_position)

    def _damaged(self, headers: dict[str, str]) -> Record:
        """The error record of a damaged member, by the identity of the record in it where that is known."""
        assert self._members is not None
        member = self._members.member
        self.anything = True
        self.resume_at = next_member(self._raw, member + 1, b"WARC/")
        key, url, date = _identity(headers)
        message = f"{self._members.damage}: in the gzip member at byte {member}"
        return Record(key, self._path, member, url, date, error=message)

    def _broken(self, position: int, message: str) -> Record:
        self.anything = True
        if self._members is not None:
            self.resume_at = next_member(self._raw, self._members.member + 1, b"WARC/")
        else:
            after = next(find_bytes(self._raw, b"\nWARC/1.", position + 1), None)
            self.resume_at = None if after is None else after + 1
        return Record(key="", path=self._path, offset=position, error=f"warc-broken: {message}")

    def _sound_length(
        self, stream_position: int, position: int, block: bytes, promised: int
    ) -> tuple[int, int | None]:
        """Bytes of the block that are this record's, and where the first record stands that it has swallowed.

        A header within a block may also be quoted by the page. It is a swallowed record if no record follows
        where the length says so (plain files), or if a gzip member begins right there.
        """
        header = _HEADER_WITHIN.search(block)
        if header is None:
            return len(block), None
        here = self._raw.tell()
        begin = stream_position + self._header_length(stream_position, position)
        within = begin + header.end()
        if self._members is not None:
            swallowed = self._members.members.get(within)
        elif len(block) < promised:
            swallowed = self._start + within
        else:
            self._raw.seek(self._start + begin + promised)
            follows = _RECORD_FOLLOWS.match(self._raw.read(64))
            swallowed = None if follows else self._start + within
        self._raw.seek(here)  # the stream reads on from there
        return (len(block), None) if swallowed is None else (header.start(), swallowed)

    def _header_length(self, stream_position: int, position: int) -> int:
        """Bytes of a record's header with its blank line; 0 if that cannot be told."""
        if self._members is not None and stream_position not in self._members.members:
            return 0
        self._raw.seek(position)
        head: bytes = self._raw.read(_LONGEST_HEADER)
        if self._members is not None:
            head = zlib.decompressobj(31).decompress(head, _LONGEST_HEADER)
        end = _HEADER_END.search(head)
        return end.end() if end else 0


class _Plain:
    """read1 for files that have only read."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read1(self, size: int) -> bytes:
        data: bytes = self._file.read(size)
        return data


def _one_record(
    kind: int,
    headers: dict[str, str],
    block: bytes,
    promised: int,
    path: str,
    position: int,
    skipped: Counter[str],
) -> Record | None:
    if kind not in (_RESPONSE, _RESOURCE, _CONVERSION):
        skipped[f"record: {_TYPE_NAMES.get(kind, 'unknown type')}"] += 1
        return None
    key, url, date = _identity(headers)
    if len(block) < promised:
        message = f"record-truncated: {len(block)} of {promised} bytes are there"
        return Record(key, path, position, url, date, error=message)
    if kind == _CONVERSION:
        return Record(key, path, position, url, date, text=block, http_charset="utf-8")
    if kind == _RESOURCE:
        response: Response | None = Response(200, {"content-type": headers.get("content-type", "")}, block)
    else:
        response = parse_response(block)
    return document_of(response, Record(key, path, position, url, date), skipped)


def _identity(headers: dict[str, str]) -> tuple[str, str | None, str | None]:
    """Key, URL and date of a record: the key is its id, else URL and date."""
    url = headers.get("warc-target-uri", "").strip().strip("<>") or None
    date = headers.get("warc-date")
    key = headers.get("warc-record-id", "").strip() or f"{url or ''} {date or ''}".strip()
    return key, url, date
