"""Writing WARC records as the crawlers do: one gzip member a record, and the same bytes every time."""

from __future__ import annotations

import gzip
import uuid
from dataclasses import dataclass, field

# Ids are derived from a name, so that a second run of the generator makes the same ones.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://hanji.example/sample")


@dataclass(frozen=True)
class Http:
    """What a server answered."""

    body: bytes
    content_type: str | None = "text/html; charset=utf-8"
    status: str = "200 OK"
    headers: dict[str, str] = field(default_factory=dict)
    content_length: int | None = None
    """What the header says, when that is not the length of the body."""

    def block(self) -> bytes:
        headers = {"Server": "example"}
        if self.content_type is not None:
            headers["Content-Type"] = self.content_type
        length = len(self.body) if self.content_length is None else self.content_length
        if "Transfer-Encoding" not in self.headers:
            headers["Content-Length"] = str(length)
        lines = [f"HTTP/1.1 {self.status}", *(f"{k}: {v}" for k, v in (headers | self.headers).items())]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


def record(
    kind: str, url: str | None, day: int, block: bytes, content_type: str, length: int | None = None
) -> bytes:
    """One record, not compressed. ``length`` is what its header says, when that is wrong."""
    headers = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{uuid.uuid5(_NAMESPACE, f'{kind} {url} {day}')}>",
        "WARC-Date": f"2024-{1 + day // 28 % 12:02}-{1 + day % 28:02}T0{day % 10}:00:00Z",
        "Content-Type": content_type,
        "Content-Length": str(len(block) if length is None else length),
    }
    if url is not None:
        headers["WARC-Target-URI"] = url
    lines = ["WARC/1.0", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def response(url: str, day: int, answer: Http) -> bytes:
    return record("response", url, day, answer.block(), "application/http; msgtype=response")


def info() -> bytes:
    text = b"software: hanji.jobs.sample\r\nformat: WARC File Format 1.0\r\n"
    return record("warcinfo", None, 0, text, "application/warc-fields")


def member(data: bytes) -> bytes:
    """A gzip member without a time in it."""
    return gzip.compress(data, compresslevel=9, mtime=0)
