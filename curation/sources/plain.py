"""Files that are one document each: pages of HTML, or plain text."""

from __future__ import annotations

import fsspec

from hanji.curation.recipe import Source
from hanji.curation.records import Record


def read_file(path: str, source: Source) -> Record:
    """One file as one record. Its key is empty: identity is its content."""
    with fsspec.open(path, "rb") as file:
        data: bytes = file.read()
    if not data:
        return Record(key="", path=path, offset=0, error="empty-file: 0 bytes")
    if source.format == "html":
        return Record(key="", path=path, offset=0, html=data, http_charset=source.encoding)
    return Record(key="", path=path, offset=0, text=data, http_charset=source.encoding)
