"""Export: the kept documents of a finished run as files of other tools, with their text after all edits.

The layout is datatrove's (its ``Document``: text, id, metadata), which its readers, and most others, take as it
is: JSON Lines, or Parquet with a column ``metadata`` of the same fields. A file holds one component (language,
domain, tier) of one range of ids, so it is the same whoever wrote it, and memory is bounded by a row group.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hanji.curation.engines.local import LocalEngine
from hanji.curation.records import TEXT
from hanji.curation.work import Commit, newest_commits
from hanji.errors import InputError
from hanji.progress import Progress, SilentProgress
from hanji.storage import Storage

Format = Literal["datatrove", "parquet"]
ENDINGS: dict[Format, str] = {"datatrove": ".jsonl.gz", "parquet": ".parquet"}
_OF_LEDGER = (
    *(
        "source",
        "domain",
        "language",
        "url",
        "date",
        "path",
        "offset",
        "occurrences",
        "score",
        "tier",
        "split",
    ),
    *("cluster", "cluster_size"),
)
_OF_FACTS = ("key", "language_score", "title", "published", "charset", "extractor", "flaw")
METADATA = pa.struct(
    [
        *(
            (name, TEXT)
            for name in ("key", "source", "domain", "language", "url", "date", "published", "title")
        ),
        ("language_score", pa.float64()),
        ("score", pa.float64()),
        *((name, TEXT) for name in ("tier", "split", "cluster")),
        ("cluster_size", pa.int64()),
        ("occurrences", pa.int64()),
        *((name, TEXT) for name in ("path",)),
        ("offset", pa.int64()),
        *((name, TEXT) for name in ("charset", "extractor", "flaw")),
    ]
)
SCHEMA = pa.schema([("text", TEXT), ("id", TEXT), ("metadata", METADATA)])


@dataclass(frozen=True)
class Selection:
    """Which documents to take; None takes all."""

    language: str | None = None
    domain: str | None = None
    tier: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class Exported:
    """What was written: documents and UTF-8 bytes of text by component (language/domain/tier), and files."""

    output: str
    files: int
    documents: dict[str, int] = field(default_factory=dict)
    text_bytes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Work:
    run: str
    output: str
    number: int
    ledger: Commit
    gathered: Commit
    form: Format
    selection: Selection


def export(
    run: str,
    output: str,
    form: Format = "datatrove",
    selection: Selection = Selection(),
    workers: int = 1,
    progress: Progress | None = None,
) -> Exported:
    """Write the kept documents of a run to ``output/LANGUAGE/DOMAIN/TIER/NNNNN.jsonl.gz`` (or ``.parquet``).

    ``NNNNN`` is the range of ids. ``id`` is the document's id in the run; the record's own key is
    ``metadata.key``. Raises InputError if the run is none, or has not finished, or has no such document, or if
    the output holds an export already.
    """
    storage = Storage(run)
    work = [
        _Work(run, output, number, ledger, gathered, form, selection)
        for number, (ledger, gathered) in enumerate(_partitions(storage))
    ]
    there = [path for path in Storage(output).walk() if path.endswith(tuple(ENDINGS.values()))]
    if there:
        raise InputError(f"{output}: holds {there[0]} already; name a new directory, or remove what is there")
    progress = progress or SilentProgress()
    progress.step("export", len(work), 0)
    documents: Counter[str] = Counter()
    text_bytes: Counter[str] = Counter()
    files = 0
    engine = LocalEngine(workers)
    try:
        for _, found in engine.run(_export_partition, work):
            for component, (count, size) in found.items():
                documents[component] += count
                text_bytes[component] += size
            files += len(found)
            progress.advance()
    finally:
        engine.close()
    if not files:
        asked = ", ".join(f"{name} {value}" for name, value in asdict(selection).items() if value is not None)
        raise InputError(f"{run}: no kept document has {asked or 'a text'}; its report says what there is")
    return Exported(output, files, dict(sorted(documents.items())), dict(sorted(text_bytes.items())))


def _partitions(run: Storage) -> list[tuple[Commit, Commit]]:
    """The commits of ledger and texts of each range of ids: a finished run has no others."""
    if not run.exists("run.json"):
        raise InputError(f"{run.describe('run.json')}: not a run directory (it has no run.json)")
    if not json.loads(run.read_bytes("run.json"))["finished"]:
        raise InputError(f"{run.describe()}: the run has not finished; `hanji curate` goes on with it")
    commits = [{commit.unit: commit for commit in newest_commits(run, step)} for step in ("ledger", "gather")]
    return [(commits[0][unit], commits[1][unit]) for unit in sorted(commits[0])]


def _export_partition(work: _Work) -> dict[str, tuple[int, int]]:
    """Write the files of one range of ids; documents and bytes of text by component."""
    run = Storage(work.run)
    kept = _kept(run, work)
    counts: dict[str, tuple[int, int]] = {}
    if not len(kept):
        return counts
    with ExitStack() as stack:
        writers: dict[str, Callable[[pa.Table], None]] = {}
        for texts in _text_groups(run, work.gathered):
            place = pc.index_in(texts["id"], value_set=kept["id"].combine_chunks())
            texts = texts.filter(pc.is_valid(place))
            rows = kept.take(place.drop_null())
            names = pc.binary_join_element_wise(
                rows["language"], rows["domain"], rows["tier"], pa.scalar("/", TEXT)
            )
            for component in sorted(pc.unique(names).to_pylist()):
                mine = pc.equal(names, component)
                chosen, written = rows.filter(mine), texts["text"].filter(mine)
                if component not in writers:
                    path = f"{component}/{work.number:05d}{ENDINGS[work.form]}"
                    file = stack.enter_context(Storage(work.output).create_file(path))
                    writers[component] = stack.enter_context(_WRITERS[work.form](file))
                writers[component](_documents(chosen, written))
                count, size = counts.get(component, (0, 0))
                size += int(pc.sum(pc.binary_length(written)).as_py() or 0)
                counts[component] = (count + len(chosen), size)
    return counts


def _kept(run: Storage, work: _Work) -> pa.Table:
    """Facts of the kept documents that are selected, by id."""
    ledger = run.read_table(work.ledger.files["ledger"].path, ["id", "verdict", *_OF_LEDGER])
    wanted = {"verdict": "kept"} | {
        name: value
        for name in ("language", "domain", "tier", "split")
        if (value := getattr(work.selection, name)) is not None
    }
    for name, value in wanted.items():
        ledger = ledger.filter(pc.equal(ledger[name], value))
    facts = run.read_table(work.gathered.files["facts"].path, ["id", *_OF_FACTS])
    place = pc.index_in(ledger["id"].combine_chunks(), value_set=facts["id"].combine_chunks())
    facts = facts.take(place)
    for name in _OF_FACTS:
        ledger = ledger.append_column(name, facts[name])
    return ledger


def _text_groups(run: Storage, gathered: Commit) -> Iterator[pa.Table]:
    with run.table(gathered.files["text"].path) as file:
        for batch in file.iter_batches(batch_size=1024):
            yield pa.Table.from_batches([batch])


def _documents(rows: pa.Table, texts: pa.ChunkedArray) -> pa.Table:
    fields = [
        rows[column.name].combine_chunks().cast(column.type)
        if column.name in rows.column_names
        else pa.nulls(len(rows), column.type)
        for column in METADATA
    ]
    metadata = pa.StructArray.from_arrays(fields, fields=list(METADATA))
    return pa.table({"text": texts, "id": rows["id"], "metadata": metadata}, SCHEMA)


class _JsonLines:
    """datatrove's JSONL: what is unknown is left out of the metadata, as it leaves out what is empty."""

    def __init__(self, file: IO[bytes]) -> None:
        # No time and no name in the header: equal documents make equal files.
        self._file = gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0)

    def __enter__(self) -> Callable[[pa.Table], None]:
        return self._write

    def __exit__(self, *raised: Any) -> None:
        self._file.close()

    def _write(self, documents: pa.Table) -> None:
        lines = []
        for row in documents.to_pylist():
            row["metadata"] = {name: value for name, value in row["metadata"].items() if value is not None}
            lines.append(json.dumps(row, ensure_ascii=False))
        self._file.write("".join(f"{line}\n" for line in lines).encode())


class _Parquet:
    def __init__(self, file: IO[bytes]) -> None:
        self._writer = pq.ParquetWriter(file, SCHEMA, compression="zstd")

    def __enter__(self) -> Callable[[pa.Table], None]:
        return self._writer.write_table  # type: ignore[no-any-return]

    def __exit__(self, *raised: Any) -> None:
        self._writer.close()


_WRITERS: dict[Format, Callable[[IO[bytes]], _JsonLines | _Parquet]] = {
    "datatrove": _JsonLines,
    "parquet": _Parquet,
}
