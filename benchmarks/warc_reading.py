"""Reading a web archive: our reader against fastwarc and warcio, on the same file and one core.

The archive is made of the development data's HTML pages as a crawler would write them: 2,000 responses with
request and metadata records left out, one gzip member a record. Every reader reads every body.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from base64 import b32encode
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from hanji.curation.sources.warc import read_archive

PAGES = 2_000
ROUNDS = 5
MOST_RATIO = 2.0
LEAST_RECORDS = 3_000


def data_directory() -> Path:
    return Path(os.environ.get("HANJI_DATA", "../shared/data"))


def pages(directory: Path) -> Iterator[bytes]:
    """Pages of every HTML source in turn, again and again."""
    sources = []
    for path in sorted(directory.glob("html_*.jsonl.gz")):
        with gzip.open(path) as file:
            rows = [json.loads(line)["html"].encode("utf-8", "surrogatepass") for line in file]
        sources.append(rows)
    place = 0
    while True:
        for rows in sources:
            yield rows[place % len(rows)]
        place += 1


def make_archive(directory: Path, path: Path) -> int:
    """Write the archive; returns the bytes of its pages."""
    total = 0
    with path.open("wb") as file:
        for number, page in zip(range(PAGES), pages(directory), strict=False):
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


def ours(path: Path) -> tuple[int, int]:
    records = size = 0
    for record in read_archive(str(path), Counter()):
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


def measure(readers: dict[str, Callable[[Path], tuple[int, int]]], path: Path) -> dict[str, float]:
    """Median CPU seconds of each reader, runs interleaved; asserts that they read the same."""
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    results = set()
    for _ in range(ROUNDS):
        for name, reader in readers.items():
            started = time.process_time()
            results.add(reader(path))
            seconds[name].append(time.process_time() - started)
    assert len(results) == 1, f"the readers differ in (records, body bytes): {results}"
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> int:
    directory = data_directory()
    if not (directory / "html_ko_cheese10yun.jsonl.gz").exists():
        print(f"warc_reading: skipped, no development data in {directory}")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "crawl.warc.gz"
        size = make_archive(directory, path)
        found = measure({"hanji": ours, "fastwarc": fastwarc, "warcio": warcio}, path)
        print(
            f"{PAGES} responses of the HTML sources, {size / PAGES / 1e3:.0f} kB a page, "
            f"{path.stat().st_size / 1e6:.0f} MB of gzip members; CPU time, median of {ROUNDS}"
        )
    print(f"{'reader':<10}{'records/s':>12}{'MB/s':>8}{'time / hanji':>14}")
    for name, seconds in found.items():
        ratio = seconds / found["hanji"]
        print(f"{name:<10}{PAGES / seconds:>12,.0f}{size / seconds / 1e6:>8.0f}{ratio:>14.2f}")
    ratio, rate = found["hanji"] / found["fastwarc"], PAGES / found["hanji"]
    met = ratio <= MOST_RATIO and rate >= LEAST_RECORDS
    print(
        f"hanji takes {ratio:.2f} x fastwarc's time (bar {MOST_RATIO:g}) at {rate:,.0f} records/s "
        f"(bar {LEAST_RECORDS:,}): {'met' if met else 'MISSED'}"
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
