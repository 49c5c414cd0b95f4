"""Reading a web archive: our reader against fastwarc and warcio, on the same file and one core.

The archive is made of the development data's HTML pages as a crawler would write them: 2,000 responses with
request and metadata records left out, one gzip member a record. Every reader reads every body.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import tempfile
from base64 import b32encode
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.harness import Row, cpu_seconds, data_directory, interleaved, median, report, rows
from hanji.curation.sources.warc import read_archive

PAGES = 2_000
ROUNDS = 5
MOST_RATIO = 2.0
LEAST_RECORDS = 3_000


def pages() -> Iterator[bytes]:
    """Pages of every HTML source in turn, again and again."""
    sources = [
        [row["html"].encode("utf-8", "surrogatepass") for row in rows(path.name.removesuffix(".jsonl.gz"))]
        for path in sorted(data_directory().glob("html_*.jsonl.gz"))
    ]
    for place in itertools.count():
        for some in sources:
            yield some[place % len(some)]


def make_archive(path: Path) -> int:
    """Write the archive; returns the bytes of its pages."""
    total = 0
    with path.open("wb") as file:
        for number, page in zip(range(PAGES), pages(), strict=False):
            total += len(page)
            block = (
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
                + (
                    b"Server: nginx\r\nX-Crawler-Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
                    % len(page)
                )
                + page
            )
            digest = b32encode(hashlib.sha1(block).digest()).decode()
            payload = b32encode(hashlib.sha1(page).digest()).decode()
            header = (
                "WARC/1.0\r\nWARC-Type: response\r\nWARC-Date: 2024-05-18T03:14:15Z\r\n"
                f"WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{number:012d}>\r\n"
                f"Content-Length: {len(block)}\r\nContent-Type: application/http; msgtype=response\r\n"
                f"WARC-IP-Address: 192.0.2.1\r\nWARC-Target-URI: https://example.com/pages/{number}\r\n"
                f"WARC-Payload-Digest: sha1:{payload}\r\nWARC-Block-Digest: sha1:{digest}\r\n"
                "WARC-Identified-Payload-Type: text/html\r\n\r\n"
            )
            file.write(gzip.compress(header.encode() + block + b"\r\n\r\n", 6, mtime=0))
    return total


def ours(path: Path, check_digests: bool = False) -> tuple[int, int]:
    records = size = 0
    for record in read_archive(str(path), Counter(), check_digests=check_digests):
        assert record.error is None, record.error
        records += 1
        size += len(record.payload)
    return records, size


def fastwarc(path: Path) -> tuple[int, int]:
    from fastwarc.warc import ArchiveIterator

    records = size = 0
    with path.open("rb") as file:
        for record in ArchiveIterator(file, parse_http=True):
            records += 1
            size += len(record.reader.read())
    return records, size


def warcio(path: Path) -> tuple[int, int]:
    from warcio.archiveiterator import ArchiveIterator

    records = size = 0
    with path.open("rb") as file:
        for record in ArchiveIterator(file):
            records += 1
            size += len(record.content_stream().read())
    return records, size


def ours_with_digests(path: Path) -> tuple[int, int]:
    return ours(path, check_digests=True)


READERS: dict[str, Callable[[Path], tuple[int, int]]] = {
    "hanji": ours,
    "hanji, digests checked": ours_with_digests,
    "fastwarc": fastwarc,
    "warcio": warcio,
}


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "crawl.warc.gz"
        size = make_archive(path)
        packed = path.stat().st_size
        results = {name: reader(path) for name, reader in READERS.items()}
        assert len(set(results.values())) == 1, f"the readers differ in (records, body bytes): {results}"
        taken = interleaved({name: _timed(reader, path) for name, reader in READERS.items()}, ROUNDS)
    seconds = {name: median(values) for name, values in taken.items()}
    mine = seconds["hanji"]
    table = [
        _row(
            "records/s, fastwarc", seconds["fastwarc"], mine, f"at most {MOST_RATIO:g} x its time", MOST_RATIO
        ),
        _row("records/s, warcio", seconds["warcio"], mine),
        _row(
            "records/s with digests, fastwarc without", seconds["fastwarc"], seconds["hanji, digests checked"]
        ),
        Row(
            "records/s a core",
            "",
            f"{PAGES / mine:,.0f}",
            "",
            f"at least {LEAST_RECORDS:,}",
            PAGES / mine >= LEAST_RECORDS,
        ),
    ]
    notes = [
        f"{PAGES} responses of the HTML sources, {size / PAGES / 1e3:.0f} kB a page, {packed / 1e6:.0f} MB of "
        f"gzip members. CPU time, median of {ROUNDS} rounds in turn; hanji reads {size / mine / 1e6:,.0f} MB/s. "
        "The ratio is hanji's time by the peer's."
    ]
    report("Reading web archives", table, notes)


def _timed(reader: Callable[[Path], tuple[int, int]], path: Path) -> Callable[[], float]:
    return lambda: cpu_seconds(lambda: reader(path))


def _row(what: str, peer: float, mine: float, bar: str = "", most: float | None = None) -> Row:
    ratio = mine / peer
    met = None if most is None else ratio <= most
    return Row(what, f"{PAGES / peer:,.0f}", f"{PAGES / mine:,.0f}", f"{ratio:.2f}", bar, met)


if __name__ == "__main__":
    main()
