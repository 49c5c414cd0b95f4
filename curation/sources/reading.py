"""Reading a split: records come out, whatever is in the file.

A record that cannot be read comes out as a record with an error, so that it is counted; records that are
no documents (a WARC request, an image, an HTTP error) are counted by reason in ``skipped``; what is wrong with
documents that can be read all the same (a page that the crawler cut off) is counted in ``flaws``. Only trouble
of the machine (OSError) is raised, for that is never a document's fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hanji.curation.recipe import Source
from hanji.curation.records import Record
from hanji.curation.sources import jsonl, parquet, plain, warc
from hanji.curation.sources.splits import Split

VERSION = 2


class Reader:
    """Iterates over the records of a split; ``skipped`` and ``flaws`` fill while it does.

    ``flaws`` counts by the name of the flaw: ``Record.flaw`` up to the colon.
    """

    def __init__(self, split: Split, source: Source) -> None:
        self._split = split
        self._source = source
        self.skipped: Counter[str] = Counter()
        self.flaws: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Record]:
        for record in self._records():
            if record.flaw is not None:
                self.flaws.update(flaw.partition(":")[0] for flaw in record.flaw.split("; "))
            yield record

    def _records(self) -> Iterator[Record]:
        if self._source.format == "warc":
            for path in self._split.paths:
                yield from warc.read_archive(path, self.skipped, check_digests=self._source.check_digests)
        elif self._source.format == "jsonl":
            yield from jsonl.read_lines(self._split, self._source)
        elif self._source.format == "parquet":
            yield from parquet.read_rows(self._split, self._source)
        else:
            for path in self._split.paths:
                yield plain.read_file(path, self._source)
