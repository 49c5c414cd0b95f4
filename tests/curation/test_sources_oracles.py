"""Web archives against fastwarc and warcio, record by record, over archives that nobody here wrote.

For every file the two libraries and ours must give the same records: type, id and hash of the block. Where one
does not, it stands below with what it gives and why.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hanji.curation.records import Record
from hanji.curation.sources.warc import frames_of, read_archive

Found = tuple[str, str, str]  # type, id (URL in ARC files), SHA-1 of the block

# (file, library) → records that the library gives, and why it differs from ours.
EXPLAINED: dict[tuple[str, str], tuple[int, str]] = {
    ("ia-web-commons__IAH-20080430204825-00000-blackbook-truncated.arc", "warcio"): (
        1,
        "the filedesc record is an XML document longer than the three lines that warcio takes it for, and "
        "warcio gives up behind it; the file has nine header lines",
    ),
    ("warcio__bad.arc", "warcio"): (
        4,
        "a length that is no number, or below zero, is no bytes for warcio and a failure here",
    ),
    ("warcio__example-bad-non-chunked.warc.gz", "warcio"): (
        1,
        "the whole file is one gzip member; warcio refuses that, and fastwarc reads it as we do",
    ),
    ("warcio__example-bad.warc.gz.bad", "warcio"): (1, "as above: one gzip member"),
    ("warcio__example-wrong-chunks.warc.gz", "warcio"): (
        1,
        "a record that goes on in the next gzip member; fastwarc reads on as we do, warcio ends with the member",
    ),
    ("warcio__example-space-in-url.arc", "warcio"): (
        2,
        "the file is 12 bytes shorter than the last record says: warcio gives what is there, here it has failed",
    ),
}
FASTWARC_READS_NO_ARC = "fastwarc reads no ARC files"


def ours(path: Path) -> list[Found]:
    found = []
    for frame in frames_of(str(path)):
        fields = frame.fields
        kind = fields.get("warc-type", "arc")
        found.append((kind, fields.get("warc-record-id") or fields.get("url", ""), _sha1(frame.block)))
    return found


def of_fastwarc(path: Path) -> list[Found]:
    from fastwarc.warc import ArchiveIterator

    with path.open("rb") as file:
        return [
            (
                str(record.headers.get("WARC-Type")),
                record.headers.get("WARC-Record-ID") or "",
                _sha1(record.reader.read()),
            )
            for record in ArchiveIterator(file, parse_http=False, quirks_mode=True)
        ]


def of_warcio(path: Path) -> list[Found]:
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    found: list[Found] = []
    with path.open("rb") as file:
        try:
            for record in ArchiveIterator(file, no_record_parse=True):
                header: Any = record.rec_headers
                is_arc = record.format == "arc"
                identity = header.get_header("uri" if is_arc else "WARC-Record-ID") or ""
                kind = "arc" if is_arc else header.get_header("WARC-Type")
                found.append((kind, identity, _sha1(record.raw_stream.read())))
        except ArchiveLoadFailed:
            pass  # it stops there; the table says where and why
    return found


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


def archives(data_dir: Path) -> list[Path]:
    return sorted((data_dir / "warc").iterdir())


@pytest.mark.parametrize("library", ["fastwarc", "warcio"])
def test_every_public_archive_gives_the_records_that_the_libraries_find(data_dir: Path, library: str) -> None:
    compared = 0
    for path in archives(data_dir):
        mine = ours(path)
        if library == "fastwarc":
            theirs = of_fastwarc(path)
            if theirs != mine:
                assert path.name.endswith((".arc", ".arc.gz")), f"{path.name}: fastwarc differs"
                assert theirs == [], FASTWARC_READS_NO_ARC
                continue
        else:
            theirs = of_warcio(path)
            explained = EXPLAINED.get((path.name, library))
            if explained is not None:
                count, reason = explained
                assert len(theirs) == count <= len(mine), f"{path.name}: no longer explained by: {reason}"
                continue
            if path.name.endswith((".arc", ".arc.gz")):
                # warcio gives a filedesc record no block.
                theirs = [
                    (k, i, mine[n][2] if i.startswith("filedesc:") else h)
                    for n, (k, i, h) in enumerate(theirs)
                ]
        assert theirs == mine, f"{path.name}: {library} differs"
        compared += len(mine)
    assert compared > 200


def test_every_record_of_the_public_archives_is_a_document_or_counted_or_failed(data_dir: Path) -> None:
    total = 0
    for path in archives(data_dir):
        skipped: Counter[str] = Counter()
        records = list(read_archive(str(path), skipped))
        assert len(records) + sum(skipped.values()) == len(ours(path)), path.name
        assert all(r.error or r.html is not None or r.text is not None for r in records)
        total += len(records)
    assert total > 80


def test_the_digests_of_the_public_archives_hold_but_for_the_ones_made_to_fail(data_dir: Path) -> None:
    broken: dict[str, int] = {}
    for path in archives(data_dir):
        found = [r for r in read_archive(str(path), Counter(), check_digests=True) if _mismatch(r)]
        if found:
            broken[path.name] = len(found)
    # One archive was made by cutting bytes out of a page, the other has a length that leaves the page's end out.
    assert broken == {"warcio__example-trunc.warc": 1, "warcio__example-wrong-chunks.warc.gz": 1}


def _mismatch(record: Record) -> bool:
    return "digest-mismatch" in (record.flaw or "")
