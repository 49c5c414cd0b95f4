"""Reading a split: records come out, whatever is in the file.

A record that cannot be read comes out as a record with an error, so that it is counted; records that are
no documents (a WARC request, an image, an HTTP error) are counted by reason in ``skipped``. Only trouble of
the machine (OSError) is raised, for that is never a document's fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hanji.curation.recipe import Source
from hanji.curation.records import Record
from hanji.curation.sources import jsonl, parquet, plain, warc
from hanji.curation.sources.splits import Split

VERSION = 1


class Reader:
    """Iterates over the records of a split; ``skipped`` fills while it does."""

    def __init__(self, split: Split, source: Source) -> None:
        self._split = split
        self._source = source
        self.skipped: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Record]:
        if self._source.format == "warc":
            for path in self._split.paths:
                yield from warc.read_archive(path, self.skipped)
        elif self._source.format == "jsonl":
            yield from jsonl.read_lines(self._split, self._source)
        elif self._source.format == "parquet":
            yield from parquet.read_rows(self._split, self._source)
        else:
            for path in self._split.paths:
                yield plain.read_file(path, self._source)
