"""Lineage: what a step read and what read a document, against brute force over all tokens of all windows."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from lineage_shards import token_owners, write_shards

from hanji.errors import InputError
from hanji.manifest import Manifest, read_manifest
from hanji.shard_versions import find_version
from hanji.stages import Upsampling
from hanji.training.data.blend import apportion
from hanji.training.data.order import SampleOrder, Segment
from hanji.training.data.repeats import document_runs
from hanji.training.data.stream import RepeatedStream, TokenStream
from hanji.training.lineage.documents import find_document, sightings, steps_that_saw
from hanji.training.lineage.record import DataRecord, Layout
from hanji.training.lineage.sidecars import OutOfOrderError, Sidecar
from hanji.training.lineage.steps import lineage_of_step
from hanji.training.lineage.streams import StreamMap

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
    owners = token_owners(manifest, storage)
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


def test_windows_of_repeated_documents_are_traced_as_the_trainer_reads_them(
    shards: Path, tmp_path: Path
) -> None:
    manifest, storage = read_manifest(str(shards))
    component = next(c for c in manifest.select("train") if c.name == "ko/web/high")
    wanted = [None, Upsampling(by="cluster_occurrences", table={1: 1, 2: 2, 5: 3})]
    whole = TokenStream(component, storage, manifest.dtype)
    runs = document_runs(component, storage, wanted, tmp_path)
    maps = [StreamMap(component, one) for one in runs]
    assert len(runs) == 3 and sum(one.tokens for one in maps) == component.tokens
    bounds = np.concatenate([[0], np.cumsum([shard.tokens for shard in component.shards])])
    for one, traced in zip(runs, maps, strict=True):
        stream = RepeatedStream("repeated", whole, one)
        starts = np.arange(0, one.tokens - SEQUENCE, SEQUENCE)
        pieces = traced.pieces(starts, starts + SEQUENCE + 1)
        for number, start in enumerate(starts.tolist()):
            mine = pieces.range == number
            parts = zip(pieces.shard[mine], pieces.start[mine], pieces.stop[mine], strict=True)
            held = [whole.read(int(bounds[shard] + low), int(high - low)) for shard, low, high in parts]
            assert np.array_equal(np.concatenate(held), stream.read(start, SEQUENCE + 1))
            lengths = pieces.stop[mine] - pieces.start[mine]
            assert np.array_equal(pieces.within[mine], np.cumsum(lengths) - lengths)
    for number, shard in enumerate(component.shards):
        for row in pq.read_table(storage.describe(shard.docs.path)).to_pylist():
            start, stop = row["token_offset"], row["token_offset"] + row["tokens"]
            spans = [traced.span(number, start, stop) for traced in maps]
            homes = [index for index, span in enumerate(spans) if span is not None]
            assert homes == [{1: 0, 2: 1, 5: 2}[row["cluster_occurrences"]]], "each document is in one stream"
            first, last = spans[homes[0]] or (0, 0)
            stream = RepeatedStream("repeated", whole, runs[homes[0]])
            held_there = whole.read(int(bounds[number]) + start, stop - start)
            assert np.array_equal(stream.read(first, last - first), held_there)


def test_sidecars_that_are_not_as_promised_are_found_out(shards: Path, tmp_path: Path) -> None:
    version = make_record(shards).version
    component = next(c for c in version.manifest.select("train") if c.name == "ko/web/low")
    path = version.sidecar(component.shards[0])
    table = pq.read_table(path)
    wanted = table["document_id"][5].as_py()
    with Sidecar(path) as sidecar:
        assert sidecar.find(wanted, 0.0) == sidecar.find(wanted, 1.0) == sidecar.search(wanted) == 5
        assert sidecar.find("0" * 32, 0.5) is None
    shuffled = tmp_path / "shuffled.docs.parquet"
    pq.write_table(table.take(list(reversed(range(len(table))))), shuffled, row_group_size=7)
    with Sidecar(shuffled) as sidecar:
        with pytest.raises(OutOfOrderError, match="not in the order of the hash"):
            sidecar.find(wanted, 0.5)
        assert sidecar.search(wanted) == len(table) - 6
    other = tmp_path / "other.parquet"
    pq.write_table(table.drop_columns(["token_offset"]), other)
    with pytest.raises(InputError, match="not a sidecar of a shard: it lacks token_offset"):
        Sidecar(other)
    shutil.copyfile(path, other)
    with other.open("ab") as file:
        file.write(b"more")
    with pytest.raises(InputError, match="cannot be read"):
        Sidecar(other)


def test_a_sidecar_that_is_gone_or_another_one_is_named(shards: Path, tmp_path: Path) -> None:
    copy = tmp_path / "shards"
    shutil.copytree(shards, copy)
    record = make_record(copy)
    found = lineage_of_step(record, 1).documents["shard"][0].as_py()
    path = copy / f"{found}.docs.parquet"
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match=rf"{found}.docs.parquet: .* bytes, but the manifest says"):
        lineage_of_step(record, 1)
    path.unlink()
    with pytest.raises(InputError, match=f"{found}.docs.parquet: this shard's sidecar is gone"):
        lineage_of_step(record, 1)
    (copy / "manifest.json").unlink()
    with pytest.raises(
        InputError, match=r"tiny: the manifest of its shards .* is not in .*; name the directory"
    ):
        lineage_of_step(DataRecord(record.node, (copy,)), 1)
