"""Splits: the pieces of input that are read as one unit of work."""

from __future__ import annotations

import glob
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from hanji.curation.recipe import CurationRecipe, Source
from hanji.curation.sources.compressed import compression_by_name
from hanji.errors import InputError
from hanji.fingerprint import fingerprint
from hanji.storage import Storage, Written, is_url, local_path
from hanji.trouble import is_of_machine

FILES_AT_ONCE = 16
MOST_FILES = 256
_HIDDEN = (".", "_")


@dataclass(frozen=True)
class Piece:
    """A Parquet file with a stretch of lines of a compressed file (:mod:`hanji.curation.steps.rewrite`)."""

    path: str
    sha256: str

    def is_intact(self, run: Storage) -> bool:
        """Whether the file is there and its bytes are those that were written."""
        directory, _, name = self.path.rpartition("/")
        return Written(name, 0, self.sha256).is_intact(Storage(directory))


@dataclass(frozen=True)
class Split:
    """A file, a range of one, or a batch of small files.

    ``start`` and ``stop`` are bytes of a JSONL file or row groups of a Parquet file, else 0 and 0 (all of
    it). ``stamps`` are what the store says of each file's content: etag, or modification time in ns.
    ``piece`` is where the lines are if the file was rewritten; ``start`` and ``stop`` then are bytes of its
    content.
    """

    source: str
    format: str
    paths: tuple[str, ...]
    start: int
    stop: int
    size: int
    stamps: tuple[str, ...]
    piece: Piece | None = None

    def identity(self) -> dict[str, Any]:
        """What is read, as JSON, for the key of the unit: a piece by its content, not by where it lies."""
        return asdict(self) | {"piece": self.piece.sha256 if self.piece else None}

    @property
    def name(self) -> str:
        """Short and stable, fit for a file name: source and a hash of what is read."""
        return f"{self.source}-{fingerprint([self.paths, self.start, self.stop])[:12]}"


@dataclass(frozen=True)
class _File:
    path: str
    size: int
    stamp: str


def plan_splits(recipe: CurationRecipe) -> list[Split]:
    """All splits of a recipe: by source as listed, then by path and position.

    Raises InputError naming source and path for a path that is not there or a pattern that matches nothing.
    """
    return [split for source in recipe.sources for split in _plan(source, recipe.split_bytes)]


def content_hashes(splits: Sequence[Split]) -> list[str]:
    """What each split's files hold, hashed here and now: reads every input once."""
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        return list(pool.map(_content_hash, splits))


def _content_hash(split: Split) -> str:
    if split.piece is not None:
        return split.piece.sha256  # its file was hashed when it was rewritten
    hashes = []
    for path in split.paths:
        with fsspec.open(path, "rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    return fingerprint(hashes)


def _plan(source: Source, split_bytes: int) -> Iterator[Split]:
    files: dict[str, _File] = {}
    for path in source.paths:
        for file in _expand(source.name, path):
            files[file.path] = file
    ordered = [files[path] for path in sorted(files)]
    if source.format in ("html", "text"):
        yield from _batches(source, ordered, split_bytes)
        return
    groups: Iterator[list[tuple[int, int, int]]] = iter(())
    if source.format == "parquet":
        # A request or two a file, and most of the time is waiting.
        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            groups = iter(list(pool.map(lambda file: _row_groups(file, split_bytes), ordered)))
    for file in ordered:
        if source.format == "jsonl" and compression_by_name(file.path) is None:
            ranges = _byte_ranges(file.size, split_bytes)
        elif source.format == "parquet":
            ranges = next(groups)
        else:
            ranges = [(0, 0, file.size)]
        for start, stop, size in ranges:
            yield Split(source.name, source.format, (file.path,), start, stop, size, (file.stamp,))


def _byte_ranges(size: int, split_bytes: int) -> list[tuple[int, int, int]]:
    pieces = max(1, round(size / split_bytes))
    cuts = [size * piece // pieces for piece in range(pieces + 1)]
    return [(start, stop, stop - start) for start, stop in itertools.pairwise(cuts)]


def _row_groups(file: _File, split_bytes: int) -> list[tuple[int, int, int]]:
    try:
        with fsspec.open(file.path, "rb") as stream:
            metadata = pq.ParquetFile(stream).metadata
    except (pa.ArrowException, OSError) as error:
        if is_of_machine(error):
            raise
        # Not what it claims to be: planned whole, so that reading it gives an error record.
        return [(0, 0, file.size)]
    ranges: list[tuple[int, int, int]] = []
    start, size = 0, 0
    for group in range(metadata.num_row_groups):
        size += metadata.row_group(group).total_byte_size
        if size >= split_bytes or group == metadata.num_row_groups - 1:
            ranges.append((start, group + 1, size))
            start, size = group + 1, 0
    return ranges


def _batches(source: Source, files: list[_File], split_bytes: int) -> Iterator[Split]:
    batch: list[_File] = []
    for file in files:
        full = batch and (len(batch) == MOST_FILES or sum(f.size for f in batch) + file.size > split_bytes)
        if full:
            yield _batch(source, batch)
            batch = []
        batch.append(file)
    if batch:
        yield _batch(source, batch)


def _batch(source: Source, files: list[_File]) -> Split:
    return Split(
        source.name,
        source.format,
        tuple(file.path for file in files),
        0,
        0,
        sum(file.size for file in files),
        tuple(file.stamp for file in files),
    )


def _expand(source: str, path: str) -> list[_File]:
    found = _expand_remote(path) if is_url(path) else _expand_local(path)
    if not found:
        what = "the pattern matches no file" if glob.has_magic(path) else "no such file or directory"
        raise InputError(f"source {source}: {path}: {what}")
    return found


def _expand_local(path: str) -> list[_File]:
    plain = local_path(path)
    if plain.is_file():
        names = [plain]
    elif plain.is_dir():
        names = [p for p in plain.rglob("*") if p.is_file() and not _is_hidden(p.relative_to(plain).parts)]
    else:
        names = [Path(p) for p in glob.glob(str(plain), recursive=True) if Path(p).is_file()]  # noqa: PTH207 -- absolute patterns
    return [_File(str(p), p.stat().st_size, str(p.stat().st_mtime_ns)) for p in names]


def _expand_remote(path: str) -> list[_File]:
    filesystem, root = fsspec.core.url_to_fs(path)
    if glob.has_magic(path):
        details: dict[str, Any] = filesystem.glob(root, detail=True)
    elif filesystem.isfile(root):
        details = {root: filesystem.info(root)}
    else:
        details = filesystem.find(root, detail=True)
    return [
        _File(filesystem.unstrip_protocol(name), int(info["size"]), _stamp(info))
        for name, info in details.items()
        if info["type"] == "file" and not _is_hidden(name.removeprefix(root).split("/"))
    ]


def _is_hidden(parts: Sequence[str]) -> bool:
    """Whether a path below what was asked for is one that tools leave behind (.git, _SUCCESS)."""
    return any(part.startswith(_HIDDEN) for part in parts)


def _stamp(info: dict[str, Any]) -> str:
    for name in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created"):
        if info.get(name):
            return str(info[name])
    return str(info["size"])
