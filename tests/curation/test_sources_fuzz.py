"""Mutated archives: nothing raises, work is linear, and records that the damage did not touch stay as they were.

An archive is made of records whose places are known; a mutation says which bytes it touched; the records that lie
wholly outside must be read unchanged, and whatever is missing must have left a failure, a flaw or a count.
HANJI_FUZZ sets how many mutations of each kind are tried.
"""

from __future__ import annotations

import gzip
import os
import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hanji.curation.records import Record
from hanji.curation.sources.warc import read_archive

KINDS = ("response", "response", "request", "response", "resource", "revisit", "response", "response")


def body(number: int) -> bytes:
    words = [
        b"<p>page %d" % number,
        *(b"%d and %d" % (number * word, word) for word in range(5 + 9 * (number % 4))),
    ]
    return b"\n".join(words)


def warc_record(number: int, kind: str) -> bytes:
    page = body(number)
    block = page if kind == "resource" else b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page
    header = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:{number}>\r\n"
        f"WARC-Target-URI: http://e.com/{number}\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
        f"Content-Type: {'text/html' if kind == 'resource' else 'application/http'}\r\n"
        f"Content-Length: {len(block)}\r\n\r\n"
    )
    return header.encode() + block + b"\r\n\r\n"


def arc_record(number: int) -> bytes:
    if number == 0:
        text = b"1 0 Maker\nURL IP-address Archive-date Content-type Archive-length\n"
        return b"filedesc://a.arc 0.0.0.0 20240101000000 text/plain %d\n" % len(text) + text + b"\n"
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body(number)
    return b"http://e.com/a b/%d 1.2.3.4 20240101000000 text/html %d\n" % (number, len(block)) + block + b"\n"


@dataclass(frozen=True)
class Archive:
    """``spans[i]``: where record i lies. ``whole`` is one gzip member for all: nothing behind damage is sound."""

    data: bytes
    spans: list[tuple[int, int]]
    pages: list[bytes | None]
    whole: bool


def make(dialect: str, form: str) -> Archive:
    records = [
        warc_record(number, kind) if dialect == "warc" else arc_record(number)
        for number, kind in enumerate(KINDS)
    ]
    is_page = [
        kind in ("response", "resource") if dialect == "warc" else n > 0 for n, kind in enumerate(KINDS)
    ]
    pages = [body(number) if page else None for number, page in enumerate(is_page)]
    if form == "whole":
        data = gzip.compress(b"".join(records), mtime=0)
        return Archive(data, [(0, len(data))] * len(records), pages, True)
    packed = [gzip.compress(record, mtime=0) if form == "members" else record for record in records]
    spans, place = [], 0
    for record in packed:
        spans.append((place, place + len(record)))
        place += len(record)
    return Archive(b"".join(packed), spans, pages, False)


ARCHIVES = {(d, f): make(d, f) for d in ("warc", "arc") for f in ("plain", "members", "whole")}


@dataclass(frozen=True)
class Mutation:
    """``data[start:stop]`` is replaced by ``new``."""

    start: int
    stop: int
    new: bytes


def read(path: Path, data: bytes) -> tuple[list[Record], Counter[str]]:
    path.write_bytes(data)
    skipped: Counter[str] = Counter()
    return list(read_archive(str(path), skipped)), skipped


def leads_astray(archive: Archive, mutation: Mutation, data: bytes) -> bool:
    """Whether a length in or near the damage leads exactly to another record: nothing can tell that it lies."""
    moved = len(mutation.new) - (mutation.stop - mutation.start)
    starts = {start + moved for start, _ in archive.spans if start >= mutation.stop}
    begin = max((start for start, _ in archive.spans if start <= mutation.start), default=0)
    end = mutation.start + len(mutation.new) + 500
    for length in re.finditer(rb"\d{1,6}", data[begin:end]):
        for line in re.finditer(rb"\n", data[begin + length.end() : end]):
            block = begin + length.end() + line.end()
            if any(0 <= start - block - int(length.group()) <= 4 for start in starts):
                return True
    return False


def check(archive: Archive, mutation: Mutation, path: Path) -> None:
    data = archive.data[: mutation.start] + mutation.new + archive.data[mutation.stop :]
    records, skipped = read(path, data)
    if leads_astray(archive, mutation, data):
        return
    assert all(r.error or r.html is not None or r.text is not None for r in records)
    found = Counter(record.html for record in records if record.error is None)
    touched = 0
    for (start, stop), page in zip(archive.spans, archive.pages, strict=True):
        # A pure insertion between two records touches neither.
        clean = stop <= mutation.start or start >= mutation.stop
        touched += not clean
        if clean and page is not None:
            assert found[page] >= 1, (page[:12], mutation)
    unknown = sum(1 for r in records if r.error is not None or r.flaw is not None)
    pages = sum(1 for page in archive.pages if page is not None)
    whole = sum(min(found[page], 1) for page in archive.pages if page is not None)
    # A file that ends where a record does is not known to be cut.
    ends = any(stop - 4 <= mutation.start <= stop for _, stop in archive.spans) and mutation.stop == len(
        archive.data
    )
    if whole < pages and not (ends and not mutation.new):
        # What is missing has left a trace: a failure, a flaw, a count, or a page that is changed itself.
        changed = sum(count for page, count in found.items() if page not in archive.pages)
        others = sum(skipped.values()) - (len(archive.pages) - pages)
        assert unknown or changed or others > 0, mutation
    if not archive.whole and mutation.stop < len(archive.data):
        assert len(records) + sum(skipped.values()) >= len(archive.pages) - max(touched, 1)


@st.composite
def mutations(draw: st.DrawFn, size: int) -> Mutation:
    start = draw(st.integers(0, size))
    kind = draw(st.sampled_from(["flip", "overwrite", "insert", "delete", "cut", "noise"]))
    length = draw(st.integers(1, 60))
    stop = min(size, start + length)
    if kind == "flip":
        start = min(start, size - 1)
        return Mutation(start, start + 1, draw(st.binary(min_size=1, max_size=1)))
    if kind == "cut":
        return Mutation(start, size, b"")
    if kind == "delete":
        return Mutation(start, stop, b"")
    noise = draw(st.binary(min_size=1, max_size=120) | st.sampled_from(TRICKS))
    if kind == "insert":
        return Mutation(start, start, noise)
    return Mutation(start, stop, noise)


TRICKS = [
    b"WARC/1.0\r\n",
    b"\r\n\r\nWARC/1.0\r\nWARC-Type: response\r\nContent-Length: 999\r\n\r\n",
    b"WARC/1.0\r\nContent-Length: 5\r\n\r\n12345\r\n\r\n",
    b"\nhttp://x.com/ 1.2.3.4 20240101000000 text/html 999\n",
    b"Content-Length: 3\r\n",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    gzip.compress(b"WARC/1.0\r\nWARC-Type: request\r\nContent-Length: 0\r\n\r\n\r\n\r\n", mtime=0),
    b"\r\n" * 40,
    b"\0" * 40,
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "a"


FUZZ = settings(
    max_examples=int(os.environ.get("HANJI_FUZZ", "100")),
    deadline=2_000,
    # The same mutations every time, unless more are asked for.
    derandomize="HANJI_FUZZ" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)


# What earlier rounds found, and why it went wrong then.
FOUND = [
    # Which dialect, and whether it is gzip, was told by the first bytes alone.
    ("warc", "members", Mutation(0, 1, b"WARC/")),
    ("warc", "members", Mutation(0, 1, b"WARC/0.0\nA")),
    ("warc", "plain", Mutation(0, 1, b"a+:\x00 \x00 00000000 \x00 0\n")),
    ("warc", "plain", Mutation(0, 1, b"\x1f\x8b")),
    ("arc", "plain", Mutation(0, 7, b"")),
    ("arc", "plain", Mutation(25, 25, b"f")),
    ("arc", "members", Mutation(25, 25, b"f")),
    # A fault within a record that is no document was counted as that record, and hid what was lost behind it.
    ("warc", "whole", Mutation(536, 778, b"")),
    ("arc", "plain", Mutation(54, 2250, b"")),
    # A line without a colon, and then one that continues it.
    ("warc", "members", Mutation(20, 20, ARCHIVES["warc", "members"].data[0:349])),
    # A whole record took the content of the next, damaged member for its own.
    ("arc", "members", Mutation(548, 548, b"\x1f")),
    ("warc", "whole", Mutation(0, 0, b"WARC/0.0\nA\nContent-Length:0\n\n")),
    # One line that looked like a header was counted as several.
    ("arc", "whole", Mutation(703, 703, b"\naa+:\x00 - 00000000 \x00 0\n")),
]


@pytest.mark.parametrize(("dialect", "form", "mutation"), FOUND)
def test_damage_that_was_once_read_wrongly(place: Path, dialect: str, form: str, mutation: Mutation) -> None:
    check(ARCHIVES[dialect, form], mutation, place)


@pytest.mark.parametrize("form", ["plain", "members", "whole"])
@pytest.mark.parametrize("dialect", ["warc", "arc"])
def test_damage_touches_only_the_records_that_it_hits(place: Path, dialect: str, form: str) -> None:
    archive = ARCHIVES[dialect, form]

    @FUZZ
    @given(mutations(len(archive.data)))
    def holds(mutation: Mutation) -> None:
        check(archive, mutation, place)

    holds()


@pytest.mark.parametrize("form", ["plain", "members"])
@pytest.mark.parametrize("dialect", ["warc", "arc"])
def test_a_repeated_stretch_costs_no_record_on_either_side(place: Path, dialect: str, form: str) -> None:
    archive = ARCHIVES[dialect, form]
    size = len(archive.data)

    @FUZZ
    @given(st.integers(0, size), st.integers(1, size), st.integers(0, size))
    def holds(start: int, length: int, target: int) -> None:
        check(archive, Mutation(target, target, archive.data[start : start + length]), place)

    holds()


@FUZZ
@given(st.integers(0, len(KINDS) - 1), st.integers(0, 10**12))
@example(3, 0)
@example(7, 10**12)
@pytest.mark.parametrize("form", ["plain", "members"])
def test_a_changed_length_costs_no_other_record(place: Path, form: str, number: int, length: int) -> None:
    records = [warc_record(n, kind) for n, kind in enumerate(KINDS)]
    ends = [sum(len(r) for r in records[number + 1 : stop]) for stop in range(number + 1, len(records) + 1)]
    head, separator, block = records[number].partition(b"\r\n\r\n")
    # A length that ends where another record does cannot be told from a page that holds an archive.
    if form == "plain" and any(abs(length - (len(block) + end)) <= 8 for end in ends):
        return
    before, _, _ = head.rpartition(b" ")
    records[number] = before + b" %d" % length + separator + block
    data = b"".join(gzip.compress(r, mtime=0) if form == "members" else r for r in records)
    found = {record.html for record in read(place, data)[0]}
    expected = {body(n) for n, kind in enumerate(KINDS) if kind in ("response", "resource") and n != number}
    assert expected <= found


@pytest.mark.parametrize(
    "unit",
    [
        b"WARC/1.0\r\n",
        b"WARC/1.0\r\nX",
        b"WARC/1.0\r\nA: b\r\n",
        b"WARC/1.0\r\nContent-Length: 99999999\r\n\r\n",
        b"WARC/1.0\r\nContent-Length: 99999999999999\r\n\r\n",
        b"\x1f\x8b\x08\x00",
        b"\x1f\x8b\x08\x04\0\0\0\0\0\0\xff\xff",
        b"http://x 1.2.3.4 20240101 text/plain 999999\n",
        b"http:x 20240101 x ",
        b"\r\n",
    ],
)
def test_almost_headers_take_time_in_proportion(place: Path, unit: bytes) -> None:
    seconds = []
    for size in (250_000, 1_000_000):
        data = unit * (size // len(unit))
        for packed in (data, gzip.compress(data, 1)):
            place.write_bytes(packed)
            started = time.process_time()
            for _ in read_archive(str(place), Counter()):
                pass
            seconds.append(time.process_time() - started)
    # Four times as long takes four times the time; what is quadratic takes sixteen times (and minutes).
    assert seconds[2] < 9 * seconds[0] + 0.2
    assert seconds[3] < 9 * seconds[1] + 0.2


def test_a_nested_archive_of_damaged_members_is_given_up_in_time(place: Path) -> None:
    member = gzip.compress(b"WARC/1.0\r\n\r\n", 0, mtime=0)[:-8]
    place.write_bytes(member * 40_000)
    started = time.process_time()
    records = list(read_archive(str(place), Counter()))
    assert time.process_time() - started < 20
    assert records
