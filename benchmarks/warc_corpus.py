"""WARC files made of the development data's pages, compressed record by record as Common Crawl does.

A page that stands in the data as characters is stored as UTF-8, the raw files with their own bytes and the
charset that a server would name (httpd's manual: by the file name) or none.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import data_directory, rows

SOURCES = (
    "html_gold_goose3",
    "html_gold_mozilla_readability",
    "html_gold_scrapinghub_aeb",
    "html_ko_cheese10yun",
    "html_ko_d2fault",
    "html_ko_homoefficio",
)
RAW = ("html_raw_httpd_en", "html_raw_httpd_ko_euckr", "html_raw_httpd_other")


@dataclass(frozen=True)
class Page:
    """The bytes of a page, where it is from, and its URL."""

    source: str
    url: str
    body: bytes


def pages() -> list[Page]:
    """Every page of the development data, mixed by a hash so that each stretch holds all sources."""
    found = list(_pages())
    return sorted(found, key=lambda page: hashlib.blake2b(page.url.encode() + page.body).digest())


def _pages() -> Iterator[Page]:
    for source in SOURCES:
        for number, row in enumerate(rows(source)):
            url = row.get("url") or f"https://{source}.example/{row.get('id', number)}"
            yield Page(source, str(url), row["html"].encode("utf-8", "replace"))
    for source in RAW:
        for path in sorted((data_directory() / source).iterdir()):
            yield Page(source, f"https://{source}.example/{path.name}", path.read_bytes())


def write_warc(path: Path, chosen: Sequence[Page], copies: int = 1, first_copy: int = 0) -> int:
    """Write the pages, ``copies`` times over with ids and URLs of their own; returns bytes of HTML.

    Copies are numbered from ``first_copy``: another number, other ids.
    """
    size = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for copy in range(first_copy, first_copy + copies):
            for page in chosen:
                file.write(gzip.compress(_record(page, copy), 5, mtime=0))
                size += len(page.body)
    return size


def _record(page: Page, copy: int) -> bytes:
    response = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page.body)
    ) + page.body
    url = page.url if copy == 0 else f"{page.url}{'&' if '?' in page.url else '?'}copy={copy}"
    digest = hashlib.blake2b(url.encode() + page.body, digest_size=16).hexdigest()
    uuid = "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))
    header = (
        "WARC/1.0\r\nWARC-Type: response\r\n"
        f"WARC-Target-URI: {url}\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
        f"WARC-Record-ID: <urn:uuid:{uuid}>\r\n"
        "WARC-Identified-Payload-Type: text/html\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(response)}\r\n\r\n"
    ).encode("utf-8", "replace")
    return header + response + b"\r\n\r\n"
