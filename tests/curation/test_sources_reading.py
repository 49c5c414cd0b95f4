"""Sources: every record comes out once, and what is broken says so."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.recipe import CurationRecipe, Fields, Source
from hanji.curation.records import Record
from hanji.curation.sources.http import dechunk, parse_response
from hanji.curation.sources.reading import Reader
from hanji.curation.sources.splits import Split, plan_splits
from hanji.curation.sources.warc import read_archive
from hanji.errors import InputError


def recipe(source: Source, split_bytes: int = 1_000_000) -> CurationRecipe:
    return CurationRecipe(name="t", run="r", sources=[source], split_bytes=split_bytes)


def read_all(source: Source, split_bytes: int = 1_000_000) -> list[Record]:
    splits = plan_splits(recipe(source, split_bytes))
    return [record for split in splits for record in Reader(split, source)]


def jsonl_source(*paths: Path, **fields: Any) -> Source:
    return Source(name="s", format="jsonl", paths=[str(p) for p in paths], fields=Fields(**fields))


def warc_record(kind: str, headers: dict[str, str], block: bytes) -> bytes:
    lines = ["WARC/1.1", f"WARC-Type: {kind}", *(f"{k}: {v}" for k, v in headers.items())]
    lines.append(f"Content-Length: {len(block)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def page(number: int, body: bytes, extra: str = "", status: str = "200 OK", kind: str = "text/html") -> bytes:
    http = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{extra}\r\n".encode() + body
    headers = {
        "WARC-Record-ID": f"<urn:uuid:{number}>",
        "WARC-Target-URI": f"http://example.com/{number}",
        "WARC-Date": "2024-01-01T00:00:00Z",
        "Content-Type": "application/http; msgtype=response",
    }
    return warc_record("response", headers, http)


def archive(tmp_path: Path, data: bytes, name: str = "a.warc.gz") -> tuple[list[Record], Counter[str]]:
    path = tmp_path / name
    path.write_bytes(data)
    skipped: Counter[str] = Counter()
    return list(read_archive(str(path), skipped)), skipped


def gz(*records: bytes) -> bytes:
    return b"".join(gzip.compress(record, mtime=0) for record in records)


def test_responses_become_records_with_their_locators(tmp_path: Path) -> None:
    first = gz(warc_record("warcinfo", {}, b"software: test"))
    records, skipped = archive(tmp_path, first + gz(page(1, b"<p>one"), page(2, b"<p>two")))
    assert [record.html for record in records] == [b"<p>one", b"<p>two"]
    assert records[0].key == "<urn:uuid:1>"
    assert records[0].url == "http://example.com/1"
    assert records[0].offset == len(first)
    assert skipped == {"record: warcinfo": 1}


def test_a_truncated_member_keeps_the_records_before_it_and_is_one_failure(tmp_path: Path) -> None:
    whole = gz(page(1, b"<p>one"), page(2, b"<p>two" * 500))
    for cut in (3, 12, 60):
        records, _ = archive(tmp_path, whole[:-cut])
        good = [record for record in records if record.error is None]
        bad = [record.error for record in records if record.error is not None]
        assert good[0].html == b"<p>one"
        assert len(bad) == 1 or (len(good) == 2 and len(bad) <= 1)
        assert all("truncated" in error for error in bad)
    assert any(record.error for record in archive(tmp_path, whole[:-60])[0])


def test_garbage_between_records_does_not_lose_the_next_one(tmp_path: Path) -> None:
    data = page(1, b"<p>one") + b"\x00garbage here\n\n" + page(2, b"<p>two")
    records, _ = archive(tmp_path, data, "a.warc")
    assert [record.html for record in records if record.html] == [b"<p>one", b"<p>two"]


def test_a_wrong_content_length_does_not_lose_the_next_record(tmp_path: Path) -> None:
    short = page(1, b"<p>one").replace(b"Content-Length: ", b"Content-Length: 1", 1)
    records, _ = archive(tmp_path, gz(short, page(2, b"<p>two")))
    assert b"<p>two" in [record.html for record in records]
    cut_off = page(3, b"<p>three")[:-20]
    records, _ = archive(tmp_path, cut_off, "b.warc")
    assert records[-1].error is not None
    assert "record-truncated" in records[-1].error


def test_what_is_no_document_is_counted_by_reason(tmp_path: Path) -> None:
    records, skipped = archive(
        tmp_path,
        gz(
            page(1, b"", status="404 Not Found"),
            page(2, b"x", kind="image/png"),
            warc_record("request", {}, b"GET / HTTP/1.1\r\n\r\n"),
            warc_record("revisit", {}, b"HTTP/1.1 200 OK\r\n\r\n"),
        ),
    )
    assert records == []
    assert skipped == {"HTTP status 404": 1, "type image/png": 1, "record: request": 1, "record: revisit": 1}


@pytest.mark.parametrize("content", [b"", b"not a warc at all", b"\x1f\x8bnot gzip"])
def test_a_file_that_is_no_archive_is_one_failed_record(tmp_path: Path, content: bytes) -> None:
    records, _ = archive(tmp_path, content)
    assert len(records) == 1
    assert records[0].error is not None


def test_chunked_and_compressed_bodies_are_decoded(tmp_path: Path) -> None:
    body = b"<p>hello</p>" * 20
    chunked = b"".join(
        b"%x\r\n%s\r\n" % (len(body[i : i + 7]), body[i : i + 7]) for i in range(0, len(body), 7)
    )
    chunked += b"0\r\n\r\n"
    records, _ = archive(
        tmp_path,
        gz(
            page(1, chunked, "Transfer-Encoding: chunked\r\n"),
            page(2, gzip.compress(body), "Content-Encoding: gzip\r\n"),
            page(3, body, "Content-Encoding: gzip\r\n"),
        ),
    )
    assert [record.html for record in records] == [body] * 3


def test_an_empty_body_and_a_broken_http_header_fail_with_a_reason(tmp_path: Path) -> None:
    bad = warc_record(
        "response", {"WARC-Target-URI": "http://e.com", "WARC-Record-ID": "<x>"}, b"\x00\x01\x02"
    )
    records, _ = archive(tmp_path, gz(page(1, b""), bad))
    assert [str(record.error).split(":")[0] for record in records] == ["http-empty", "http-invalid"]


def test_arc_files_are_read(tmp_path: Path) -> None:
    http = b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<p>old</p>"
    head = b"filedesc://a.arc 0.0.0.0 19960101000000 text/plain 3\n1 0\n\n"
    data = head + b"http://old.example/ 1.2.3.4 19970203040506 text/html %d\n" % len(http) + http + b"\n"
    records, skipped = archive(tmp_path, data, "a.arc")
    assert records[0].html == b"<p>old</p>"
    assert records[0].date == "1997-02-03T04:05:06Z"
    assert skipped == {"record: filedesc": 1}


@given(st.binary(max_size=400), st.integers(0, 800), st.booleans())
@settings(max_examples=80, deadline=None)
def test_no_mutation_of_an_archive_raises(
    tmp_path_factory: Any, noise: bytes, place: int, packed: bool
) -> None:
    records = (page(1, b"<p>one"), page(2, b"<p>two"), page(3, b"<p>three"))
    data = gz(*records) if packed else b"".join(records)
    place = min(place, len(data))
    broken = data[:place] + noise + data[place + len(noise) // 2 :]
    found, _ = archive(tmp_path_factory.mktemp("w"), broken, "a.warc.gz" if packed else "a.warc")
    assert all(record.error or record.html is not None or record.text is not None for record in found)


@given(st.binary(max_size=200))
def test_http_parsing_never_raises(block: bytes) -> None:
    parse_response(b"HTTP/1.1 200 OK\r\n" + block)
    dechunk(block)


# -- JSON Lines, Parquet, files ---------------------------------------------------------------------------


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_json_lines_end_at_newlines_alone(tmp_path: Path, name: str) -> None:
    rows = [{"id": str(i), "text": f"line {i} \u2028 and \u0085 more"} for i in range(5)]
    records = read_all(jsonl_source(write_jsonl(tmp_path / name, rows)))
    assert [record.text for record in records] == [row["text"] for row in rows]
    assert [record.key for record in records] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("split_bytes", [1_000, 1_300, 5_000, 10_000_000])
def test_byte_ranges_cover_every_line_exactly_once(tmp_path: Path, split_bytes: int) -> None:
    rows = [{"id": str(i), "text": "가나다 " * (i % 37)} for i in range(300)]
    records = read_all(jsonl_source(write_jsonl(tmp_path / "a.jsonl", rows)), split_bytes)
    assert [record.key for record in records] == [row["id"] for row in rows]


def test_a_broken_line_is_one_failed_record_that_says_where(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        b'{"text": "ok"}\n{"text": \n[1]\n{"body": "x"}\n{"text": 7}\n\xff\xfe\n{"text": "ok"}\n'
    )
    records = read_all(jsonl_source(path))
    assert [record.text for record in records if record.error is None] == ["ok", "ok"]
    reasons = [record.error.split(":")[0] for record in records if record.error]
    assert reasons == ["json-invalid", "json-invalid", "field-missing", "field-type", "json-invalid"]
    assert "it has: body" in str(records[3].error)


def test_a_truncated_gzip_keeps_the_lines_before_it(tmp_path: Path) -> None:
    rows = [{"id": str(i), "text": f"{i} {'x' * (i % 50)} {i * i}"} for i in range(2000)]
    path = write_jsonl(tmp_path / "a.jsonl.gz", rows)
    path.write_bytes(path.read_bytes()[:-200])
    records = read_all(jsonl_source(path))
    good = [record for record in records if record.error is None]
    assert 1000 < len(good) < 2000
    assert [record.key for record in good] == [str(i) for i in range(len(good))]
    assert [record.error.split(":")[0] for record in records if record.error] == ["gzip-truncated"]


def test_parquet_rows_come_by_row_groups(tmp_path: Path) -> None:
    table = pa.table({"text": [f"row {i}" for i in range(100)], "id": [str(i) for i in range(100)]})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=10)
    source = Source(name="s", format="parquet", paths=[str(path)])
    splits = plan_splits(recipe(source, 1_000))
    assert len(splits) > 1
    assert [record.offset for split in splits for record in Reader(split, source)] == list(range(100))


def test_files_and_directories_become_one_record_a_file(tmp_path: Path) -> None:
    for name in ("b.html", "a.html", "sub/c.html", ".hidden.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"<p>" + name.encode())
    (tmp_path / "empty.html").touch()
    records = read_all(Source(name="s", format="html", paths=[str(tmp_path)]))
    assert [Path(record.path).name for record in records] == ["a.html", "b.html", "empty.html", "c.html"]
    assert records[2].error == "empty-file: 0 bytes"


@pytest.mark.parametrize("path", ["nowhere.jsonl", "no/*.jsonl", "memory://none/x.jsonl"])
def test_a_path_that_matches_nothing_is_refused_by_name(path: str) -> None:
    with pytest.raises(InputError, match=r"source s: .*nowhere|source s: .*no/|source s: .*none"):
        plan_splits(recipe(Source(name="s", format="jsonl", paths=[path])))


def test_split_names_are_unique_and_stable(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": "x" * 500}] * 50)
    one = plan_splits(recipe(jsonl_source(path), 2_000))
    again: list[Split] = plan_splits(recipe(jsonl_source(path), 2_000))
    assert [split.name for split in one] == [split.name for split in again]
    assert len({split.name for split in one}) == len(one) > 5


def test_the_public_archives_give_as_many_records_as_are_there(data_dir: Path) -> None:
    """Responses and resources that fastwarc counts = records + those skipped by type or status."""
    from fastwarc.warc import ArchiveIterator

    counted = 0
    for path in sorted((data_dir / "warc").glob("*.warc*")):
        with path.open("rb") as file:
            expected = sum(1 for _ in ArchiveIterator(file, parse_http=False, quirks_mode=True))
        skipped: Counter[str] = Counter()
        records = list(read_archive(str(path), skipped))
        real = [r for r in records if not (r.error or "").startswith(("gzip", "not-a"))]
        assert len(real) + sum(skipped.values()) == expected, path.name
        counted += expected
    assert counted > 200
