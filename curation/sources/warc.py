"""Web archives: the records of WARC and WET files, and of ARC files by their own dialect.

Documents are responses with status 200 and a textual type, resources of such types, and the conversion
records of WET files. All else is counted by reason. What is broken becomes an error record, and reading
goes on where it can. (ISO 28500, and what writers of WARC/0.17 to 1.1 made of it.)
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import fsspec

from hanji.curation.records import Record
from hanji.curation.sources import arc
from hanji.curation.sources.compressed import Damaged, compression_of, decompressed
from hanji.curation.sources.framing import LONGEST_HEADER, MOST_BLOCK, Frame, Header, frames
from hanji.curation.sources.http import Response, dechunk, parse_response, payload_of
from hanji.curation.sources.members import MEMBER, Members, next_member
from hanji.curation.sources.pages import document_of, with_flaw

# The line that begins a record, with the beginning of the next one: a page may quote the words alone.
_BEGINNING = re.compile(rb"WARC/(?:1\.\d|0\.\d\d?)[ \t]*\r?\n[A-Za-z]")
_HEADER_END = re.compile(rb"\n\r?\n|" + _BEGINNING.pattern)
# Content by which the dialect of an archive can be told.
_ENOUGH = 1 << 15
_MOST_DAMAGED = 4
_DOCUMENTS = ("response", "resource", "conversion")
_KINDS = ("warcinfo", "request", "metadata", "revisit", "continuation")


def read_archive(path: str, skipped: Counter[str], *, check_digests: bool = False) -> Iterator[Record]:
    """Records of a WARC, WET or ARC file, plain or compressed (by its first bytes, not its name).

    ``check_digests`` compares each document with the SHA-1, SHA-256 or MD5 that its header gives.
    """
    with _open(path) as archive:
        if archive is None:
            yield Record(key="", path=path, offset=0, error="empty-file: 0 bytes")
            return
        for frame in archive.frames():
            if archive.is_arc:
                found = arc.record_of(frame, path, skipped)
            else:
                found = _record_of(frame, path, skipped, check_digests)
            if found is not None:
                yield found


def frames_of(path: str) -> Iterator[Frame]:
    """The records of an archive as they are framed, of every type, before anything is made of them."""
    with _open(path) as archive:
        if archive is not None:
            yield from archive.frames()


@dataclass(frozen=True)
class _Archive:
    """An open archive: gzip members, or bytes; ``size`` is None if they cannot be sought in."""

    raw: Any
    compressed: bool
    size: int | None
    is_arc: bool

    def frames(self) -> Iterator[Frame]:
        dialect = arc.DIALECT if self.is_arc else _DIALECT
        return frames(self.raw, dialect, compressed=self.compressed, size=self.size)


@contextmanager
def _open(path: str) -> Iterator[_Archive | None]:
    """Open an archive, whatever it is compressed with; None if the file is empty."""
    with fsspec.open(path, "rb") as raw:
        head: bytes = raw.read(1 << 15)
        raw.seek(0)
        compression = _compression(head)
        if not head:
            yield None
        elif compression in (None, "gzip"):
            size = raw.seek(0, 2)
            compressed = compression == "gzip"
            is_arc = _is_arc(_unpacked(raw) if compressed else head, path)
            raw.seek(0)
            yield _Archive(raw, compressed, size, is_arc)
        else:
            with decompressed(raw, compression) as stream:
                try:
                    first = stream.peek(1)
                except Damaged:
                    first = b""
                yield _Archive(stream, False, None, _is_arc(first, path))


def _compression(head: bytes) -> str | None:
    """How an archive that begins so is compressed; damage may have taken or made its first bytes."""
    named = compression_of(head)
    plain = sum(_headers(head))
    if named not in (None, "gzip") or MEMBER.search(head) is None:
        return named if not plain else None
    if not plain:
        return "gzip"
    # A page in a plain archive may be compressed, but does not begin with a record.
    packed, place = 0, next_member(io.BytesIO(head), 0, _has_header, _ENOUGH)
    while place is not None:
        packed += 1
        place = next_member(io.BytesIO(head), place + 1, _has_header, _ENOUGH)
    return "gzip" if packed >= plain else None


def _is_arc(content: bytes, path: str) -> bool:
    """Whether it is an ARC file: by how it begins, by which headers it has, at last by its name."""
    if content.startswith(b"filedesc:") and arc.DIALECT.begins(content, 0):
        return True
    in_warc, in_arc = _headers(content)
    if not in_warc and not in_arc:
        return path.endswith((".arc", ".arc.gz"))
    # A line that damage made look like a header is outvoted.
    return in_arc > in_warc


def _headers(content: bytes) -> tuple[int, int]:
    """How many headers of WARC and of ARC stand in the content, those alone that give a length."""
    counts = []
    for dialect in (_DIALECT, arc.DIALECT):
        count, place = 0, dialect.find(content, 0, len(content))
        while place >= 0:
            header = dialect.header(content, place)
            count += header is not None and header.length is not None
            place = dialect.find(content, place + (header.size if header else 1), len(content))
        counts.append(count)
    return counts[0], counts[1]


def _has_header(content: bytes) -> bool:
    return _headers(content) != (0, 0)


def _unpacked(raw: Any) -> bytes:
    """What the first sound members hold: enough to tell the dialect by, also where the first are damaged."""
    content, start = b"", 0
    for _ in range(_MOST_DAMAGED):
        members = Members(raw, start)
        while len(content) < _ENOUGH and (piece := members.piece()):
            content += piece
        if members.damage is None:
            break
        found = next_member(raw, members.member + 1, _has_header, _ENOUGH)
        if found is None:
            break
        start = found
    return content


class _Warc:
    """The dialect of WARC: a line with the version, then fields as in mail, then a blank line."""

    name = "warc"
    longest_line = 64

    def begins(self, data: bytes, at: int) -> bool:
        return data.startswith(b"WARC/", at)

    def find(self, data: bytes, start: int, stop: int) -> int:
        found = _BEGINNING.search(data, start, stop)
        return found.start() if found else -1

    def header(self, data: bytes, at: int) -> Header | None:
        # Nearly every header ends like this; one that does not is not searched for its end again and again.
        end = data.find(b"\r\n\r\n", at, at + 2048) + 4
        if end < 4 or data.find(b"WARC/", at + 5, end) >= 0 or data.find(b"\n\n", at, end) >= 0:
            found = _HEADER_END.search(data, at + 5, at + LONGEST_HEADER)
            if found is None:
                return None
            if found.group().startswith(b"W"):
                # The next record begins within the header: this one has neither end nor block.
                return Header(found.start() - at, fields_of(data[at : found.start()]), None)
            end = found.end()
        fields = fields_of(data[at:end])
        length = fields.get("content-length", "")
        # Python refuses to read numbers of thousands of digits.
        known = length.isascii() and length.isdigit() and len(length) < 19
        return Header(end - at, fields, int(length) if known else None)


_DIALECT = _Warc()


def fields_of(header: bytes) -> dict[str, str]:
    """Fields by lower-case name, the first of each name; lines that begin with a blank continue a field."""
    fields: dict[str, str] = {}
    name = ""
    for line in header.decode("utf-8", "replace").split("\n")[1:]:
        if line[:1] in (" ", "\t") and name:
            fields[name] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or name in fields:
            name = ""
        else:
            fields[name] = value.strip()
    return fields


def _record_of(frame: Frame, path: str, skipped: Counter[str], check_digests: bool) -> Record | None:
    fields = frame.fields
    key, url, date = _identity(fields)
    base = Record(key, path, frame.position, url, date, error=frame.error, flaw=frame.flaw)
    if frame.error is not None:
        # Also where the record would be no document: what is behind it may be lost.
        return base
    kind = fields.get("warc-type", "").lower()
    if kind not in _DOCUMENTS:
        skipped[f"record: {kind if kind in _KINDS else 'unknown type'}"] += 1
        return None
    found = document_of(_response(kind, fields, frame), _with_flaws(base, fields), skipped)
    if found is None or found.error is not None:
        return found
    if frame.large:
        message = f"record-too-large: {fields.get('content-length')} bytes; at most {MOST_BLOCK} are read"
        return dataclasses.replace(found, html=None, text=None, error=message)
    if check_digests and not _digest_holds(fields, frame, kind):
        return with_flaw(found, "digest-mismatch: the bytes are not those that the archive's writer hashed")
    return found


def _response(kind: str, fields: dict[str, str], frame: Frame) -> Response | None:
    kept_type = fields.get("content-type", "")
    if kind == "response":
        response = parse_response(frame.data, frame.start, frame.stop)
        other = kept_type and not kept_type.lower().startswith(("application/http", "message/http"))
        if response is not None or not other:
            return response
    if kind == "conversion":
        kept_type = kept_type or "text/plain"
        if "charset" not in kept_type:
            # What converted the page wrote UTF-8, as WET files do.
            kept_type += "; charset=utf-8"
    return Response(200, {"content-type": kept_type} if kept_type else {}, frame.block)


def _with_flaws(base: Record, fields: dict[str, str]) -> Record:
    truncated = fields.get("warc-truncated")
    if truncated is not None:
        base = with_flaw(base, f"payload-truncated: {truncated or 'unspecified'}, says the archive")
    segment = fields.get("warc-segment-number")
    if segment is not None:
        base = with_flaw(base, f"segmented: only segment {segment} of the record")
    return base


def _identity(fields: dict[str, str]) -> tuple[str, str | None, str | None]:
    """Key, URL and date of a record: the key is its id, else URL and date."""
    # wget up to 1.20 puts the URI in angle brackets, as an early draft of the standard had it.
    url = fields.get("warc-target-uri", "").strip().strip("<>") or None
    date = fields.get("warc-date")
    key = fields.get("warc-record-id", "").strip() or f"{url or ''} {date or ''}".strip()
    return key, url, date


def _digest_holds(fields: dict[str, str], frame: Frame, kind: str) -> bool:
    """Whether block or, where only that has a digest, payload have it; true if there is none to check.

    Writers do not agree whether a payload is hashed before or after chunks are joined: either will do.
    """
    digest = fields.get("warc-block-digest")
    if digest is not None:
        return _has_digest(frame.block, digest)
    digest = fields.get("warc-payload-digest", "")
    if kind != "response":
        return _has_digest(frame.block, digest)
    payload = payload_of(frame.data, frame.start, frame.stop)
    return _has_digest(payload, digest) or _has_digest(dechunk(payload)[0], digest)


def _has_digest(data: bytes, digest: str) -> bool:
    algorithm, _, expected = digest.partition(":")
    if algorithm.strip().lower() not in ("sha1", "sha256", "md5"):
        return True
    found = hashlib.new(algorithm.strip().lower(), data).digest()
    known = (base64.b32encode(found).decode().rstrip("="), binascii.hexlify(found).decode().upper())
    return expected.strip().rstrip("=").upper() in known
