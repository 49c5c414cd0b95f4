"""Lineage: what a step read and what read a document, against brute force over all tokens of all windows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from lineage_shards import write_shards

from hanji.manifest import Manifest, read_manifest
from hanji.shard_versions import find_version
from hanji.training.data.blend import apportion
from hanji.training.data.order import SampleOrder, Segment
from hanji.training.lineage.documents import find_document, sightings, steps_that_saw
from hanji.training.lineage.record import DataRecord, Layout
from hanji.training.lineage.steps import lineage_of_step

COMPONENTS = {
    "ko/web/high/train": (60, 4),
    "ko/web/low/train": (90, 3),
    "en/web/high/train": (25, 1),
    "en/code/low/train": (8, 6),
    "ko/web/high/valid": (10, 2),
}
SEQUENCE, BATCH = 48, 4
STAGES = {
    "broad": (25, {"ko/web/high": 1.0, "ko/web/low": 2.0, "en/web/high": 1.0, "en/code/low": 0.5}),
    "best": (30, {"ko/web/high": 3.0, "en/web/high": 2.0}),
}
SKIPPED = [7, 31]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(
        tmp_path_factory.mktemp("lineage") / "shards",
        {name: documents for name, (documents, _) in COMPONENTS.items()},
        {name: count for name, (_, count) in COMPONENTS.items()},
    )


def make_order(manifest: Manifest) -> SampleOrder:
    windows = {c.name: (c.tokens - 1) // SEQUENCE for c in manifest.select("train")}
    segments = [
        Segment(name, apportion(name, weights), steps * BATCH) for name, (steps, weights) in STAGES.items()
    ]
    return SampleOrder(segments, windows, seed=5)


def make_record(shards: Path, **changes: Any) -> DataRecord:
    """A record as a checkpoint after the last step has it."""
    manifest, _ = read_manifest(str(shards))
    order = make_order(manifest)
    version = find_version(_sha256(shards), [shards])
    assert version is not None
    node = {
        "name": "tiny",
        "step": sum(steps for steps, _ in STAGES.values()),
        "stages": [{"name": name, "steps": steps} for name, (steps, _) in STAGES.items()],
        "batch": {"samples": BATCH, "seq_length": SEQUENCE},
        "skipped": SKIPPED,
        "order": {**order.history(order.samples), "names": list(order.names)},
        "shards": {"manifest_sha256": version.sha256},
        **changes,
    }
    layouts = (Layout(0, 1, 1, 1, 2), Layout(20, 2, 2, 1, 4))
    return DataRecord(node, (shards,), layouts=layouts)


def _sha256(shards: Path) -> str:
    from hanji.fingerprint import file_sha256

    return file_sha256(shards / "manifest.json")


def brute_force(shards: Path) -> dict[tuple[int, int], list[tuple[str, int, int, int]]]:
    """By (step, sample): (document, its tokens [start, stop) of the sample, epoch), found token by token."""
    manifest, storage = read_manifest(str(shards))
    order = make_order(manifest)
    owners: dict[str, list[str]] = {}
    for component in manifest.select("train"):
        owners[component.name] = []
        for shard in component.shards:
            table = pq.read_table(storage.describe(shard.docs.path))
            for identity, tokens in zip(
                table["document_id"].to_pylist(), table["tokens"].to_pylist(), strict=True
            ):
                owners[component.name] += [identity] * tokens
    found: dict[tuple[int, int], list[tuple[str, int, int, int]]] = {}
    whole = order.batch(0, order.samples)
    for sample in range(order.samples):
        name = whole.names[whole.component[sample]]
        first = int(whole.window[sample]) * SEQUENCE
        held = owners[name][first : first + SEQUENCE + 1]
        rows: list[tuple[str, int, int, int]] = []
        for place, identity in enumerate(held):
            if rows and rows[-1][0] == identity:
                rows[-1] = (identity, rows[-1][1], place + 1, rows[-1][3])
            else:
                rows.append((identity, place, place + 1, int(whole.epoch[sample]) + 1))
        found[sample // BATCH + 1, sample % BATCH] = rows
    return found


def test_all_steps_together_are_what_brute_force_finds(shards: Path) -> None:
    record, truth = make_record(shards), brute_force(shards)
    assert max(epoch for rows in truth.values() for *_, epoch in rows) > 2, "components must come round"
    seen = {}
    for step in range(1, record.steps + 1):
        found = lineage_of_step(record, step)
        assert found.skipped == (step in SKIPPED)
        assert found.stage == ("broad" if step <= 25 else "best")
        for sample in range(BATCH):
            seen[step, sample] = [
                (row["document_id"], row["start"], row["stop"], row["epoch"])
                for row in found.documents.to_pylist()
                if row["sample"] == sample
            ]
    assert seen == truth


def test_the_steps_of_a_document_are_the_inverse_of_the_documents_of_a_step(shards: Path) -> None:
    record, truth = make_record(shards), brute_force(shards)
    wanted: dict[str, list[tuple[int, int, int, int, int]]] = {}
    for (step, sample), rows in truth.items():
        for identity, start, stop, epoch in rows:
            wanted.setdefault(identity, []).append((step, sample, start, stop, epoch))
    places = []
    manifest, storage = read_manifest(str(shards))
    for component in manifest.components:
        for shard in component.shards:
            for row in pq.read_table(storage.describe(shard.docs.path)).to_pylist():
                place = find_document(record.version, row["document_id"])
                assert place is not None
                assert (place.component, place.split) == (component.name, component.split)
                assert (place.prefix, place.start) == (shard.prefix, row["token_offset"])
                places.append(place)
                found = [
                    (one.step, one.sample, one.start, one.stop, one.epoch) for one in sightings(record, place)
                ]
                assert found == sorted(wanted.get(row["document_id"], []))
    saw = steps_that_saw(record, places)
    expected = {
        identity: sorted({step for step, *_ in rows} - set(SKIPPED)) for identity, rows in wanted.items()
    }
    assert {k: v.tolist() for k, v in saw.items()} == {k: v for k, v in expected.items() if v}
    assert any(len(steps) > 2 for steps in expected.values())
    assert len(wanted) < len(places), "held-out documents and tails are never read"


def test_a_rank_has_its_part_of_the_step_in_the_layout_of_then(shards: Path) -> None:
    record = make_record(shards)
    for step, ranks, shared in ((20, 2, 1), (21, 16, 4)):
        whole = lineage_of_step(record, step).documents.to_pylist()
        parts = [lineage_of_step(record, step, rank).documents.to_pylist() for rank in range(ranks)]
        counts = Counter(
            row["document_id"] + str(row["start"]) + str(row["sample"]) for part in parts for row in part
        )
        assert set(counts.values()) == {shared}, "each sample is on one data rank, which several ranks share"
        assert len(counts) == len(whole)
    layout = record.layout_of(21)
    assert layout is not None
    for rank in range(16):
        assert rank in layout.ranks(layout.data_rank(rank))
    # Tensor ranks are neighbours, then context, data and pipeline ranks.
    assert layout.ranks(1) == [2, 3, 10, 11]
