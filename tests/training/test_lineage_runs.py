"""Lineage and cost of real runs: what their records say, beside what they wrote down while they trained."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from lineage_shards import write_shards

from hanji.jobs.cli import run as hanji
from hanji.manifest import read_manifest
from hanji.training import launch
from hanji.training.cost import flops_per_token
from hanji.training.cost.spent import ledger_of
from hanji.training.data.plan import plan_data
from hanji.training.lineage.models import Search, find_models
from hanji.training.lineage.record import DataRecord, open_record
from hanji.training.lineage.steps import lineage_of_step
from hanji.training.loop.metrics import read_metrics
from hanji.training.presets import PRESETS


def batches(run: Path) -> dict[int, str]:
    """The digest of each step's samples, as the ranks wrote it."""
    return {
        entry["step"]: entry["batch"]
        for entry in read_metrics(run / "metrics.jsonl")
        if entry["kind"] == "step"
    }


def recorded_batches(record: DataRecord) -> dict[int, str]:
    """The same, from the record alone."""
    from hanji.training.loop.trainer import batch_digest

    size = record.batch
    return {
        step: batch_digest(record.order.batch((step - 1) * size, size)) for step in range(1, record.steps + 1)
    }


def test_the_record_of_a_run_gives_the_batches_that_its_ranks_read(
    undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = open_record(undisturbed)
    assert recorded_batches(record) == batches(undisturbed) and record.steps == 60
    early = open_record(undisturbed / "checkpoints/step-00000040")
    assert recorded_batches(early) == {
        step: digest for step, digest in batches(undisturbed).items() if step <= 40
    }
    layout = record.layout_of(60)
    assert layout is not None and layout.describe() == "tensor 2" and layout.ranks(0) == [0, 1]

    # The recipe file and the shards' manifest may be changed: the run keeps what it needs.
    run = tmp_path / "run"
    shutil.copytree(undisturbed, run, ignore=shutil.ignore_patterns("*.distcp"))
    recipe = json.loads((run / "recipe.json").read_text("utf-8"))
    (run / "recipe.json").write_text(json.dumps({**recipe, "seed": 99, "stages": []}), "utf-8")
    asked = ["lineage", "step", str(run), "41", "--json"]
    assert hanji(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["stage"] == "two" and {row["tier"] for row in told["documents"]} == {"high"}
    assert {row["sample"] for row in told["documents"]} == set(range(4))
    for sample in range(4):
        rows = [row for row in told["documents"] if row["sample"] == sample]
        assert [row["start"] for row in rows] == [0, *(row["stop"] for row in rows[:-1])]
        assert rows[-1]["stop"] == 65
    assert hanji(["lineage", "step", str(run), "61"]) == 2
    assert "small has steps 1 to 60 here" in " ".join(capsys.readouterr().err.split())
    assert hanji(["lineage", "step", str(run), "41", "--rank", "2"]) == 2
    assert "step 41 had ranks 0 to 1" in capsys.readouterr().err


def test_an_exported_model_and_what_was_imported_from_it_know_what_was_read(
    undisturbed: Path, shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hanji.training.huggingface.exporting import export_checkpoint
    from hanji.training.huggingface.importing import import_folder

    early = undisturbed / "checkpoints/step-00000040"
    folder, back = tmp_path / "models/small-hf", tmp_path / "models/back"
    export_checkpoint(early, folder, tokenizer=shards / "tokenizer.json")
    import_folder(folder, back)
    record = open_record(folder, [shards])
    assert recorded_batches(record) == recorded_batches(open_record(early))
    identity = lineage_of_step(record, 7).documents["document_id"][0].as_py()
    # These shards' ids are not hexadecimal: the documents are looked for without their order.
    found = Search(find_models([tmp_path / "models"]), [shards]).ask({identity: None})
    saw = {verdict.model.path: verdict for verdict in found}
    assert set(saw) == {folder, back}
    for verdict in saw.values():
        (exposure,) = verdict.exposures
        assert 7 in exposure.steps and max(exposure.steps) <= 40 and exposure.name == "small"
        assert verdict.unknown == ()
    ledger = ledger_of([back])
    assert [model.name for model in ledger.models] == ["small step 40", "small-hf"]
    assert ledger.inherited(ledger.models[1].key).six_nd == ledger.total().six_nd
    assert hanji(["cost", "report", str(back)]) == 0
    assert "with ancestors (small step 40)" in capsys.readouterr().out


def test_a_runs_cost_is_its_tokens_by_stage_and_the_time_that_it_measured(
    undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early, late = (undisturbed / f"checkpoints/step-000000{step}" for step in (40, 60))
    ledger = ledger_of([early, late])
    assert [model.counted for model in ledger.models] == [False, True], "one run is paid for once"
    model = ledger.models[1]
    assert [(stage.name, stage.tokens) for stage in model.stages] == [
        ("one", 40 * 4 * 64),
        ("two", 20 * 4 * 64),
    ]
    exact = flops_per_token(PRESETS["tiny"], 300)
    assert ledger.total().causal_attention == pytest.approx(exact.causal_attention * 60 * 4 * 64)
    assert ledger.total().full_attention == pytest.approx(exact.full_attention * 60 * 4 * 64)
    assert ledger.total().six_nd == pytest.approx(exact.six_n * 60 * 4 * 64)
    entries = read_metrics(undisturbed / "metrics.jsonl")
    assert model.spent is not None and (model.spent.device, model.spent.ranks) == ("CPU", 2)
    for kind, field, name in (
        ("step", "seconds", "training"),
        ("validation", "seconds", "validation"),
        ("checkpoint", "held", "checkpoints"),
    ):
        seconds = sum(entry[field] for entry in entries if entry["kind"] == kind)
        assert getattr(model.spent, name) == pytest.approx(2 * seconds) and seconds > 0
    assert model.stages[0].seconds == pytest.approx(
        2 * sum(entry["seconds"] for entry in entries if entry["kind"] == "step" and entry["step"] <= 40)
    )
    prices = tmp_path / "prices.yaml"
    listed = {"currency": "EUR", "date": "2026-11-01", "per_gpu_hour": {"CPU": 0.05}}
    prices.write_text(yaml.safe_dump(listed), "utf-8")
    assert hanji(["cost", "report", str(undisturbed), "--prices", str(prices), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["hours"][0]["measured"]
    assert found["hours"][0]["cost"] == pytest.approx(0.05 * model.spent.seconds / 3600)
    assert hanji(["cost", "report", str(undisturbed), "--prices", str(prices)]) == 0
    said = capsys.readouterr().out
    assert "small step 60 (pretraining)" in said and "measured" in said and "prices of 2026-11-01" in said


UPSAMPLE = {"by": "cluster_occurrences", "table": {1: 1, 2: 2, 5: 3}}
KOREAN = {"weight": 3, "upsample": UPSAMPLE}


@pytest.mark.slow
def test_the_record_holds_over_stops_layouts_skips_repeats_and_changed_blends(tmp_path: Path) -> None:
    shards = write_shards(
        tmp_path / "shards",
        {"ko/web/high/train": 60, "ko/web/low/train": 90, "en/web/high/train": 25},
        {"ko/web/high/train": 4, "ko/web/low/train": 3, "en/web/high/train": 1},
    )
    data: dict[str, Any] = {
        "name": "lived",
        "run": str(tmp_path / "run"),
        "shards": str(shards),
        "model": "tiny",
        "stages": [
            {"name": "one", "steps": 8, "blend": {"ko/web/high": KOREAN, "ko/web/low": 2, "en/*/*": 1}},
            {"name": "two", "steps": 8, "blend": {"ko/web/high": KOREAN, "en/*/*": 1}},
        ],
        "batch": {"global_size": 4, "micro_size": 2},
        "schedule": {"peak_lr": 0.003, "warmup_steps": 2},
        "checkpoint": {"every": 4, "keep": 10},
        # Nearly every other step is skipped, in earnest.
        "health": {"skip_sigmas": 0.3, "window": 4, "skips_in_a_row": 90, "skips_in_window": 90},
        "log_every": 1,
    }
    path, run = tmp_path / "recipe.yaml", tmp_path / "run"
    path.write_text(yaml.safe_dump(data), "utf-8")
    assert launch.train(path).finished
    first = open_record(run)
    # Back to step 8, and on with other blends in another layout.
    for step in (12, 16):
        shutil.rmtree(run / f"checkpoints/step-{step:08d}")
    data["stages"][1] = {"name": "two", "steps": 4, "blend": {"ko/web/high": KOREAN, "ko/web/low": 9}}
    data["stages"].append({"name": "three", "steps": 4, "blend": {"ko/web/high": KOREAN, "en/*/*": 5}})
    data["parallel"] = {"data": 2}
    path.write_text(yaml.safe_dump(data), "utf-8")
    done = launch.train(path)
    assert done.finished and done.resumed_from == 8

    record = open_record(run)
    assert recorded_batches(record) == batches(run)
    assert recorded_batches(first) != batches(run), "the first line's later steps are no part of the run now"
    skipped = {
        entry["step"]
        for entry in read_metrics(run / "metrics.jsonl")
        if entry["kind"] == "step" and entry["skip"]
    }
    assert record.skipped == skipped and 0 < len(skipped) < 16
    layouts = [record.layout_of(step) for step in (8, 9)]
    assert [layout.data for layout in layouts if layout is not None] == [1, 2]

    truth = read_by_the_trainers_streams(path, shards)
    for tables in ("kept", "gone"):
        if tables == "gone":
            shutil.rmtree(run / "tables")
            record = open_record(run)
        for step in range(1, 17):
            found = lineage_of_step(record, step)
            assert found.skipped == (step in skipped)
            assert found.stage == ("one" if step <= 8 else "two" if step <= 12 else "three")
            rows = [
                (row["sample"], row["document_id"], row["start"], row["stop"])
                for row in found.documents.to_pylist()
            ]
            assert rows == truth[step]
    ranks = [lineage_of_step(record, 9, rank).documents["sample"].to_pylist() for rank in (0, 1)]
    assert [sorted(set(samples)) for samples in ranks] == [[0, 1], [2, 3]]


def read_by_the_trainers_streams(recipe: Path, shards: Path) -> dict[int, list[tuple[int, str, int, int]]]:
    """By step: (sample, document, its tokens of the sample), token by token through the streams that ranks read."""
    plan = plan_data(launch.read_recipe(recipe))
    manifest, storage = read_manifest(str(shards))
    owners = {
        component.name: np.concatenate(
            [
                np.repeat(table["document_id"].to_pylist(), table["tokens"].to_numpy())
                for shard in component.shards
                for table in [pq.read_table(storage.describe(shard.docs.path))]
            ]
        )
        for component in manifest.components
    }
    streams, whole = plan.streams(), plan.order.batch(0, plan.order.samples)
    found: dict[int, list[tuple[int, str, int, int]]] = {}
    for sample in range(plan.order.samples):
        name = whole.names[whole.component[sample]]
        places, lengths = streams[name].pieces(int(whole.window[sample]) * 64, 65)
        held = np.concatenate(
            [
                owners[plan.facts[name].component][place : place + length]
                for place, length in zip(places.tolist(), lengths.tolist(), strict=True)
            ]
        )
        borders = [0, *(np.flatnonzero(held[1:] != held[:-1]) + 1).tolist(), len(held)]
        found.setdefault(sample // 4 + 1, []).extend(
            (sample % 4, str(held[start]), start, stop) for start, stop in pairwise(borders)
        )
    return found
