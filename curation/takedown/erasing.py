"""Erase: blank the texts of documents that were taken down in all of a run's own files.

Rows stay, so that the books still balance; their texts, titles and what edits put in their place become empty.
Commit records keep the hashes of what the units wrote, of which keys are made, and say what is there now, so
nothing is computed again for it. Exchange files that carry texts keep their index and lose their rows: they are
sent again when a later change needs them. Pieces of large compressed inputs are removed; they are copies, and
made again when they are needed.

What stays are hashes (of shingles), counts and addresses. The inputs are not touched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hanji.curation.columns import flat
from hanji.curation.engines.base import Engine, Resources
from hanji.curation.work import Commit
from hanji.storage import HashingWriter, Storage, Written

TEXTS = ("text", "title", "replacement", "encoded")
"""Columns of tables, by document, that hold a text or a part of one."""
DIRECTORIES = (
    *("rewritten", "documents", "edits", "verdicts", "signals", "gathered", "contamination", "relations"),
    *("decisions", "takedown/named", "takedown/twins", "ledger", "tokenizer", "tokens", "exchange"),
)
"""Where all files belong to a commit record: what does not is left from an attempt that was killed."""
IDS = "takedown/erased.parquet"


@dataclass
class Erased:
    """What was erased: documents named, texts that were there and are not, files that held them."""

    documents: int
    texts: int = 0
    files: int = 0


def erase(run: Storage, ids: pa.Array, engine: Engine, resources: Resources) -> Erased:
    """Blank the texts of these documents wherever the run's commit records lead. ``ids`` is large_string."""
    ids = pc.unique(ids)
    ids = ids.take(pc.sort_indices(ids))
    written = run.write_table(IDS, pa.table({"id": ids}))
    records = [path for path in run.walk("commits") if path.endswith(".json")]
    done = Erased(len(ids))
    kept: set[str] = set()
    jobs = [(run.root, record, written.sha256) for record in records]
    for _, (texts, files, paths) in engine.run(_erase_record, jobs, resources):
        done.texts += texts
        done.files += files
        kept.update(paths)
    for directory in DIRECTORIES:
        for path in run.walk(directory):
            if path not in kept:
                run.remove(path)
    run.remove(IDS)
    return done


def _erase_record(job: tuple[str, str, str]) -> tuple[int, int, list[str]]:
    """Erase in the files of one unit; returns texts, files changed, and the paths that the record now leads to."""
    root, record, sha256 = job
    run = Storage(root)
    commit = Commit.read(run, record)
    ids = _ids(root, sha256)
    texts = 0
    changed: dict[str, Written] = {}
    for name, written in commit.files.items():
        if commit.step == "rewrite":
            run.remove(written.path)
            continue
        if written.path.startswith("shards/") or not run.exists(written.path):
            continue  # shards were written anew; an exchange file may have been removed when it was received
        if written.path.endswith(".parquet"):
            found, new = _blank_table(run, written, ids)
            texts += found
        else:
            new = _without_rows(run, commit, name, written) if written.path.endswith(".arrows") else None
        if new is not None:
            changed[name] = new
    info = _without_excerpts(commit, set(ids.to_pylist())) if commit.step == "summarise" else commit.info
    if changed or info is not commit.info:
        new_commit = dataclasses.replace(commit, files={**commit.files, **changed}, info=info)
        run.write_bytes(record, new_commit.to_json())
        for name, new in changed.items():
            if new.path != commit.files[name].path:
                run.remove(commit.files[name].path)
        commit = new_commit
    paths = [] if commit.step == "rewrite" else [written.path for written in commit.files.values()]
    if commit.step == "rewrite":
        run.remove(record)
    return texts, len(changed), paths


@lru_cache(maxsize=1)
def _ids(root: str, sha256: str) -> pa.Array:
    return flat(Storage(root).read_table(IDS)["id"])


def _blank_table(run: Storage, written: Written, ids: pa.Array) -> tuple[int, Written | None]:
    """(texts blanked, the file that takes this one's place); None where it holds no text of these documents."""
    with run.open(written.path) as stream, pq.ParquetFile(stream) as file:
        names = file.schema_arrow.names
    columns = [name for name in TEXTS if name in names]
    if "id" not in names or not columns:
        return 0, None
    hits = [pc.is_in(group["id"], ids) for group in run.table_groups(written.path, ["id"])]
    if not any(pc.any(hit).as_py() for hit in hits):
        return 0, None
    texts = 0
    stem, dot, suffix = written.path.rpartition(".")
    path = f"{stem}-erased{dot}{suffix}"
    groups = run.table_groups(written.path)
    with run.table_writer(path, _schema(run, written.path)) as writer:
        for group, hit in zip(groups, hits, strict=True):
            for name in columns:
                full = pc.and_(hit, pc.fill_null(pc.greater(pc.binary_length(group[name]), 0), False))
                if name == "text":
                    texts += int(pc.sum(full).as_py() or 0)
                place = group.schema.get_field_index(name)
                empty = pa.scalar(b"" if name == "encoded" else "", group.schema.field(name).type)
                blank = pc.if_else(full, empty, group[name])
                group = group.set_column(place, group.schema.field(name), blank)
            writer.write(group)
    new = writer.written
    return texts, dataclasses.replace(new, sha256=written.sha256, now=new.sha256)


def _schema(run: Storage, path: str) -> pa.Schema:
    for group in run.table_groups(path):
        return group.schema
    raise AssertionError("a table with hits has a row group")


def _without_rows(run: Storage, commit: Commit, name: str, written: Written) -> Written | None:
    """An exchange file that carries texts, with zeros for its rows: its index tells what they were."""
    index = commit.info.get(name)
    if not isinstance(index, dict) or written.now is not None:
        return None
    tail = run.read_range(written.path, index["at"], written.bytes - index["at"])
    schema = (
        pa.ipc.read_schema(pa.py_buffer(tail[: index["schema_bytes"]])) if index["entries"] else pa.schema([])
    )
    if not any(one in schema.names for one in TEXTS):
        return None
    with run.create_file(written.path) as file:
        hashing = HashingWriter(file)
        for size in _blocks(index["at"]):
            hashing.write(bytes(size))
        hashing.write(tail)
    return dataclasses.replace(written, now=hashing.sha256())


def _blocks(size: int, most: int = 1 << 20) -> Iterator[int]:
    while size:
        yield min(size, most)
        size -= min(size, most)


def _without_excerpts(commit: Commit, ids: set[str]) -> dict[str, Any]:
    """What a range of ids adds to the report, without excerpts of these documents."""
    partial = commit.info["partial"]
    held: Sequence[dict[str, Any]] = [
        *(sample for rule in partial["rules"].values() for sample in rule["samples"]),
        *partial["clusters"],
    ]
    for one in held:
        if one["id"] in ids:
            one["excerpt"] = ""
    return dict(commit.info)
