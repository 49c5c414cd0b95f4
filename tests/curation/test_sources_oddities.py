"""What archives and files hold besides sound records of sound pages: each is read, counted or refused by name."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import lzma
import zlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import brotli
import pyarrow as pa
import pytest

from hanji.curation.recipe import CurationRecipe, Format, Source
from hanji.curation.records import Record
from hanji.curation.sources import coding, framing
from hanji.curation.sources.http import dechunk, parse_response
from hanji.curation.sources.reading import Reader
from hanji.curation.sources.splits import plan_splits
from hanji.curation.sources.warc import read_archive

PAGE = b"<!doctype html><p>" + b"hello " * 40 + b"</p>"
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE


def warc(kind: str, block: bytes, *fields: str, version: str = "1.0", length: int | None = None) -> bytes:
    lines = [
        f"WARC/{version}",
        f"WARC-Type: {kind}",
        "WARC-Record-ID: <urn:1>",
        "WARC-Target-URI: http://e.com/",
    ]
    lines += [*fields, f"Content-Length: {len(block) if length is None else length}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def read(path: Path, data: bytes, **options: bool) -> tuple[list[Record], Counter[str]]:
    path.write_bytes(data)
    skipped: Counter[str] = Counter()
    return list(read_archive(str(path), skipped, **options)), skipped


def response(*fields: bytes, body: bytes = PAGE, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([status, b"Content-Type: text/html; charset=euc-kr", *fields, b"", body])


# -- HTTP -------------------------------------------------------------------------------------------------


def chunked(body: bytes, ending: bytes = b"0\r\n\r\n") -> bytes:
    return (
        b"".join(
            b"%x;x=y\r\n%s\r\n" % (len(body[i : i + 9]), body[i : i + 9]) for i in range(0, len(body), 9)
        )
        + ending
    )


raw_deflate = zlib.compressobj(wbits=-15)
CODED: list[tuple[bytes, bytes]] = [
    (b"gzip", gzip.compress(PAGE)),
    (b"x-gzip", gzip.compress(PAGE[:50]) + gzip.compress(PAGE[50:])),
    (b"deflate", zlib.compress(PAGE)),
    (b"deflate", raw_deflate.compress(PAGE) + raw_deflate.flush()),
    (b"br", brotli.compress(PAGE)),
    (b"zstd", pa.compress(PAGE, codec="zstd", asbytes=True)),
    (b"gzip, br", brotli.compress(gzip.compress(PAGE))),
    (b"identity", PAGE),
    # Lies: the body is no such thing.
    (b"gzip", PAGE),
    (b"br", PAGE),
    (b"deflate", PAGE),
    (b"utf-8", PAGE),
    (b"aes128gcm", PAGE),
]


@pytest.mark.parametrize("chunk", [False, True])
@pytest.mark.parametrize(("name", "body"), CODED)
def test_bodies_are_decoded_whatever_the_headers_say(name: bytes, body: bytes, chunk: bool) -> None:
    fields = [b"Content-Encoding: " + name]
    if chunk:
        body, fields = chunked(body), [*fields, b"Transfer-Encoding: chunked"]
    found = parse_response(response(*fields, body=body))
    assert found is not None
    assert (found.body, found.problem) == (PAGE, None)
    assert (found.content_type, found.charset) == ("text/html", "euc-kr")


@pytest.mark.parametrize("name", ["gzip", "br", "zstd", "deflate"])
def test_a_body_that_is_cut_or_broken_keeps_what_comes_before_and_says_so(name: str) -> None:
    body = bytes(range(32, 127)) * 3_000
    compress: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "br": partial(brotli.compress, quality=1),
        "deflate": zlib.compress,
        "zstd": partial(pa.compress, codec="zstd", asbytes=True),
    }
    noise = hashlib.shake_256(b"noise").digest(60_000)
    packed = compress[name](noise + body)
    cut, problem = coding.decode_content(packed[: len(packed) * 3 // 4], name)
    assert problem is not None
    assert problem.startswith("http-coding")
    assert (noise + body).startswith(cut)
    if name != "zstd":  # its blocks are large
        assert len(cut) > 20_000
        broken = bytearray(packed)
        broken[len(packed) // 2] ^= 0xFF
        kept, problem = coding.decode_content(bytes(broken), name)
        assert problem is not None or kept != noise + body
    assert coding.decode_content(b"\x00\x01\x02\x03" * 9, name) == (
        b"",
        "http-coding: the compressed body is broken",
    )
    assert coding.decode_content(noise, "compress") == (
        b"",
        "http-coding: content-encoding 'compress' is unknown",
    )


def test_a_bomb_is_unpacked_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coding, "MAX_BODY", 3_000_000)
    for name, packed in (
        ("gzip", gzip.compress(bytes(9_000_000))),
        ("br", brotli.compress(bytes(9_000_000))),
    ):
        body, problem = coding.decode_content(packed, name)
        assert 3_000_000 <= len(body) < 9_000_000
        assert problem is not None


def test_chunks_with_wrong_sizes_keep_what_can_be_told() -> None:
    assert dechunk(chunked(PAGE)) == (PAGE, None)
    assert dechunk(PAGE) == (PAGE, None)
    assert dechunk(chunked(PAGE, b"")) == (PAGE, "http-chunks: the last chunk is missing")
    body, problem = dechunk(b"5\r\nhello\r\nzz\r\nrest")
    assert (body, problem) == (b"hellozz\r\nrest", "http-chunks: a chunk size is broken")
    assert dechunk(b"-5\r\nhello") == (b"-5\r\nhello", None)
    assert dechunk(b"ffffffffff\r\nhello") == (b"hello", "http-chunks: the last chunk is missing")
    assert dechunk(b"5\nhello\n0\n\n") == (b"hello", None)


@pytest.mark.parametrize(
    "status",
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 200",
        b"HTTP/2 200",
        b"http/2.0 200 ",
        b"HTTP/1.1\t200\tOK",
        b"\r\nHTTP/1.1 200 OK",
        b"HTTP 200",
    ],
)
def test_status_lines_of_all_versions_are_understood(status: bytes) -> None:
    found = parse_response(response(status=status))
    assert found is not None
    assert (found.status, found.body, found.problem) == (200, PAGE, None)


def test_a_response_without_a_status_line_is_a_page_with_a_flaw_or_no_response() -> None:
    for block in (PAGE, b"Content-Type: text/html\r\nServer: x\r\n\r\n" + PAGE):
        found = parse_response(block)
        assert found is not None
        assert found.body == PAGE
        assert (found.problem or "").startswith("http-no-status")
    for block in (
        b"HTTP/1.1 OK\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"some text",
        b"",
        b"Server: x\r\n\r\nbody",
    ):
        assert parse_response(block) is None


@pytest.mark.parametrize("ends", [b"\r\n", b"\n"])
def test_headers_may_end_with_lf_continue_on_the_next_line_and_stand_twice(ends: bytes) -> None:
    lines = [
        b"HTTP/1.1 200 OK",
        b"Content-Type: text/html;",
        b"  charset=euc-kr",
        b"no colon here",
        b"X: 1",
        b"x: 2",
        b"",
        PAGE,
    ]
    found = parse_response(ends.join(lines))
    assert found is not None
    assert (found.charset, found.headers["x"], found.body) == ("euc-kr", "1", PAGE)


# -- WARC -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.17", "0.18", "1.0", "1.1"])
@pytest.mark.parametrize(
    "pack",
    [bytes, gzip.compress, bz2.compress, lzma.compress, partial(pa.compress, codec="zstd", asbytes=True)],
)
def test_every_version_is_read_whatever_it_is_compressed_with(
    tmp_path: Path, version: str, pack: Callable[[bytes], bytes]
) -> None:
    data = pack(warc("response", HTML, version=version))
    records, _ = read(tmp_path / "a", data + data)
    assert [record.html for record in records] == [PAGE, PAGE]


def test_headers_with_lf_alone_folded_lines_and_angle_brackets_are_understood(tmp_path: Path) -> None:
    head = (
        b"WARC/1.0\nwarc-type: response\nWARC-Target-URI: <http://e.com/a\n b>\nWARC-Record-ID:<urn:7>\nno\n"
    )
    data = head + b"Content-Length: %d\n\n" % len(HTML) + HTML + b"\n\n"
    (one, two), _ = read(tmp_path / "a", data + data)
    assert (one.url, one.key, one.html) == ("http://e.com/a b", "<urn:7>", PAGE)
    assert two.html == PAGE
    assert two.flaw is None


def test_a_length_of_thousands_of_digits_is_none(tmp_path: Path) -> None:
    data = warc("response", HTML).replace(b"Content-Length: ", b"Content-Length: " + b"9" * 5_000)
    page = response(b"Content-Length: " + b"9" * 5_000)
    records, _ = read(tmp_path / "a", data + warc("response", page))
    assert [(r.html, (r.error or "").partition(":")[0]) for r in records] == [
        (None, "warc-broken"),
        (PAGE, ""),
    ]


def test_extra_gzip_fields_and_padding_are_no_damage(tmp_path: Path) -> None:
    packed = gzip.compress(warc("response", HTML))
    extra = packed[:3] + bytes([packed[3] | 4]) + packed[4:10] + b"\x06\x00sl\x02\x00ab" + packed[10:]
    records, _ = read(tmp_path / "a", extra + bytes(512) + packed + bytes(512))
    assert [record.html for record in records] == [PAGE, PAGE]


def test_records_of_every_type_are_documents_or_counted(tmp_path: Path) -> None:
    data = b"".join(
        [
            *(
                warc(kind, b"x: y\r\n")
                for kind in ("warcinfo", "request", "metadata", "continuation", "revisit", "new")
            ),
            warc("revisit", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", "WARC-Profile: p"),
            warc("resource", PAGE, "Content-Type: text/html"),
            warc("resource", b"\x89PNG", "Content-Type: image/png"),
            warc("conversion", "글".encode(), "Content-Type: text/plain"),
            warc("conversion", b"{}", "Content-Type: application/json"),
            warc("response", b"20240101 1.2.3.4", "Content-Type: text/dns"),
            warc("response", response(status=b"HTTP/1.1 206 Partial Content")),
        ]
    )
    records, skipped = read(tmp_path / "a", data)
    assert [(r.html, r.text, r.error) for r in records] == [(PAGE, None, None), (None, "글".encode(), None)]
    assert records[1].http_charset == "utf-8"
    assert skipped == {
        "record: warcinfo": 1,
        "record: request": 1,
        "record: metadata": 1,
        "record: continuation": 1,
        "record: revisit": 2,
        "record: unknown type": 1,
        "type image/png": 1,
        "type application/json": 1,
        "type text/dns": 1,
        "HTTP status 206": 1,
    }


def test_what_is_wrong_with_a_readable_page_is_its_flaw(tmp_path: Path) -> None:
    data = warc("response", HTML, "WARC-Truncated: length", "WARC-Segment-Number: 1")
    data += warc("response", response(b"Transfer-Encoding: chunked", body=chunked(PAGE, b"")))
    path = tmp_path / "a.warc"
    path.write_bytes(data)
    source = Source(name="s", format="warc", paths=[str(path)])
    (split,) = plan_splits(CurationRecipe(name="t", run="r", sources=[source]))
    reader = Reader(split, source)
    assert [record.html for record in reader] == [PAGE, PAGE]
    assert reader.flaws == {"payload-truncated": 1, "segmented": 1, "http-chunks": 1}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_length_that_is_too_short_costs_no_byte_where_the_member_tells_the_end(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    data = pack(warc("response", HTML, length=len(HTML) - 30)) + pack(warc("response", HTML))
    records, _ = read(tmp_path / "a", data)
    pages = [record.html for record in records if record.error is None]
    assert pages == ([PAGE[:-30], PAGE] if pack is bytes else [PAGE, PAGE])
    assert (records[0].flaw or "").startswith("record-length")
    # In a plain file the rest belongs to nobody, and is told.
    assert len([r for r in records if r.error]) == (1 if pack is bytes else 0)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_block_larger_than_is_read_is_told_from_its_head(
    tmp_path: Path, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framing, "MOST_BLOCK", 200_000)
    film = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n" + bytes(3_000_000)
    page = HTML + b"x" * 3_000_000
    records, skipped = read(
        tmp_path / "a",
        b"".join(map(pack, [warc("response", film), warc("response", page), warc("response", HTML)])),
    )
    assert skipped == {"type video/mp4": 1}
    assert [(record.error or "").partition(":")[0] for record in records] == ["record-too-large", ""]
    assert records[1].html == PAGE


@pytest.mark.parametrize(
    "spell", [base64.b32encode, lambda d: d.hex().encode(), lambda d: base64.b32encode(d).lower()]
)
@pytest.mark.parametrize("name", ["sha1", "sha256", "md5"])
def test_digests_are_compared_when_that_is_asked_for(
    tmp_path: Path, name: str, spell: Callable[[bytes], bytes]
) -> None:
    right = spell(hashlib.new(name, HTML).digest()).decode()
    wrong = spell(hashlib.new(name, b"else").digest()).decode()
    data = b"".join(
        warc("response", HTML, f"WARC-Block-Digest: {name}:{digest}") for digest in (right, wrong)
    )
    records, _ = read(tmp_path / "a", data, check_digests=True)
    assert [(r.html, (r.flaw or "").partition(":")[0]) for r in records] == [
        (PAGE, ""),
        (PAGE, "digest-mismatch"),
    ]
    assert [r.flaw for r in read(tmp_path / "a", data)[0]] == [None, None]


def test_where_only_the_payload_has_a_digest_it_is_compared_before_and_after_chunks_are_joined(
    tmp_path: Path,
) -> None:
    sent = chunked(PAGE)
    block = response(b"Transfer-Encoding: chunked", body=sent)
    digests = [f"sha1:{hashlib.sha1(data).hexdigest()}" for data in (PAGE, sent, b"else")]
    data = b"".join(warc("response", block, f"WARC-Payload-Digest: {digest}") for digest in digests)
    records, _ = read(tmp_path / "a", data, check_digests=True)
    assert [record.flaw is None for record in records] == [True, True, False]


def test_a_page_of_which_not_all_came_says_so() -> None:
    found = parse_response(response(b"Content-Length: %d" % (len(PAGE) + 9)))
    assert found is not None
    assert found.problem == f"http-length: {len(PAGE)} of {len(PAGE) + 9} bytes of the page came"
    for length in (
        len(PAGE),
        3,
    ):  # crawlers that unpack a body keep the length that it had when it was packed
        found = parse_response(response(b"Content-Length: %d" % length))
        assert found is not None
        assert found.problem is None


# -- ARC --------------------------------------------------------------------------------------------------


def test_both_versions_of_arc_are_read_with_blanks_in_urls(tmp_path: Path) -> None:
    one = b"filedesc://a.arc 0.0.0.0 20080430204825 text/plain 9\n1 0 Maker\n\n"
    two = b"filedesc://a.arc 0.0.0.0 20080430204825 text/plain 200 - - 0 a.arc 9\n2 0 Maker\n\n"
    tail = b"%d\n" % len(HTML) + HTML + b"\n"
    data = one + b"http://e.com/a b?c=d e 1.2.3.4 20080430204825 text/html " + tail
    records, skipped = read(tmp_path / "a.arc", data + b"dns:e.com 1.2.3.4 20080430204825 text/dns 3\nabc\n")
    assert [(r.url, r.date, r.html) for r in records] == [
        ("http://e.com/a b?c=d e", "2008-04-30T20:48:25Z", PAGE)
    ]
    assert skipped == {"record: filedesc": 1, "record: dns": 1}
    data = two + b"http://e.com/a b 1.2.3.4 20080430204825 text/html 200 3AB - 1234 a.arc " + tail
    for pack in (bytes, gzip.compress):
        records, _ = read(tmp_path / "a", pack(data))
        assert [(r.url, r.html) for r in records] == [("http://e.com/a b", PAGE)]


# -- files that are not what they are called ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "data", "rule"),
    [
        ("jsonl", "a.jsonl", gzip.compress(b"{}"), "not-jsonl"),
        ("jsonl", "a.jsonl", b"PAR1" + bytes(90_000), "not-jsonl"),
        ("jsonl", "a.jsonl", '{"text": "글"}\n'.encode("utf-16"), "not-jsonl"),
        ("jsonl", "a.jsonl", bytes(90_000), "not-jsonl"),
        ("jsonl", "a.jsonl", b'[{"text": "x"}]', "json-invalid"),
        ("jsonl", "a.jsonl.gz", b'{"text": "x"}\n', "gzip-invalid"),
        ("jsonl", "a.jsonl.gz", bytes(900), "gzip-invalid"),
        ("parquet", "a.parquet", b'{"text": "x"}\n', "parquet-invalid"),
        ("html", "a.html", b"\x89PNG\r\n\x1a\n" + bytes(99), "not-html"),
        ("text", "a.txt", b"%PDF-1.7 ...", "not-text"),
        ("text", "a.txt.gz", b"plain text", "gzip-invalid"),
        ("warc", "a.warc", PAGE, "not-a-warc"),
        ("warc", "a.warc.gz", gzip.compress(PAGE), "not-a-warc"),
        ("warc", "a.warc", bytes(99), "not-a-warc"),
        ("warc", "a.warc", b"", "empty-file"),
    ],
)
def test_a_file_that_is_not_what_it_is_called_is_one_failure(
    tmp_path: Path, kind: Format, name: str, data: bytes, rule: str
) -> None:
    (tmp_path / name).write_bytes(data)
    source = Source(name="s", format=kind, paths=[str(tmp_path / name)])
    splits = plan_splits(CurationRecipe(name="t", run="r", sources=[source], split_bytes=20_000))
    (record,) = [record for split in splits for record in Reader(split, source)]
    assert (record.error or "").partition(":")[0] == rule
    assert record.path == str(tmp_path / name)


def test_text_and_pages_are_decompressed_as_their_name_says(tmp_path: Path) -> None:
    (tmp_path / "a.html.gz").write_bytes(gzip.compress(PAGE))
    source = Source(name="s", format="html", paths=[str(tmp_path)])
    (split,) = plan_splits(CurationRecipe(name="t", run="r", sources=[source]))
    assert [record.html for record in Reader(split, source)] == [PAGE]
