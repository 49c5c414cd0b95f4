"""The steps that saw a document: from its id to its place in the shards, to windows, back through the order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hanji.manifest import Component
from hanji.shard_order import expected_place, order_hash, shard_number
from hanji.shard_versions import ShardVersion
from hanji.training.lineage.record import DataRecord
from hanji.training.lineage.sidecars import OFFSET, TOKENS, OutOfOrderError, Sidecar
from hanji.training.lineage.streams import windows_with


@dataclass(frozen=True)
class Place:
    """Where a document is in shards: component, split, number of the shard and its prefix, row, and its tokens
    [start, stop) of that shard."""

    document_id: str
    source: str
    component: str
    split: str
    shard: int
    prefix: str
    row: int
    start: int
    stop: int
    occurrences: int
    cluster: str | None


@dataclass(frozen=True)
class Sighting:
    """A sample that holds tokens of a document.

    ``step`` counts from 1, ``sample`` within it from 0, ``epoch`` of the stream from 1. Of the sample's
    seq_length + 1 tokens [start, stop) are the document's. ``data_rank`` None: not known. A ``skipped`` step never
    reached the weights.
    """

    step: int
    sample: int
    data_rank: int | None
    stage: str
    stream: str
    epoch: int
    window: int
    start: int
    stop: int
    skipped: bool


def find_document(version: ShardVersion, identity: str, near: str | None = None) -> Place | None:
    """Where a document is in the shards; None where it is in none of them.

    ``near`` is the component (language/domain/tier) that is looked in first. Its shard follows from its id, and
    about where it stands there, so one or two row groups of one sidecar a component are read. Only where shards are
    not in the order that the manifest promises, all ids of a component are read.
    """
    chosen = [component for component in version.manifest.components if component.tokens]
    for component in sorted(chosen, key=lambda one: (one.name != near, one.split != "train")):
        if (place := _in_component(version, component, identity)) is not None:
            return place
    return None


def _in_component(version: ShardVersion, component: Component, identity: str) -> Place | None:
    count = len(component.shards)
    try:
        order = order_hash([identity])
        number = int(shard_number(order, count)[0])
        if not component.shards[number].documents:
            return None
        with Sidecar(version.sidecar(component.shards[number])) as sidecar:
            row = sidecar.find(identity, float(expected_place(order, count)[0]))
            return None if row is None else _place(sidecar, component, number, row)
    except (OutOfOrderError, ValueError):
        pass
    for number, shard in enumerate(component.shards):
        with Sidecar(version.sidecar(shard)) as sidecar:
            if (row := sidecar.search(identity)) is not None:
                return _place(sidecar, component, number, row)
    return None


def _place(sidecar: Sidecar, component: Component, number: int, row: int) -> Place:
    found = sidecar.row(row)
    start = int(found[OFFSET])
    return Place(
        document_id=found["document_id"],
        source=found["source"],
        component=component.name,
        split=component.split,
        shard=number,
        prefix=component.shards[number].prefix,
        row=row,
        start=start,
        stop=start + int(found[TOKENS]),
        occurrences=int(found["occurrences"]),
        cluster=found["cluster"],
    )


def sightings(record: DataRecord, place: Place) -> list[Sighting]:
    """Every sample of the recorded steps that holds tokens of a document, in their order; [] if there is none."""
    return sorted(_sightings(record, place), key=lambda one: (one.step, one.sample, one.start))


def _sightings(record: DataRecord, place: Place) -> Iterator[Sighting]:
    if place.split != "train" or place.stop <= place.start:
        return
    size, length = record.batch, record.seq_length
    for name in record.streams_of(place.component):
        span = record.stream(name).span(place.shard, place.start, place.stop)
        if span is None:
            continue
        windows = windows_with(span, length, record.order.windows[name])
        draws = record.order.find(name, windows)
        for sample, window, epoch in zip(
            draws.sample.tolist(), draws.window.tolist(), draws.epoch.tolist(), strict=True
        ):
            step = sample // size + 1
            if step > record.steps:
                continue
            layout = record.layout_of(step)
            number = sample % size
            yield Sighting(
                step=step,
                sample=number,
                data_rank=None if layout is None else number // (size // layout.data),
                stage=record.stage_of(step),
                stream=name,
                epoch=epoch + 1,
                window=window,
                start=max(span[0] - window * length, 0),
                stop=min(span[1] - window * length, length + 1),
                skipped=step in record.skipped,
            )


def steps_that_saw(record: DataRecord, places: Sequence[Place]) -> dict[str, np.ndarray]:
    """By document, the steps (int64, rising, each once) that read it and reached the weights; for many documents.

    Documents that no such step read are left out.
    """
    by_stream: dict[str, list[tuple[str, np.ndarray]]] = {}
    for place in places:
        if place.split != "train" or place.stop <= place.start:
            continue
        for name in record.streams_of(place.component):
            span = record.stream(name).span(place.shard, place.start, place.stop)
            if span is not None:
                windows = windows_with(span, record.seq_length, record.order.windows[name])
                by_stream.setdefault(name, []).append((place.document_id, windows))
    skipped = np.array(sorted(record.skipped), np.int64)
    found: dict[str, np.ndarray] = {}
    for name, wanted in by_stream.items():
        draws = record.order.find(name, np.unique(np.concatenate([windows for _, windows in wanted])))
        order = np.argsort(draws.window, kind="stable")
        window, step = draws.window[order], draws.sample[order] // record.batch + 1
        for identity, windows in wanted:
            low, high = np.searchsorted(window, windows, "left"), np.searchsorted(window, windows, "right")
            mine = [step[a:b] for a, b in zip(low.tolist(), high.tolist(), strict=True)]
            steps = np.unique(np.concatenate([np.zeros(0, np.int64), *mine]))
            steps = steps[(steps <= record.steps) & ~np.isin(steps, skipped)]
            if len(steps):
                found[identity] = steps
    return found
