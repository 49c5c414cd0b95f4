"""Files that are one document each: pages of HTML, or plain text; compressed where the name says so."""

from __future__ import annotations

from hanji.curation.recipe import Source
from hanji.curation.records import Record
from hanji.curation.sources.compressed import Damaged, open_decompressed
from hanji.curation.sources.signatures import other_than_text

MOST_BYTES = 1 << 28


def read_file(path: str, source: Source) -> Record:
    """One file as one record. Its key is empty: identity is its content."""
    try:
        with open_decompressed(path) as file:
            data: bytes = file.read(MOST_BYTES + 1)
    except Damaged as damage:
        return Record(key="", path=path, offset=0, error=f"{damage.reason}: the file cannot be decompressed")
    if not data:
        return Record(key="", path=path, offset=0, error="empty-file: 0 bytes")
    if len(data) > MOST_BYTES:
        message = f"file-too-large: more than {MOST_BYTES} bytes are no one document"
        return Record(key="", path=path, offset=0, error=message)
    other = other_than_text(data[:512])
    if other is not None:
        return Record(key="", path=path, offset=0, error=f"not-{source.format}: the file begins like {other}")
    if source.format == "html":
        return Record(key="", path=path, offset=0, html=data, http_charset=source.encoding)
    return Record(key="", path=path, offset=0, text=data, http_charset=source.encoding)
