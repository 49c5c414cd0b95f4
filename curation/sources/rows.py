"""From a row of fields (JSONL, Parquet) to a record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hanji.curation.recipe import Fields, Source
from hanji.curation.records import Record


def row_record(row: Mapping[str, Any], source: Source, path: str, offset: int, where: str) -> Record:
    """A record of the row's text or page, or one that says which field is missing or of the wrong type.

    ``where`` names the row for messages: "line 3", "row 17".
    """
    fields = fields_of(source)
    name = fields.html or fields.text
    if name is None:
        return _failed(path, offset, "field-missing: the source names neither a text nor an html field")
    value = at(row, name)
    if value is None:
        present = ", ".join(sorted(str(key) for key in row)[:12])
        return _failed(path, offset, f"field-missing: {where} has no {name!r}; it has: {present}")
    if not isinstance(value, (str, bytes)):
        kind = type(value).__name__
        return _failed(path, offset, f"field-type: {where}: {name!r} is {kind}, not text")
    url, date = _text(row, fields.url), _text(row, fields.date)
    key = _text(row, fields.id) or (f"{url} {date}" if url and date else url or "")
    if fields.html:
        page = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        charset = source.encoding or ("utf-8" if isinstance(value, str) else None)
        return Record(key, path, offset, url, date, html=page, http_charset=charset)
    return Record(key, path, offset, url, date, text=value, http_charset=source.encoding)


def fields_of(source: Source) -> Fields:
    """The fields of a source, with what its layout says where the recipe does not."""
    fields = source.fields
    if source.layout == "datatrove":
        given = fields.model_fields_set
        moved = {name: f"metadata.{name}" for name in ("url", "date") if name not in given}
        fields = fields.model_copy(update=moved)
    return fields


def at(row: Mapping[str, Any], name: str) -> Any:
    """The value of a field: the column of that name, else the one that a path with dots leads to; or None.

    On the way, a text is taken for the JSON of an object, and a list of pairs (a Parquet map) for one.
    """
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return None
        elif isinstance(value, list):
            value = dict(pair for pair in value if isinstance(pair, tuple) and len(pair) == 2)
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _text(row: Mapping[str, Any], name: str | None) -> str | None:
    value = at(row, name) if name else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace") or None
    return None if value is None or value == "" else str(value)


def _failed(path: str, offset: int, error: str) -> Record:
    return Record(key="", path=path, offset=offset, error=error)
