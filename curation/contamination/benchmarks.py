"""Benchmark items and texts of the allow-list, from JSON Lines files or by the name of a Hugging Face data set."""

from __future__ import annotations

import glob
import hashlib
import importlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fsspec
import pyarrow as pa

from hanji.curation.recipe import AllowedTexts, Benchmark, Normalisation
from hanji.curation.sources.compressed import Damaged, open_decompressed
from hanji.curation.text.normalise import DEFAULT, normalise
from hanji.errors import InputError, RecipeError

_BATCH_CHARACTERS = 4_000_000


@dataclass(frozen=True)
class Item:
    """One text of a benchmark that must not stand in training data; ``id`` is unique within the benchmark."""

    benchmark: str
    id: str
    text: str


def load_items(benchmark: Benchmark) -> list[Item]:
    """The items of a benchmark, in its order.

    Raises InputError for files that are missing, broken or without one item, and RecipeError where the package
    ``datasets`` is wanted and not installed.
    """
    if benchmark.path is not None:
        rows: Iterable[Mapping[str, Any]] = (
            row for path in files_of(benchmark.path) for row in _json_rows(path)
        )
    else:
        rows = _hugging_face_rows(benchmark)
    items = []
    for number, row in enumerate(rows):
        if any(str(row.get(field)) not in allowed for field, allowed in benchmark.where.items()):
            continue
        name = str(row.get(benchmark.id, number)) if benchmark.id else str(number)
        whole = "\n".join(text for field in benchmark.text for text in texts_at(row, field))
        if whole.strip():
            items.append(Item(benchmark.name, name, whole))
        for field in benchmark.each:
            for place, text in enumerate(texts_at(row, field)):
                if text.strip():
                    items.append(Item(benchmark.name, f"{name}/{field}/{place}", text))
    if not items:
        fields = ", ".join([*benchmark.text, *benchmark.each])
        raise InputError(f"contamination: benchmark {benchmark.name}: no row has a text in {fields}")
    return items


def texts_at(row: Any, field: str) -> list[str]:
    """The strings at a field; a dot leads into an object, and of a list all members are taken."""
    found = [row]
    for name in field.split("."):
        found = [inner for one in found for inner in _inside(one, name)]
    return [
        text for one in found for text in (one if isinstance(one, list) else [one]) if isinstance(text, str)
    ]


def _inside(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _inside(one, name)
    elif isinstance(value, Mapping) and value.get(name) is not None:
        yield value[name]


def allowed_batches(allowed: Sequence[AllowedTexts], normal: Normalisation = DEFAULT) -> Iterator[pa.Array]:
    """The texts of the allow-list in their normal form, as batches of large_string."""
    batch: list[str] = []
    size = 0
    for source in allowed:
        for path in files_of(source.path):
            for row in _json_rows(path):
                for text in texts_at(row, source.text):
                    batch.append(normalise(text, normal).text)
                    size += len(text)
                    if size > _BATCH_CHARACTERS:
                        yield pa.array(batch, pa.large_string())
                        batch, size = [], 0
    if batch:
        yield pa.array(batch, pa.large_string())


def files_of(path: str) -> list[str]:
    """The files of a path, glob or fsspec URL, sorted. Raises InputError if there is none."""
    filesystem, root = fsspec.core.url_to_fs(path)
    if glob.has_magic(root):
        names = filesystem.glob(root)
    else:
        names = [root] if filesystem.isfile(root) else filesystem.find(root)
    if not names:
        raise InputError(f"contamination: {path}: no such file or directory")
    remote = "://" in path
    return sorted(filesystem.unstrip_protocol(name) if remote else str(name) for name in names)


def identity(source: Benchmark | AllowedTexts) -> Any:
    """What a source's items depend on, for fingerprints: its settings, and the content of its files.

    A data set of Hugging Face is known by name, split and revision alone. What is done with overlaps, and the
    place of files, take no part.
    """
    settings = source.model_dump(mode="json", exclude={"path", "action", "min_share"})
    return [settings, [_sha256(path) for path in files_of(source.path)] if source.path is not None else []]


def _sha256(path: str) -> str:
    with fsspec.open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json_rows(path: str) -> Iterator[Mapping[str, Any]]:
    try:
        with open_decompressed(path) as file:
            number = 0
            while line := file.readline():
                number += 1
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise InputError(f"contamination: {path}, line {number}: no JSON: {error}") from None
                if not isinstance(row, dict):
                    raise InputError(f"contamination: {path}, line {number}: {type(row).__name__}, no object")
                yield row
    except Damaged as damage:
        raise InputError(f"contamination: {path}: {damage.reason}") from None


def _hugging_face_rows(benchmark: Benchmark) -> Iterator[Mapping[str, Any]]:
    where = f"contamination: benchmark {benchmark.name}"
    if importlib.util.find_spec("datasets") is None:
        raise RecipeError(
            f"{where}: data sets by name need the package datasets: pip install datasets; or save it as JSON "
            "Lines and give its path"
        )
    datasets = importlib.import_module("datasets")
    for split in benchmark.splits:
        try:
            rows = datasets.load_dataset(
                benchmark.huggingface, benchmark.config, split=split, revision=benchmark.revision
            )
        except (
            Exception
        ) as error:  # of a network, a name, a split or a format: the library has its own for each
            raise InputError(
                f"{where}: {benchmark.huggingface} ({benchmark.config or 'default'}, {split}) cannot be loaded: "
                f"{type(error).__name__}: {error}"
            ) from error
        yield from rows
