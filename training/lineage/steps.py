"""The documents of a step: from its samples to windows, from those to tokens of shards, to rows of sidecars."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hanji.errors import InputError, RecipeError
from hanji.manifest import Component
from hanji.training.data.order import SampleBatch
from hanji.training.lineage.record import DataRecord, component_of
from hanji.training.lineage.sidecars import Overlap, Sidecar

THREADS = 8
"""Sidecars that are looked into at a time: much of it is waiting for a disk, the rest is pyarrow's own code."""

TEXT = pa.large_string()
DOCUMENTS = pa.schema(
    [
        # Number of the sample in the step, and the data-parallel rank that computed it (null: not known).
        ("sample", pa.int64()),
        ("data_rank", pa.int64()),
        ("language", TEXT),
        ("domain", TEXT),
        ("tier", TEXT),
        ("stream", TEXT),
        # From 1: how often the stream's windows have come round.
        ("epoch", pa.int64()),
        ("window", pa.int64()),
        ("document_id", TEXT),
        ("source", TEXT),
        # Tokens [start, stop) of the sample's seq_length + 1 that are the document's, where they begin in it, and
        # how many it has.
        ("start", pa.int64()),
        ("stop", pa.int64()),
        ("document_start", pa.int64()),
        ("document_tokens", pa.int64()),
        ("shard", TEXT),
    ]
)


@dataclass(frozen=True)
class StepLineage:
    """A step: its stage, whether it was skipped, its samples on the ranks that were asked for, and their documents.

    ``samples`` counts those of the whole step; ``documents`` has the schema ``DOCUMENTS``, ordered by sample and
    place in it.
    """

    step: int
    stage: str
    skipped: bool
    samples: int
    layout: str | None
    documents: pa.Table


def lineage_of_step(record: DataRecord, step: int, rank: int | None = None) -> StepLineage:
    """The documents of a step (from 1), of all ranks or of a global rank.

    Raises RecipeError for a step that the record does not have and a rank that its layout does not have, InputError
    where shards or sidecars are missing or are not what their manifest says.
    """
    if not 1 <= step <= record.steps:
        raise RecipeError(
            f"step {step}: {record.node['name']} has steps 1 to {record.steps} here"
            + ("" if record.steps else ": nothing was trained yet")
        )
    layout = record.layout_of(step)
    size = record.batch
    batch = record.order.batch((step - 1) * size, size)
    numbers = np.arange(size, dtype=np.int64)
    share = None if layout is None else size // layout.data
    if rank is not None:
        if layout is None or share is None:
            raise RecipeError(
                f"--rank {rank}: the layout of step {step} is not known here; ask for all ranks"
            )
        if not 0 <= rank < layout.all_ranks:
            raise RecipeError(f"--rank {rank}: step {step} had ranks 0 to {layout.all_ranks - 1}")
        data_rank = layout.data_rank(rank)
        numbers = numbers[data_rank * share : (data_rank + 1) * share]
    tasks: list[_Task] = []
    for index in np.unique(batch.component[numbers]).tolist():
        mine = numbers[batch.component[numbers] == index]
        tasks += _by_shard(record, batch.names[index], mine, batch.window[mine])
    with ThreadPoolExecutor(THREADS) as pool:
        parts = list(pool.map(_Task.look, tasks))
    found = _table(tasks, parts, batch, share)
    return StepLineage(
        step,
        record.stage_of(step),
        step in record.skipped,
        size,
        None if layout is None else layout.describe(),
        found,
    )


@dataclass(frozen=True)
class _Task:
    """Stretches of one shard that a step reads: int64 [stretches] each; ``within`` is their place in the sample."""

    record: DataRecord
    stream: str
    component: Component
    shard: int
    sample: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    within: np.ndarray

    def look(self) -> Overlap:
        """The documents of the stretches, from the shard's sidecar."""
        shard = self.component.shards[self.shard]
        with Sidecar(self.record.version.sidecar(shard)) as sidecar:
            found = sidecar.overlapping(self.start, self.stop)
        low = np.maximum(self.start[found.range], found.offset)
        high = np.minimum(self.stop[found.range], found.offset + found.tokens)
        if int((high - low).sum()) != int((self.stop - self.start).sum()):
            raise InputError(
                f"{shard.docs.path}: its documents do not cover the shard's tokens; `hanji shards verify` says more"
            )
        return found


def _table(
    tasks: Sequence[_Task], parts: Sequence[Overlap], batch: SampleBatch, share: int | None
) -> pa.Table:
    """What the tasks found, as a table of schema ``DOCUMENTS``."""
    if not tasks:
        return DOCUMENTS.empty_table()
    counts = [len(part.range) for part in parts]
    task = np.repeat(np.arange(len(tasks)), counts)

    def of_tasks(values: Callable[[_Task], np.ndarray]) -> np.ndarray:
        """A value of each stretch, for the documents found in it."""
        pairs = zip(tasks, parts, strict=True)
        return np.concatenate([values(one)[part.range] for one, part in pairs]).astype(np.int64)

    def of_parts(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts]).astype(np.int64)

    def words(values: Sequence[str]) -> pa.Array:
        return pa.array(values, TEXT).take(pa.array(task))

    start, stop = of_tasks(lambda one: one.start), of_tasks(lambda one: one.stop)
    offset, tokens = of_parts("offset"), of_parts("tokens")
    low, high = np.maximum(start, offset), np.minimum(stop, offset + tokens)
    moved = of_tasks(lambda one: one.within) - start
    sample = of_tasks(lambda one: one.sample)
    names = [component_of(one.stream).split("/") for one in tasks]
    columns = {
        "sample": sample,
        "data_rank": pa.nulls(len(sample), pa.int64()) if share is None else sample // share,
        "language": words([language for language, _, _ in names]),
        "domain": words([domain for _, domain, _ in names]),
        "tier": words([tier for _, _, tier in names]),
        "stream": words([one.stream for one in tasks]),
        "epoch": batch.epoch[sample] + 1,
        "window": batch.window[sample],
        "document_id": pa.chunked_array([chunk for part in parts for chunk in part.document_id.chunks], TEXT),
        "source": pa.chunked_array([chunk for part in parts for chunk in part.source.chunks], TEXT),
        "start": low + moved,
        "stop": high + moved,
        "document_start": low - offset,
        "document_tokens": tokens,
        "shard": words([one.component.shards[one.shard].prefix for one in tasks]),
    }
    found = pa.table({name: columns[name] for name in DOCUMENTS.names}, DOCUMENTS)
    return found.combine_chunks().sort_by([("sample", "ascending"), ("start", "ascending")])


def _by_shard(record: DataRecord, name: str, samples: np.ndarray, windows: np.ndarray) -> Iterator[_Task]:
    """A stream's windows as stretches of its shards, a task for each shard."""
    stream = record.stream(name)
    begin = windows * record.seq_length
    pieces = stream.pieces(begin, begin + record.seq_length + 1)
    # By shard, and in it in the order of its tokens, as its sidecar is searched.
    order = np.lexsort((pieces.start, pieces.shard))
    shards, firsts = np.unique(pieces.shard[order], return_index=True)
    for shard, chosen in zip(shards.tolist(), np.split(order, firsts[1:]), strict=True):
        yield _Task(
            record,
            name,
            stream.component,
            shard,
            samples[pieces.range[chosen]],
            pieces.start[chosen],
            pieces.stop[chosen],
            pieces.within[chosen],
        )
