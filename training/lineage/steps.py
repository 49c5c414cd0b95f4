"""The documents of a step: from its samples to windows, from those to tokens of shards, to rows of sidecars."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from hanji.errors import InputError, RecipeError
from hanji.manifest import Component
from hanji.training.lineage.record import DataRecord, component_of
from hanji.training.lineage.sidecars import ID, OFFSET, TOKENS, Sidecar

THREADS = 8
"""Sidecars that are looked into at a time: much of it is waiting for a disk, the rest is pyarrow's own code."""

DOCUMENTS = pa.schema(
    [
        # Number of the sample in the step, and the data-parallel rank that computed it (null: not known).
        ("sample", pa.int64()),
        ("data_rank", pa.int64()),
        ("language", pa.large_string()),
        ("domain", pa.large_string()),
        ("tier", pa.large_string()),
        ("stream", pa.large_string()),
        # From 1: how often the stream's windows have come round.
        ("epoch", pa.int64()),
        ("window", pa.int64()),
        ("document_id", pa.large_string()),
        ("source", pa.large_string()),
        # Tokens [start, stop) of the sample's seq_length + 1 that are the document's, and where they begin in it.
        ("start", pa.int64()),
        ("stop", pa.int64()),
        ("document_start", pa.int64()),
        ("document_tokens", pa.int64()),
        ("occurrences", pa.int64()),
        ("cluster", pa.large_string()),
        ("shard", pa.large_string()),
        ("row", pa.int64()),
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
    parts = [DOCUMENTS.empty_table()]
    tasks = []
    for index in np.unique(batch.component[numbers]).tolist():
        mine = numbers[batch.component[numbers] == index]
        tasks += list(_by_shard(record, batch.names[index], mine, batch.window[mine]))
    with ThreadPoolExecutor(THREADS) as pool:
        for part in pool.map(lambda task: task.look(), tasks):
            columns = {
                **part,
                "data_rank": pa.nulls(len(part["sample"]), pa.int64())
                if share is None
                else pa.array(part["sample"] // share),
                "epoch": pa.array(batch.epoch[part["sample"]] + 1),
                "window": pa.array(batch.window[part["sample"]]),
            }
            parts.append(pa.table({name: columns[name] for name in DOCUMENTS.names}).cast(DOCUMENTS))
    found = pa.concat_tables(parts).sort_by([("sample", "ascending"), ("start", "ascending")])
    return StepLineage(
        step,
        record.stage_of(step),
        step in record.skipped,
        size,
        None if layout is None else layout.describe(),
        found.combine_chunks(),
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

    def look(self) -> dict[str, Any]:
        """Columns of ``DOCUMENTS``, those of the order left out."""
        shard = self.component.shards[self.shard]
        # A sidecar is searched in the order of its tokens.
        order = np.argsort(self.start, kind="stable")
        start, stop = self.start[order], self.stop[order]
        with Sidecar(self.record.version.sidecar(shard)) as sidecar:
            which, row, table = sidecar.overlapping(start, stop)
        offset, tokens = (table[name].to_numpy().astype(np.int64) for name in (OFFSET, TOKENS))
        low, high = np.maximum(start[which], offset), np.minimum(stop[which], offset + tokens)
        if int((high - low).sum()) != int((stop - start).sum()):
            raise InputError(
                f"{shard.docs.path}: its documents do not cover the shard's tokens; `hanji shards verify` says more"
            )
        moved = self.within[order][which] - start[which]
        count = len(which)
        language, domain, tier = component_of(self.stream).split("/")
        return {
            "sample": self.sample[order][which],
            "language": pa.repeat(language, count),
            "domain": pa.repeat(domain, count),
            "tier": pa.repeat(tier, count),
            "stream": pa.repeat(self.stream, count),
            "document_id": table[ID],
            "source": table["source"],
            "start": pa.array(low + moved),
            "stop": pa.array(high + moved),
            "document_start": pa.array(low - offset),
            "document_tokens": pa.array(tokens),
            "occurrences": table["occurrences"],
            "cluster": table["cluster"],
            "shard": pa.repeat(shard.prefix, count),
            "row": pa.array(row),
        }


def _by_shard(record: DataRecord, name: str, samples: np.ndarray, windows: np.ndarray) -> Iterator[_Task]:
    """A stream's windows as stretches of its shards, a task for each shard."""
    stream = record.stream(name)
    begin = windows * record.seq_length
    pieces = stream.pieces(begin, begin + record.seq_length + 1)
    order = np.argsort(pieces.shard, kind="stable")
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
