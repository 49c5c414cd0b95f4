"""Files of texts, measured as a curation would: made, identified, edited, and then counted in one pass.

A document is left out, and counted, where the floors of a curation would stop it: another language, too few
characters. So what is measured here is what rules judge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.classifiers.language import LanguageIdentifier
from hanji.curation.calibrating.documents import (
    EXCERPTS,
    NO_MORE,
    Excerpt,
    Part,
    joined,
    one_line,
    signal_values,
)
from hanji.curation.recipe import CurationRecipe, Fields, Floor, Format, LanguageModels, Source, Text
from hanji.curation.records import Record, apply_edits
from hanji.curation.signals import morphemes
from hanji.curation.signals.text import measure
from hanji.curation.sources.compressed import compression_by_name
from hanji.curation.sources.reading import Reader
from hanji.curation.sources.splits import Split, plan_splits
from hanji.curation.text.lines import boilerplate_edits
from hanji.curation.text.making import make_text, raw_of
from hanji.curation.text.pii import find_pii
from hanji.errors import InputError, MissingExtraError, RecipeError

BATCH_CHARACTERS = 4_000_000
BATCH_DOCUMENTS = 4096
FORMATS: dict[str, Format] = {".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_TEXT = Text()
_FLOOR = Floor()


@dataclass(frozen=True)
class Piece:
    """One split of a file, and what is measured of it."""

    source: str
    split: Split
    reading: Source
    language: str
    signals: tuple[str, ...]
    min_characters: int
    most: int | None


def is_file_of_texts(path: str) -> bool:
    """Whether the name of a file says that it holds texts: JSON Lines, perhaps compressed, or Parquet."""
    return _ending(path) in FORMATS


def file_source(path: str) -> str:
    """The name of the source that a file is: its own, without the endings."""
    return PurePosixPath(path).name.partition(".")[0] or path


def plan_files(
    option: str,
    groups: Iterable[tuple[str, Sequence[str]]],
    language: str,
    signals: Sequence[str],
    text_field: str,
    min_characters: int,
    most: int | None,
) -> list[Piece]:
    """The pieces to measure of sources, each a name and its paths.

    Raises RecipeError naming the option for a path that is not there, or of a format that is none, and
    MissingExtraError if a signal needs Kiwi and it is not installed.
    """
    kiwi = [signal for signal in signals if signal.startswith(morphemes.PREFIX)]
    if kiwi and not morphemes.installed():
        raise MissingExtraError(f"{kiwi[0]}, measured by Kiwi,", "korean")
    pieces = []
    for name, paths in groups:
        kinds = {FORMATS[_ending(path)] for path in paths}
        for kind in sorted(kinds):
            mine = [path for path in paths if FORMATS[_ending(path)] == kind]
            reading = Source(name="files", format=kind, paths=mine, fields=Fields(text=text_field))
            try:
                splits = plan_splits(CurationRecipe(name="calibrate", run="none", sources=[reading]))
            except InputError as error:
                raise RecipeError(f"{option}: {str(error).removeprefix('source files: ')}") from None
            pieces += [
                Piece(name, split, reading, language, tuple(signals), min_characters, most)
                for split in splits
            ]
    return pieces


def measure_piece(piece: Piece) -> Part:
    """Measure the documents of a piece, at most ``most`` of them by hash. Raises OSError alone."""
    whole = _part([], piece)
    parts: list[Part] = []
    waiting = 0
    limit = NO_MORE
    for batch in _batches(Reader(piece.split, piece.reading), piece, whole):
        # What cannot be among the documents with the smallest hashes need not be measured.
        chosen = [row for row in batch if row.hash <= limit]
        if not chosen:
            continue
        parts.append(_part(chosen, piece))
        waiting += len(chosen)
        if waiting >= (piece.most or max(EXCERPTS, len(parts[0].hash))):
            parts, waiting = [_smallest(parts, piece, whole)], 0
            if piece.most is not None and len(parts[0].hash) == piece.most:
                limit = parts[0].hash.max()
    found = _smallest([whole, *parts], piece, whole)
    found.left_out, found.failure = whole.left_out, whole.failure
    return found


def _smallest(parts: Sequence[Part], piece: Piece, whole: Part) -> Part:
    found = joined(parts).smallest(piece.most)
    whole.left_out.update(found.left_out)
    return found


def _part(rows: Sequence[_Row], piece: Piece) -> Part:
    """The rows of a batch, measured."""
    table = _measured(rows, piece)
    return Part(
        piece.source,
        np.array([row.hash for row in rows], np.uint64),
        table["payload_bytes"].to_numpy(),
        signal_values(piece.signals, table, f"a file ({piece.split.paths[0]})"),
        {row.hash: Excerpt(one_line(row.text), row.where) for row in rows},
    )


@dataclass(frozen=True)
class _Row:
    hash: int
    text: str
    where: str


def _batches(records: Iterable[Record], piece: Piece, part: Part) -> Iterator[list[_Row]]:
    rows: list[_Row] = []
    characters = 0
    for record in records:
        row = _row(record, piece, part)
        if row is None:
            continue
        rows.append(row)
        characters += len(row.text)
        if characters >= BATCH_CHARACTERS or len(rows) == min(BATCH_DOCUMENTS, piece.most or BATCH_DOCUMENTS):
            yield rows
            rows, characters = [], 0
    if rows:
        yield rows


def _row(record: Record, piece: Piece, part: Part) -> _Row | None:
    """What is measured of a record; None, counted by reason, for one that a curation would not measure."""
    made = make_text(raw_of(record), _TEXT) if record.error is None else None
    error = record.error or (made.error if made else None)
    if made is None or error is not None:
        part.left_out["unreadable"] += 1
        part.failure = part.failure or f"{record.path}: {error}"
        return None
    text = made.text or ""
    if len(text) < piece.min_characters:
        part.left_out["too short"] += 1
        return None
    (guess,) = _identifier().identify([text])
    if guess.language != piece.language or guess.score < _FLOOR.min_language_score:
        part.left_out["another language"] += 1
        return None
    text = apply_edits(
        text, boilerplate_edits(text, guess.language) + find_pii(text, language=guess.language)
    )
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    name = PurePosixPath(record.path).name
    where = f"{name} {record.key}" if record.key else f"{name} @ {record.offset}"
    return _Row(int.from_bytes(digest, "big"), text, where)


def _measured(rows: Sequence[_Row], piece: Piece) -> pa.Table:
    """Signals of texts, with the columns of a document that can be known here."""
    texts = pa.array([row.text for row in rows], pa.large_string())
    table = measure(texts, pa.array([piece.language] * len(rows), pa.large_string()))
    if any(signal.startswith(morphemes.PREFIX) for signal in piece.signals):
        for name, column in zip(morphemes.COLUMNS, morphemes.measure(texts).columns, strict=True):
            table = table.append_column(name, column)
    table = table.append_column("payload_bytes", pc.binary_length(texts).cast(pa.int64()))
    return table.append_column("replaced_characters", pc.count_substring(texts, "\ufffd").cast(pa.int64()))


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier(LanguageModels())


def _ending(path: str) -> str:
    compression = compression_by_name(path)
    name = PurePosixPath(path)
    return (name.with_suffix("") if compression else name).suffix.lower()
