"""Parquet files, by row groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from hanji.curation.recipe import Source
from hanji.curation.records import Record
from hanji.curation.sources.rows import fields_of, row_record
from hanji.curation.sources.splits import Split
from hanji.trouble import is_of_machine

BATCH = 1024


def read_rows(split: Split, source: Source) -> Iterator[Record]:
    """Records of the rows of the split's row groups; ``offset`` is the row's number in the file."""
    (path,) = split.paths
    fields = fields_of(source)
    wanted = [fields.text, fields.html, fields.id, fields.url, fields.date]
    with fsspec.open(path, "rb") as stream:
        try:
            file = pq.ParquetFile(stream)
        except (pa.ArrowException, OSError) as error:
            if is_of_machine(error):
                raise
            what = f"parquet-invalid: {error}" if split.size else "empty-file: 0 bytes"
            yield Record(key="", path=path, offset=0, error=what)
            return
        first = sum(file.metadata.row_group(group).num_rows for group in range(split.start))
        columns = _columns(file.schema_arrow, [name for name in wanted if name is not None])
        for group in range(split.start, split.stop):
            rows = file.metadata.row_group(group).num_rows
            try:
                yield from _group(file, group, columns, source, path, first)
            except (pa.ArrowException, OSError) as error:
                if is_of_machine(error):
                    raise
                message = f"parquet-invalid: row group {group} ({rows} rows): {error}"
                yield Record(key="", path=path, offset=first, error=message)
            first += rows


def _columns(schema: pa.Schema, wanted: list[str]) -> list[str]:
    """Columns to read: those named, and of objects only what a path leads to."""
    columns = []
    for name in wanted:
        head = name if name in schema.names else name.partition(".")[0]
        if head in schema.names:
            inside = head != name and pa.types.is_struct(schema.field(head).type)
            columns.append(name if inside else head)
    return sorted(set(columns))


def _group(
    file: pq.ParquetFile, group: int, columns: list[str], source: Source, path: str, first: int
) -> Iterator[Record]:
    # Read whole before anything is handed out: a group that breaks half way must not count twice.
    table = file.read_row_group(group, columns=columns)
    number = first
    for batch in table.to_batches(max_chunksize=BATCH):
        for row in _as_rows(batch):
            yield row_record(row, source, path, number, f"row {number}")
            number += 1


def _as_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except UnicodeDecodeError:
        # Not all writers check that their strings are UTF-8: hand such a batch out as bytes.
        columns = [
            column.cast(pa.large_binary())
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
            else column
            for column in batch.columns
        ]
        rows = pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist()
    return rows
