"""HTTP responses as archives keep them: headers and body, decoded as far as the bytes allow."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

MAX_BODY = 64_000_000
_MAX_HEADERS = 65_536


@dataclass(frozen=True)
class Response:
    """Status code, lower-case headers (the first of each name), and the decoded body.

    ``problem`` says what was wrong with the encoding where the body is only what could be decoded.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    problem: str | None = None

    @property
    def content_type(self) -> str:
        """The media type, lower-case, without parameters; "" if none is given."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """The charset parameter of the content type."""
        for parameter in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                return value.strip().strip("\"'") or None
        return None


def parse_response(block: bytes) -> Response | None:
    """A response from a record's block; None if it does not begin like one."""
    if not block.startswith((b"HTTP/", b"http/")):
        return None
    end, skip = _header_end(block)
    lines = block[:end].replace(b"\r\n", b"\n").split(b"\n")
    parts = lines[0].split(None, 2)
    try:
        status = int(parts[1])
    except (IndexError, ValueError):
        return None
    headers: dict[str, str] = {}
    name = ""
    for line in lines[1:]:
        text = line.decode("latin-1")
        if text[:1] in (" ", "\t") and name:
            headers[name] += " " + text.strip()
            continue
        name, colon, value = text.partition(":")
        name = name.strip().lower()
        if colon and name not in headers:
            headers[name] = value.strip()
    return _decode(status, headers, block[end + skip :])


def _header_end(block: bytes) -> tuple[int, int]:
    """Where the headers end, and the width of the blank line after them (LF alone is tolerated)."""
    crlf, lf = block.find(b"\r\n\r\n", 0, _MAX_HEADERS), block.find(b"\n\n", 0, _MAX_HEADERS)
    if crlf >= 0 and (lf < 0 or crlf < lf):
        return crlf, 4
    if lf >= 0:
        return lf, 2
    return len(block), 0


def _decode(status: int, headers: dict[str, str], body: bytes) -> Response:
    problem = None
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body, problem = dechunk(body)
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in ("gzip", "x-gzip", "deflate"):
        body, trouble = _inflate(body)
        problem = problem or trouble
    elif encoding == "br":
        body, trouble = _unbrotli(body)
        problem = problem or trouble
    elif encoding not in ("", "identity", "none", "utf-8"):
        problem = problem or f"content-encoding {encoding[:20]} is unknown"
    return Response(status, headers, body, problem)


def dechunk(body: bytes) -> tuple[bytes, str | None]:
    """Undo chunked transfer encoding. A body that is not chunked after all (crawlers do that) stays."""
    pieces: list[bytes] = []
    position = 0
    while True:
        line_end = body.find(b"\n", position, position + 100)
        size_text = body[position:line_end].split(b";")[0].strip() if line_end >= 0 else b""
        try:
            size = int(size_text, 16)
        except ValueError:
            if not pieces:
                return body, None
            return b"".join(pieces) + body[position:], "a chunk size is broken"
        if size < 0:
            return body, "a chunk size is broken"
        start = line_end + 1
        pieces.append(body[start : start + size])
        if size == 0:
            return b"".join(pieces), None
        position = start + size
        if position >= len(body):
            return b"".join(pieces), "the last chunk is missing"
        position += 2 if body[position : position + 2] == b"\r\n" else body[position : position + 1] == b"\n"


def _inflate(body: bytes) -> tuple[bytes, str | None]:
    """gzip, zlib or raw deflate; what comes before a fault is kept. Some servers label plain text so."""
    for window in (47, -15):
        inflate = zlib.decompressobj(window)
        pieces: list[bytes] = []
        total, problem, data = 0, None, body
        try:
            while data and not inflate.eof:
                piece = inflate.decompress(data, 1 << 20)
                pieces.append(piece)
                total += len(piece)
                data = inflate.unconsumed_tail
                if total > MAX_BODY:
                    problem = f"decodes to more than {MAX_BODY} bytes"
                    break
            if not inflate.eof and problem is None:
                problem = "the compressed body is cut short"
        except zlib.error:
            problem = "the compressed body is broken"
        if total:
            return b"".join(pieces), problem
    if body[:1] in (b"<", b" ", b"\n", b"\r") or not body:
        return body, None
    return b"", "the compressed body is broken"


def _unbrotli(body: bytes) -> tuple[bytes, str | None]:
    try:
        import brotli  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return b"", "content-encoding br needs the package brotli"
    try:
        inflate = brotli.Decompressor()
        decoded: bytes = inflate.process(body, output_buffer_limit=MAX_BODY)
        if not inflate.is_finished():
            return decoded, "the compressed body is cut short or too long"
        return decoded, None
    except brotli.error:
        return b"", "the compressed body is broken"
