"""Streams of documents that stand equally often in an epoch: up-sampling without copies and without an index in
memory.

Where a stage repeats documents by how often they were found (``hanji.stages.Upsampling``), a component is divided
into streams, one for each factor, and the order draws from each stream as often as its factor says. A stream has
its own windows, so every one of its documents stands exactly so many times in an epoch, at other places each time.

The documents of a stream lie scattered over the component. Where they lie is a table on disk, made once from the
sidecars: for every run of neighbouring documents its first token in the stream, and in the component, 16 bytes
together. Tables are mapped into memory, and reading a window looks one place up by bisection, so neither memory
nor the time to the first batch grows with the number of documents once the tables are there.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hanji.errors import InputError, RecipeError
from hanji.fingerprint import fingerprint
from hanji.manifest import Component
from hanji.stages import Upsampling
from hanji.storage import Storage
from hanji.training.data.mixing import entries_of

if TYPE_CHECKING:
    from hanji.training.stages import StageSettings

FORMAT = "hanji-repeats/1"
MOST_STREAMS = 64
"""Streams that a component may be divided into; each has fewer than seq_length tokens that give no window."""


@dataclass(frozen=True)
class DocumentRuns:
    """A stream's table. ``first`` and ``place``: int64 [runs], where runs of documents begin in the stream and in
    the component, in tokens; both rise. ``tokens``: of the whole stream."""

    repeats: tuple[int, ...]
    documents: int
    tokens: int
    first: np.ndarray
    place: np.ndarray


def up_samplings(
    stages: Sequence[StageSettings], components: Sequence[str]
) -> tuple[dict[str, tuple[Upsampling | None, ...]], dict[tuple[str, str], int]]:
    """The different up-samplings that the stages ask for of each component that has any, in the order of the
    stages; and by stage and component which of them counts."""
    found: dict[str, list[Upsampling | None]] = {}
    which: dict[tuple[str, str], int] = {}
    for stage in stages:
        assert stage.blend is not None
        for pattern, names in entries_of(stage.name, stage.blend, components).items():
            for name in names:
                wanted = stage.blend[pattern].upsample
                known = found.setdefault(name, [])
                if wanted not in known:
                    known.append(wanted)
                which[stage.name, name] = known.index(wanted)
    repeated = {name: tuple(known) for name, known in found.items() if known != [None]}
    return repeated, {key: number for key, number in which.items() if key[1] in repeated}


def document_runs(
    component: Component, storage: Storage, wanted: Sequence[Upsampling | None], directory: Path
) -> list[DocumentRuns]:
    """The streams of a component under these up-samplings, ordered by their repeats.

    Tables are read from ``directory`` where an earlier call has left them, else made there. Raises InputError for
    a sidecar that does not fit the manifest, RecipeError where there would be more than ``MOST_STREAMS``.
    """
    home = _home(component, wanted, directory)
    if not (home / "streams.json").exists():
        try:
            directory.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix="making-", dir=directory))
        except OSError as error:
            raise InputError(
                f"tables: the tables of repeated documents cannot be made in {directory} ({error.strerror}); name "
                "another directory"
            ) from None
        try:
            _make(component, storage, wanted, made)
            made.rename(home)
        except OSError:
            # Another node has made them meanwhile, of the same sidecars.
            if not (home / "streams.json").exists():
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return [
        DocumentRuns(
            tuple(entry["repeats"]),
            entry["documents"],
            entry["tokens"],
            np.memmap(home / f"{number}.first", "<i8", mode="r").view(np.ndarray),
            np.memmap(home / f"{number}.place", "<i8", mode="r").view(np.ndarray),
        )
        for number, entry in enumerate(json.loads((home / "streams.json").read_bytes()))
    ]


def has_runs(component: Component, wanted: Sequence[Upsampling | None], directory: Path) -> bool:
    """Whether the tables that :func:`document_runs` would make are in ``directory`` already."""
    return (_home(component, wanted, directory) / "streams.json").exists()


def _home(component: Component, wanted: Sequence[Upsampling | None], directory: Path) -> Path:
    described = {
        "format": FORMAT,
        "sidecars": [shard.docs.sha256 for shard in component.shards],
        "tokens": [shard.tokens for shard in component.shards],
        "upsample": [None if one is None else one.model_dump(mode="json") for one in wanted],
    }
    return directory / fingerprint(described)


@dataclass
class _Writer:
    """A stream's table while it is made. ``end`` is where its last run ends in the component."""

    repeats: tuple[int, ...]
    files: tuple[Any, Any]
    documents: int = 0
    tokens: int = 0
    end: int = -1

    def add(self, places: np.ndarray, lengths: np.ndarray) -> None:
        """Documents at these places of the component, in order; neighbours become one run."""
        ends = places + lengths
        begins = places != np.concatenate([[self.end], ends[:-1]])
        first = self.tokens + np.cumsum(lengths) - lengths
        for file, column in zip(self.files, (first, places), strict=True):
            file.write(column[begins].astype("<i8").tobytes())
        self.documents += len(places)
        self.tokens += int(lengths.sum())
        self.end = int(ends[-1])


def _make(
    component: Component, storage: Storage, wanted: Sequence[Upsampling | None], directory: Path
) -> None:
    writers: dict[tuple[int, ...], _Writer] = {}
    for places, lengths, repeats in _documents(component, storage, wanted):
        kinds, which = np.unique(repeats, axis=0, return_inverse=True)
        which = which.reshape(-1)
        for number, kind in enumerate(map(tuple, kinds.tolist())):
            if kind not in writers:
                if len(writers) == MOST_STREAMS:
                    raise RecipeError(
                        f"stages: upsample divides {component.name} by more than {MOST_STREAMS} different factors; "
                        "use a table, growth: log2, or a smaller cap"
                    )
                base = directory / str(len(writers))
                files = tuple(
                    base.with_suffix(f".{column}.making").open("wb") for column in ("first", "place")
                )
                writers[kind] = _Writer(kind, files)  # type: ignore[arg-type]
            chosen = which == number
            writers[kind].add(places[chosen], lengths[chosen])
    for writer in writers.values():
        for file in writer.files:
            file.close()
    entries = []
    for number, kind in enumerate(sorted(writers)):
        writer = writers[kind]
        for file, column in zip(writer.files, ("first", "place"), strict=True):
            Path(file.name).rename(directory / f"{number}.{column}")
        entries.append({"repeats": list(kind), "documents": writer.documents, "tokens": writer.tokens})
    (directory / "streams.json").write_text(json.dumps(entries) + "\n", encoding="utf-8")


def _documents(
    component: Component, storage: Storage, wanted: Sequence[Upsampling | None]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of the component's documents in order, some at a time: first token in the component and tokens (int64 [n]),
    and how often they stand in an epoch under each up-sampling (int64 [n, up-samplings])."""
    import pyarrow.parquet as pq

    assert storage.local is not None
    columns = ["token_offset", "tokens", *sorted({one.by for one in wanted if one is not None})]
    start = 0
    for shard in component.shards:
        path = storage.local / shard.docs.path
        if not path.exists():
            raise InputError(f"{path}: no such file, but the manifest names it; upsample needs the sidecars")
        end = 0
        with pq.ParquetFile(path) as file:
            missing = [name for name in columns if name not in file.schema_arrow.names]
            if missing:
                raise InputError(f"{path}: has no column {missing[0]}, which upsample goes by")
            for batch in file.iter_batches(columns=columns):
                offsets, lengths = (batch.column(name).to_numpy().astype(np.int64) for name in columns[:2])
                if not len(offsets):
                    continue
                if offsets[0] != end or (offsets[1:] != offsets[:-1] + lengths[:-1]).any():
                    raise InputError(f"{path}: its documents do not lie end to end (token_offset, tokens)")
                end = int(offsets[-1] + lengths[-1])
                yield start + offsets, lengths, _repeats(batch, wanted)
        if end != shard.tokens:
            raise InputError(f"{path}: its documents have {end} tokens, but the manifest says {shard.tokens}")
        start += shard.tokens


def _repeats(batch: Any, wanted: Sequence[Upsampling | None]) -> np.ndarray:
    return np.stack(
        [
            np.ones(batch.num_rows, np.int64)
            if one is None
            else one.repeats(batch.column(one.by).to_numpy().astype(np.int64))
            for one in wanted
        ],
        axis=1,
    )


def stream_name(component: str, repeats: tuple[int, ...]) -> str:
    """``ko/web/high@2``: the stream of the documents that stand twice in an epoch; with several up-samplings
    ``ko/web/high@2,1``."""
    return f"{component}@{','.join(map(str, repeats))}"
