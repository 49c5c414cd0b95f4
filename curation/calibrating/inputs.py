"""What a person names as documents: runs, sources of runs, files, and files under a name."""

from __future__ import annotations

import glob
import os.path
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from hanji.curation.calibrating.documents import Documents, Part, gathered
from hanji.curation.calibrating.files import file_source, is_file_of_texts, measure_piece, plan_files
from hanji.curation.calibrating.runs import is_run, read_run
from hanji.curation.engines.local import LocalEngine
from hanji.errors import InputError, RecipeError
from hanji.progress import Progress
from hanji.storage import is_url

MAX_UNREADABLE_SHARE = 0.01
_NAMED = re.compile(r"(?P<name>[\w.-]+)=(?P<path>.+)")


@dataclass(frozen=True)
class Measuring:
    """How documents are measured: ``signals`` are the columns wanted, ``most`` bounds a source by hash."""

    language: str
    signals: tuple[str, ...]
    text_field: str
    min_characters: int
    most: int | None
    workers: int


@dataclass(frozen=True)
class _Run:
    path: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class _Files:
    name: str
    paths: tuple[str, ...]


def read_documents(option: str, asked: Sequence[str], how: Measuring, progress: Progress) -> Documents:
    """The documents that an option names, measured.

    ``RUN`` or ``RUN:source,source`` is a finished run, a file is a source of its own name, ``NAME=PATHS`` are
    files that are one source. Raises RecipeError, naming option and path, for what is none of these, cannot be
    read or has no document in the language.
    """
    inputs = [_input(option, one) for one in asked]
    runs = [one for one in inputs if isinstance(one, _Run)]
    parts: list[Part] = []
    for run in runs:
        prefix = f"{PurePosixPath(run.path).name}:" if len({r.path for r in runs}) > 1 else ""
        found = read_run(
            option, run.path, run.sources, how.language, how.signals, how.min_characters, how.most
        )
        try:
            own = list(found)
        except InputError as error:
            raise RecipeError(f"{option}: {error}") from None
        if run.sources:
            _check_language(option, own, run.sources, how.language)
        for part in own:
            part.source = prefix + part.source
        parts += own
    groups = _named(option, [one for one in inputs if isinstance(one, _Files)])
    pieces = plan_files(
        option,
        [(one.name, one.paths) for one in groups],
        how.language,
        how.signals,
        how.text_field,
        how.min_characters,
        how.most,
    )
    if pieces:
        progress.step(option.strip("-"), len(pieces), 0)
        # Large files first: the last one to begin is then a small one.
        pieces.sort(key=lambda piece: (-piece.split.size, piece.split.paths, piece.split.start))
        engine = LocalEngine(min(how.workers, len(pieces)))
        try:
            measured = []
            for _, part in engine.run(measure_piece, pieces):
                measured.append(part)
                progress.advance()
        finally:
            engine.close()
        _check_readable(option, measured, [one.name for one in groups])
        _check_language(option, measured, [one.name for one in groups], how.language)
        parts += measured
    return gathered(parts, how.signals, how.most)


def _input(option: str, asked: str) -> _Run | _Files:
    path = asked.rstrip("/") or asked
    try:
        if is_run(path):
            return _Run(path, ())
        base, _, sources = path.rpartition(":")
        if base and is_run(base):
            return _Run(base, tuple(name for name in sources.split(",") if name))
    except (ValueError, ImportError, OSError) as error:
        raise RecipeError(f"{option}: {asked}: {error}") from None
    named = _NAMED.fullmatch(path)
    if named and not os.path.exists(path):  # noqa: PTH110 -- may be a URL
        name, path = named["name"], named["path"]
        return _Files(name, tuple(_files(option, path)))
    return _Files("", tuple(_files(option, path)))


def _files(option: str, path: str) -> list[str]:
    """The files of a path or pattern."""
    if is_url(path):
        found = [path]
    elif glob.has_magic(path) and not os.path.exists(path):  # noqa: PTH110 -- the pattern itself
        found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 -- absolute patterns
        if not found:
            raise RecipeError(f"{option}: {path}: the pattern matches no file")
    else:
        found = [path]
    for one in found:
        if os.path.isdir(one):  # noqa: PTH112 -- may be a URL
            raise RecipeError(
                f"{option}: {one}: a directory that is no run (it has no run.json); "
                f"name the files in it, as in {one}/*.jsonl.gz"
            )
        if not is_file_of_texts(one):
            raise RecipeError(
                f"{option}: {one}: neither a run nor a file of texts; files end in .jsonl, .json or .ndjson "
                "(with .gz, .zst, .bz2 or .xz if compressed) or .parquet"
            )
    return found


def _named(option: str, files: Sequence[_Files]) -> list[_Files]:
    """Files as sources of different names: those of the same name in two directories keep the directory's."""
    single = [path for one in files if not one.name for path in one.paths]
    names = [file_source(path) for path in dict.fromkeys(single)]
    groups = [one for one in files if one.name]
    for path in dict.fromkeys(single):
        name = file_source(path)
        if names.count(name) > 1 or any(one.name == name for one in groups):
            name = f"{PurePosixPath(path).parent.name}/{PurePosixPath(path).name}"
        groups.append(_Files(name, (path,)))
    return groups


def _check_readable(option: str, parts: Sequence[Part], names: Sequence[str]) -> None:
    for name in names:
        own = [part for part in parts if part.source == name]
        records = sum(len(part.hash) + part.left_out.total() for part in own)
        unreadable = sum(part.left_out["unreadable"] for part in own)
        if unreadable and unreadable > MAX_UNREADABLE_SHARE * records:
            first = next(part.failure for part in own if part.failure)
            raise RecipeError(
                f"{option}: {name}: {unreadable} of {records} records cannot be read; the first: {first}"
            )


def _check_language(option: str, parts: Sequence[Part], names: Sequence[str], language: str) -> None:
    """A source that was named, and has documents, has one in the language."""
    for name in names:
        own = [part for part in parts if part.source == name]
        others = sum(part.left_out["another language"] for part in own)
        if others and not sum(len(part.hash) for part in own):
            raise RecipeError(
                f"{option}: {name}: no document is in {language}; {others} are in another language"
            )
