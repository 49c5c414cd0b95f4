"""ARC files, the format before WARC (Burner and Kahle 1996), in both versions.

A record is a line and a block. Version 1 has ``URL IP date type length``, version 2 puts the status, a
checksum, a location, an offset and a file name before the length. URLs may hold blanks, so the line is read
from its end.
"""

from __future__ import annotations

import re
from collections import Counter

from hanji.curation.records import Record
from hanji.curation.sources.framing import NO_LENGTH, Frame, Header
from hanji.curation.sources.http import parse_response
from hanji.curation.sources.pages import document_of

_LONGEST_LINE = 1 << 13
_SCHEME = re.compile(rb"(?:filedesc|https?|ftp|dns|whois|gopher|mailto|news|nntp|file|data):\S", re.I)
_ANY_SCHEME = re.compile(rb"[a-zA-Z][\w+.-]{1,30}:\S")
# A line from its date on. Writers put "-" or nonsense where they knew no length.
_VERSION_1 = re.compile(rb" ([0-9A-Fa-f.:]{1,45}|-) (\d{8,20}) (\S{1,255}) (-?\w{1,18})\s*\Z")
_VERSION_2 = re.compile(
    rb" ([0-9A-Fa-f.:]{1,45}|-) (\d{8,20}) (\S{1,255}) (?:-|\d{1,6}) \S{1,100} \S{1,2048} (?:-|\d{1,18}) \S{1,255}"
    rb" (-?\w{1,18})\s*\Z"
)
# What no other line has: a date between blanks.
_DATE = re.compile(rb" \d{8,20} [^\s]")


class _Arc:
    """The dialect of ARC."""

    name = "arc"
    longest_line = _LONGEST_LINE

    def begins(self, data: bytes, at: int) -> bool:
        if _ANY_SCHEME.match(data, at) is None:
            return False
        end = data.find(b"\n", at, at + _LONGEST_LINE)
        return end >= 0 and _parts(data[at:end]) is not None

    def find(self, data: bytes, start: int, stop: int) -> int:
        while (date := _DATE.search(data, start, stop)) is not None:
            end = data.find(b"\n", date.start(), date.start() + _LONGEST_LINE)
            if end < 0:
                start = date.end()
                continue
            low = max(start, date.start() - _LONGEST_LINE)
            line = data.rfind(b"\n", low, date.start()) + 1 or low
            # Junk may stand before the URL, on its line.
            scheme = _ANY_SCHEME.match(data, line) or _SCHEME.search(data, line, date.start())
            if scheme is not None and _parts(data[scheme.start() : end]) is not None:
                return scheme.start()
            start = end
        return -1

    def header(self, data: bytes, at: int) -> Header | None:
        end = data.find(b"\n", at, at + _LONGEST_LINE)
        if end < 0:
            return None
        parts = _parts(data[at:end])
        if parts is None:
            return None
        url, date, kind, length = parts
        fields = {"url": url, "date": _iso_date(date), "content-type": kind}
        return Header(end + 1 - at, fields, int(length) if length.isdigit() else None)


DIALECT = _Arc()


def record_of(frame: Frame, path: str, skipped: Counter[str]) -> Record | None:
    """The record of a frame; None, and a count, if it is no document."""
    url, date = frame.fields.get("url"), frame.fields.get("date")
    key = f"{url} {date}" if url else ""
    base = Record(key, path, frame.position, url, date, error=frame.error, flaw=frame.flaw)
    whole = frame.error is None or frame.error.endswith(NO_LENGTH)
    if (url or "").startswith("filedesc:") and whole:
        skipped["record: filedesc"] += 1
        return None
    if frame.error is not None:
        return base
    return document_of(parse_response(frame.data, frame.start, frame.stop), base, skipped)


def _parts(line: bytes) -> tuple[str, str, str, str] | None:
    """URL, date, type and length of a header line; None if it is none."""
    for pattern in (_VERSION_2, _VERSION_1):
        found = pattern.search(line)
        if found is not None:
            url = line[: found.start()].decode("utf-8", "replace")
            date, kind, length = (found.group(place).decode("latin-1") for place in (2, 3, 4))
            return url, date, kind, length
    return None


def _iso_date(stamp: str) -> str:
    """YYYYMMDD[hhmmss] as ISO 8601."""
    padded = stamp[:14].ljust(14, "0")
    return f"{padded[:4]}-{padded[4:6]}-{padded[6:8]}T{padded[8:10]}:{padded[10:12]}:{padded[12:14]}Z"
