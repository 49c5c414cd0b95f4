"""ARC files, the format before WARC, by a reader of our own: fastwarc has none.

A line ``URL IP date type length``, then that many bytes (ARC 1.0, Burner and Kahle 1996).
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator

from hanji.curation.records import Record
from hanji.curation.sources.compressed import Damaged, open_decompressed
from hanji.curation.sources.http import parse_response
from hanji.curation.sources.pages import document_of

_HEADER = re.compile(rb"([a-zA-Z][\w+.-]*:.*) (\S+) (\d{8,14}) (\S+) (\d{1,15})\s*$")
_LONGEST_LINE = 65_536


def read_arc(path: str, skipped: Counter[str]) -> Iterator[Record]:
    """Records of an ARC file, plain or compressed. After garbage, reading goes on at the next header line."""
    position = 0
    in_garbage = False
    with open_decompressed(path) as file:
        while True:
            try:
                line = file.readline(_LONGEST_LINE)
                if not line:
                    return
                start, position = position, position + len(line)
                match = _HEADER.match(line)
                if match is None:
                    if line.strip() and not in_garbage:
                        in_garbage = True
                        yield Record(
                            key="", path=path, offset=start, error="arc-broken: no ARC record header"
                        )
                    continue
                in_garbage = False
                promised = int(match.group(5))
                block = file.read(promised)
            except Damaged as damage:
                yield Record(key="", path=path, offset=position, error=f"{damage.reason}: at byte {position}")
                return
            position += len(block)
            url = match.group(1).decode("utf-8", "replace")
            date = _iso_date(match.group(3).decode())
            base = Record(f"{url} {date}", path, start, url, date)
            if url.startswith("filedesc:"):
                skipped["record: filedesc"] += 1
            elif len(block) < promised:
                message = f"record-truncated: {len(block)} of {promised} bytes are there"
                yield dataclasses.replace(base, error=message)
            else:
                found = document_of(parse_response(block), base, skipped)
                if found is not None:
                    yield found


def _iso_date(stamp: str) -> str:
    """YYYYMMDD[hhmmss] as ISO 8601."""
    padded = stamp.ljust(14, "0")
    return f"{padded[:4]}-{padded[4:6]}-{padded[6:8]}T{padded[8:10]}:{padded[10:12]}:{padded[12:14]}Z"
