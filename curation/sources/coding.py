"""Content codings of HTTP: gzip, deflate, br and zstd undone, as far as the bytes allow and up to a bound."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import brotli  # type: ignore[import-untyped, unused-ignore]
import pyarrow as pa

from hanji.curation.sources.members import up_to_fault

MAX_BODY = 64_000_000
_STEP = 1 << 20
_SMALL_STEP = 1 << 12
_GZIP_OR_ZLIB, _RAW = 47, -15
# What servers write where they mean none.
_NONE = {"", "identity", "none", "utf-8", "utf8", "binary", "8bit", "7bit", "text/html", "text"}
_CUT = "http-coding: the compressed body is cut short"
_BROKEN = "http-coding: the compressed body is broken"
_LONG = f"http-coding: it decodes to more than {MAX_BODY} bytes"


def decode_content(body: bytes, coding: str) -> tuple[bytes, str | None]:
    """The body with a coding undone, and what was wrong (``http-coding: …``) if it is not all of it.

    A body that is plain text in spite of its label stays as it is. One that cannot be decoded comes out
    empty.
    """
    if coding in _NONE or not body:
        return body, None
    decode = _DECODERS.get(coding)
    if decode is None:
        if looks_like_text(body):
            return body, None
        return b"", f"http-coding: content-encoding {coding[:20]!r} is unknown"
    decoded, problem = decode(body)
    if not decoded and problem is not None and looks_like_text(body):
        return body, None
    return decoded, problem


def looks_like_text(body: bytes) -> bool:
    """Whether a body begins like text, not like anything compressed."""
    start = body[:512].lstrip()
    return not start or not any(byte < 9 or 13 < byte < 27 or 27 < byte < 32 for byte in start)


def _inflate(body: bytes) -> tuple[bytes, str | None]:
    """gzip (of any number of members), zlib or raw deflate; what comes before a fault is kept."""
    decoded, problem = _inflate_as(body, _GZIP_OR_ZLIB)
    if not decoded and problem is not None:
        raw, trouble = _inflate_as(body, _RAW)
        # By chance some bytes of anything inflate: only a stream with an end, or text, is believed.
        if raw and (trouble is None or looks_like_text(raw)):
            return raw, trouble
    return decoded, problem


def _inflate_as(body: bytes, window: int) -> tuple[bytes, str | None]:
    inflate = zlib.decompressobj(window)
    pieces: list[bytes] = []
    total, data = 0, body
    while data:
        before = inflate.copy()
        try:
            piece = inflate.decompress(data, _STEP)
        except zlib.error:
            pieces.append(up_to_fault(before, data, MAX_BODY - total)[0])
            return b"".join(pieces), _BROKEN
        pieces.append(piece)
        total += len(piece)
        if total > MAX_BODY:
            return b"".join(pieces), _LONG
        if not inflate.eof:
            data = inflate.unconsumed_tail
        elif inflate.unused_data[:2] == b"\x1f\x8b":
            data, inflate = inflate.unused_data, zlib.decompressobj(window)
        else:
            return b"".join(pieces), None
    return b"".join(pieces), _CUT


def _unbrotli(body: bytes) -> tuple[bytes, str | None]:
    inflate = brotli.Decompressor()
    pieces: list[bytes] = []
    total = 0
    # Small steps, so that a fault costs little of what stands before it.
    for place in range(0, len(body), _SMALL_STEP):
        data = body[place : place + _SMALL_STEP]
        while True:
            try:
                piece = inflate.process(data, output_buffer_limit=_STEP)
            except brotli.error:
                return b"".join(pieces), _BROKEN
            pieces.append(piece)
            total += len(piece)
            if total > MAX_BODY:
                return b"".join(pieces), _LONG
            if inflate.is_finished():
                return b"".join(pieces), None
            if inflate.can_accept_more_data():
                break
            data = b""
    return b"".join(pieces), _CUT


def _unzstd(body: bytes) -> tuple[bytes, str | None]:
    stream: Any = pa.CompressedInputStream(pa.BufferReader(body), "zstd")
    pieces: list[bytes] = []
    total = 0
    try:
        while piece := stream.read(_STEP):
            pieces.append(piece)
            total += len(piece)
            if total > MAX_BODY:
                return b"".join(pieces), _LONG
    except (pa.ArrowInvalid, OSError) as error:
        cut = "Truncated" in str(error)
        return b"".join(pieces), _CUT if cut else _BROKEN
    return b"".join(pieces), None


_DECODERS: dict[str, Callable[[bytes], tuple[bytes, str | None]]] = {
    "gzip": _inflate,
    "x-gzip": _inflate,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
