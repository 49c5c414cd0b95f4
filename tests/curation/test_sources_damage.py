"""Damaged inputs: what is sound on both sides of the damage is read, and the damage is one failure."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.recipe import CurationRecipe, Format, Source
from hanji.curation.records import Record
from hanji.curation.sources.compressed import Damaged, open_decompressed
from hanji.curation.sources.reading import Reader
from hanji.curation.sources.splits import plan_splits
from hanji.curation.sources.warc import read_archive

LINES = b"".join(json.dumps({"id": i, "text": "line " + "가" * i}).encode() + b"\n" for i in range(100))


def page(number: int, length: int | None = None, body: bytes | None = None) -> bytes:
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + (body or b"<p>page %d" % number)
    header = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:{number}>\r\n"
        f"WARC-Target-URI: http://e.com/{number}\r\nContent-Length: {length or len(block)}\r\n\r\n"
    )
    return header.encode() + block + b"\r\n\r\n"


def read(path: Path, data: bytes) -> list[str | bytes | None]:
    """The page or the rule of the error of each record."""
    path.write_bytes(data)
    return [
        record.html if record.error is None else record.error.partition(":")[0]
        for record in read_archive(str(path), Counter())
    ]


def read_rows(path: Path | str, kind: Format = "jsonl", split_bytes: int = 1_000_000) -> list[Record]:
    source = Source(name="s", format=kind, paths=[str(path)])
    recipe = CurationRecipe(name="t", run="r", sources=[source], split_bytes=split_bytes)
    return [record for split in plan_splits(recipe) for record in Reader(split, source)]


@pytest.mark.parametrize("fault", ["cut", "checksum", "bytes"])
def test_a_broken_gzip_member_costs_its_record_and_no_other(tmp_path: Path, fault: str) -> None:
    first, second, third = (gzip.compress(page(number)) for number in (1, 2, 3))
    if fault == "cut":
        second = second[:-40]
    elif fault == "checksum":
        second = second[:-8] + bytes(8)
    else:
        second = second[:30] + b"\xff" * 20 + second[50:]
    found = read(tmp_path / "a.warc.gz", first + second + third)
    assert found == [b"<p>page 1", "gzip-invalid", b"<p>page 3"]


def test_junk_between_gzip_members_is_one_failure(tmp_path: Path) -> None:
    data = gzip.compress(page(1)) + b"junk" * 10 + gzip.compress(page(2))
    assert read(tmp_path / "a.warc.gz", data) == [b"<p>page 1", "gzip-invalid", b"<p>page 2"]


def test_the_failure_of_a_damaged_member_bears_the_identity_of_its_record(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    first, second = gzip.compress(page(1)), gzip.compress(page(2, body=bytes(range(256)) * 40))
    path.write_bytes(first + second[:-100])
    last = list(read_archive(str(path), Counter()))[-1]
    assert (last.key, last.url, last.offset) == ("<urn:2>", "http://e.com/2", len(first))
    assert last.error is not None


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("surplus", [7, 150, 10**15])
def test_a_record_that_claims_too_many_bytes_does_not_swallow_the_next(
    tmp_path: Path, compress: Callable[[bytes], bytes], surplus: int
) -> None:
    length = len(page(1)) - page(1).index(b"HTTP/1.1") - 4 + surplus
    data = b"".join(map(compress, (page(1, length), page(2), page(3))))
    assert read(tmp_path / "a.warc", data) == [b"<p>page 1", b"<p>page 2", b"<p>page 3"]


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_page_that_quotes_an_archive_header_stays_whole(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    quoting = b"<pre>\r\n\r\nWARC/1.0\r\nWARC-Type: response\r\nContent-Length: 5\r\n\r\nabcde</pre>"
    data = b"".join(map(compress, (page(1, body=quoting), page(2))))
    assert read(tmp_path / "a.warc", data) == [quoting, b"<p>page 2"]


def test_arc_reading_goes_on_behind_garbage(tmp_path: Path) -> None:
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>hello"
    entry = b"http://e.com/1 1.2.3.4 20240101000000 text/html %d\n" % len(block) + block + b"\n"
    path = tmp_path / "a.arc"
    path.write_bytes(entry + b"garbage\nand more\n" + entry)
    records = list(read_archive(str(path), Counter()))
    assert [record.html for record in records] == [b"<p>hello", None, b"<p>hello"]
    assert records[0].date == "2024-01-01T00:00:00Z"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2_000), st.binary(min_size=1, max_size=8), st.booleans())
def test_an_overwritten_stretch_never_costs_the_last_record(
    tmp_path_factory: pytest.TempPathFactory, place: int, junk: bytes, zipped: bool
) -> None:
    compress = gzip.compress if zipped else bytes
    head = bytearray(b"".join(compress(page(number)) for number in range(4)))
    place %= len(head) - len(junk)
    head[place : place + len(junk)] = junk
    path = tmp_path_factory.mktemp("damage") / "a.warc"
    found = read(path, bytes(head) + compress(page(8)) + compress(page(9)))
    assert b"<p>page 9" in found


@pytest.mark.parametrize(
    ("ending", "compress"),
    [
        ("gz", gzip.compress),
        ("bz2", bz2.compress),
        ("xz", lzma.compress),
        ("zst", partial(pa.compress, codec="zstd", asbytes=True)),
    ],
)
def test_compressed_lines_are_read_and_damage_is_one_failure_at_the_end(
    tmp_path: Path, ending: str, compress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"a.jsonl.{ending}"
    whole = compress(LINES)
    path.write_bytes(whole + whole)
    assert [record.error for record in read_rows(path)] == [None] * 200
    for data in (whole[: len(whole) // 2], b"this is not compressed\n" * 9):
        path.write_bytes(data)
        errors = [record.error for record in read_rows(path)]
        assert errors[-1] is not None
        assert errors[-1].startswith(("gzip", "bz2", "xz", "zstd"))
        assert set(errors[:-1]) <= {None}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3_000), st.integers(0, 255))
def test_gunzip_hands_out_all_that_stands_before_a_fault(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    data = bytearray(gzip.compress(LINES))
    place %= len(data)
    before_fault = zlib.decompressobj(31).decompress(data[:place])
    data[place] = value
    path = tmp_path_factory.mktemp("gunzip") / "a.gz"
    path.write_bytes(data)
    found = bytearray()
    with open_decompressed(str(path)) as file:
        try:
            while piece := file.read(10):
                found += piece
        except Damaged:
            assert found[: len(before_fault) // 10 * 10] == before_fault[: len(before_fault) // 10 * 10]
        else:
            assert found == LINES


def test_parquet_strings_that_are_not_utf8_are_handed_on_as_bytes(tmp_path: Path) -> None:
    broken = pa.array([b"good", b"\xb0\xa1 bad"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": broken, "id": ["a", "b"]}), tmp_path / "a.parquet")
    assert [(r.text, r.key) for r in read_rows(tmp_path / "a.parquet", "parquet")] == [
        (b"good", "a"),
        (b"\xb0\xa1 bad", "b"),
    ]


def test_a_broken_row_group_is_one_failure_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"] * 1_000}), path, row_group_size=500)
    data = bytearray(path.read_bytes())
    data[6:40] = b"\xff" * 34
    path.write_bytes(data)
    errors = [record.error for record in read_rows(path, "parquet")]
    assert errors.count(None) == 500
    assert [e.partition(":")[0] for e in errors if e is not None] == ["parquet-invalid"]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 5_000), st.binary(min_size=1, max_size=40))
def test_no_mutation_of_a_parquet_file_raises(
    tmp_path_factory: pytest.TempPathFactory, place: int, junk: bytes
) -> None:
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    rows = [{"text": f"row {i}", "id": str(i), "metadata": {"url": f"u{i}"}} for i in range(90)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=30)
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place : place + len(junk)] = junk
    path.write_bytes(data)
    records = read_rows(path, "parquet")
    assert records
    assert all(record.error or record.text is not None for record in records)


@pytest.mark.parametrize("data", [b"", b"PAR1" + b"x" * 100])
def test_a_file_that_is_no_parquet_is_one_failed_record(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(data)
    (record,) = read_rows(path, "parquet")
    assert record.error is not None
    assert record.error.startswith("parquet-invalid" if data else "empty-file")


def test_what_tools_leave_in_a_directory_is_not_input(tmp_path: Path) -> None:
    for name in ("a.txt", ".git/config", "b/_SUCCESS", "b/.hidden.txt", "b/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    found = [record.path for record in read_rows(tmp_path, "text")]
    assert found == [str(tmp_path / "a.txt"), str(tmp_path / "b/c.txt")]


@pytest.mark.parametrize("path", ["memory://lines", "memory://lines/*.jsonl*", "memory://lines/a.jsonl"])
def test_urls_are_read_like_local_files(path: str) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/lines/a.jsonl", LINES)
    memory.pipe("/lines/_temporary/a.jsonl", LINES)
    memory.pipe("/lines/b.jsonl.gz", gzip.compress(LINES))
    records = read_rows(path, split_bytes=2_000)
    assert len(records) == (100 if path.endswith("a.jsonl") else 200)
    assert all(record.path.startswith("memory://") for record in records)
