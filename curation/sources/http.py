"""HTTP responses as archives keep them: headers and body, decoded as far as the bytes allow.

Servers and crawlers lie: bodies that are not chunked though the header says so, plain text labelled gzip,
compressed bodies that the crawler has unpacked already, no status line at all. What the bytes are decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hanji.curation.sources.coding import decode_content

_MAX_HEADERS = 65_536
_STATUS_LINE = re.compile(rb"HTTP(?:/\d{1,2}(?:\.\d{1,2})?)?[ \t]+(\d{3})(?!\d)", re.I)
_FIELD_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}:[^\n]*\n")
_LEADING = re.compile(rb"[\r\n]*")
_MARKUP = re.compile(rb"\s*<(?:!doctype|html|head|body|\?xml|title|meta)", re.I)
NO_STATUS = "http-no-status: the block does not begin with a status line"


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


def parse_response(block: bytes, start: int = 0, stop: int | None = None) -> Response | None:
    """A response from a record's block, ``block[start:stop]``; None if it is none.

    A block that begins with header fields, or with a page as HTTP/0.9 sent it, is taken for a response with
    status 200 and a ``problem``.
    """
    stop = len(block) if stop is None else stop
    start = _LEADING.match(block, start, stop).end()  # type: ignore[union-attr]
    found = _STATUS_LINE.match(block, start, min(stop, start + 64))
    if found is None:
        return _without_status(block, start, stop)
    end, body = _header_end(block, start, stop)
    return _response(int(found.group(1)), block[start:end], block[body:stop], None, first=1)


def payload_of(block: bytes, start: int, stop: int) -> bytes:
    """The body of a response as it was sent: chunked and compressed, if it was."""
    return block[_header_end(block, start, stop)[1] : stop]


def _without_status(block: bytes, start: int, stop: int) -> Response | None:
    if _MARKUP.match(block, start, stop):
        return Response(200, {}, block[start:stop], NO_STATUS)
    if _FIELD_LINE.match(block, start, min(stop, start + 8192)):
        end, body = _header_end(block, start, stop)
        response = _response(200, block[start:end], block[body:stop], NO_STATUS, first=0)
        if "content-type" in response.headers:
            return response
    return None


def _response(status: int, header: bytes, body: bytes, problem: str | None, *, first: int) -> Response:
    headers: dict[str, str] = {}
    name = ""
    for line in header.decode("latin-1").split("\n")[first:]:
        if line[:1] in (" ", "\t") and name:
            headers[name] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or name in headers:
            name = ""
        else:
            headers[name] = value.strip()
    if "transfer-encoding" in headers or "content-encoding" in headers:
        body, trouble = _decoded(headers, body)
        problem = problem or trouble
    elif problem is None and len(body) < _number(headers.get("content-length", "")):
        problem = f"http-length: {len(body)} of {headers['content-length']} bytes of the page came"
    return Response(status, headers, body, problem)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _header_end(block: bytes, start: int, stop: int) -> tuple[int, int]:
    """Where the headers end, and where the body begins (LF alone is tolerated)."""
    most = min(stop, start + _MAX_HEADERS)
    crlf = block.find(b"\r\n\r\n", start, most)
    lf = block.find(b"\n\n", start, most if crlf < 0 else crlf)
    if lf >= 0:
        return lf, lf + 2
    if crlf >= 0:
        return crlf, crlf + 4
    # Crawlers that mix both: a line that ends with LF, then CR LF.
    mixed = block.find(b"\n\r\n", start, most)
    return (mixed, mixed + 3) if mixed >= 0 else (stop, stop)


def _decoded(headers: dict[str, str], body: bytes) -> tuple[bytes, str | None]:
    problem = None
    transfer = [name.strip() for name in headers.get("transfer-encoding", "").lower().split(",")]
    if "chunked" in transfer:
        body, problem = dechunk(body)
    codings = [name.strip() for name in headers.get("content-encoding", "").lower().split(",")]
    # Applied in the order in which they are listed, so undone from the last.
    for coding in reversed(codings + [name for name in transfer if name != "chunked"]):
        body, trouble = decode_content(body, coding)
        problem = problem or trouble
    return body, problem


def dechunk(body: bytes) -> tuple[bytes, str | None]:
    """Undo chunked transfer encoding. A body that is not chunked after all (crawlers do that) stays."""
    pieces: list[bytes] = []
    position = 0
    while True:
        line_end = body.find(b"\n", position, position + 100)
        size_text = body[position:line_end].split(b";")[0].strip() if line_end >= 0 else b""
        try:
            size = int(size_text, 16) if size_text[:1].isalnum() else -1
        except ValueError:
            size = -1
        if size < 0:
            if not pieces:
                return body, None
            return b"".join(pieces) + body[position:], "http-chunks: a chunk size is broken"
        start = line_end + 1
        pieces.append(body[start : start + size])
        if size == 0:
            return b"".join(pieces), None
        position = start + size
        position += 2 if body[position : position + 2] == b"\r\n" else body[position : position + 1] == b"\n"
        if position >= len(body):
            return b"".join(pieces), "http-chunks: the last chunk is missing"
