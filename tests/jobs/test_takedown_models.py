"""After a takedown: the models that saw a document are named, and what they read can still be told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lineage_shards import token_owners

from hanji.fingerprint import file_sha256, fingerprint
from hanji.jobs.cli import run as hanji
from hanji.manifest import read_manifest
from hanji.shard_versions import EARLIER
from hanji.training.checkpoint.record import Commit, directory_name, parent_of
from hanji.training.data.blend import apportion
from hanji.training.data.order import SampleOrder, Segment

SEQUENCE, BATCH = 64, 2


def family(shards: Path, name: str, steps: int, parents: list[dict[str, Any]]) -> dict[str, Any]:
    """The node of a model that read these shards for so many steps."""
    manifest, _ = read_manifest(str(shards))
    windows = {c.name: (c.tokens - 1) // SEQUENCE for c in manifest.select("train")}
    slots = apportion("all", {key: float(count) for key, count in windows.items()})
    order = SampleOrder([Segment("all", slots, steps * BATCH)], windows, seed=len(name))
    node = {
        "format": "hanji-family/1",
        "kind": "pretraining",
        "name": name,
        "parents": parents,
        "step": steps,
        "stages": [{"name": "all", "steps": steps}],
        "batch": {"samples": BATCH, "seq_length": SEQUENCE},
        "skipped": [],
        "order": {**order.history(order.samples), "names": list(order.names), "upsample": {}},
        "shards": {"manifest_sha256": file_sha256(shards / "manifest.json")},
    }
    return {**node, "hash": fingerprint(node)}


def checkpoint(run: Path, node: dict[str, Any]) -> Path:
    """A checkpoint's directory, as far as lineage reads it: its record."""
    directory = run / "checkpoints" / directory_name(node["step"])
    directory.mkdir(parents=True)
    commit = Commit(
        step=node["step"],
        stage="all",
        stage_step=node["step"],
        stage_end=True,
        consumed={},
        recipe="",
        identity={},
        manifest_sha256=node["shards"]["manifest_sha256"],
        ranks=1,
        family=node,
        layout={"data": 1},
    )
    (directory / "commit.json").write_bytes(commit.to_bytes())
    return directory


def read_by(shards: Path, node: dict[str, Any]) -> dict[str, set[int]]:
    """By document the steps that read a token of it, found token by token."""
    manifest, storage = read_manifest(str(shards))
    recorded = node["order"]
    windows = {name: recorded["windows"][name] for name in recorded["names"]}
    segments = [Segment("", part["slots"], part["samples"]) for part in recorded["segments"]]
    order = SampleOrder(segments, windows, recorded["seed"])
    owners = token_owners(manifest, storage)
    found: dict[str, set[int]] = {}
    batch = order.batch(0, order.samples)
    for sample in range(order.samples):
        first = int(batch.window[sample]) * SEQUENCE
        for identity in owners[batch.names[batch.component[sample]]][first : first + SEQUENCE + 1]:
            found.setdefault(identity, set()).add(sample // BATCH + 1)
    return found


def saw(models: list[dict[str, Any]]) -> dict[str, dict[tuple[str, str], set[int]]]:
    """By the model's path: (node's name, document) → steps."""
    return {
        model["path"]: {(one["name"], one["document_id"]): set(one["steps"]) for one in model["saw"]}
        for model in models
    }


def test_models_that_saw_what_goes_are_named_before_and_after_it_is_gone(
    curated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, models = tmp_path / "run", tmp_path / "models"
    shutil.copytree(curated, run)
    shards = run / "shards"
    early, late = (family(shards, "base", steps, []) for steps in (3, 40))
    child = family(shards, "child", 5, [parent_of(late)])
    paths = [checkpoint(models / "base", early), checkpoint(models / "base", late)]
    # An export of a descendant, whose ancestors' checkpoints need not be there.
    exported = models / "elsewhere/deep/child-hf"
    exported.mkdir(parents=True)
    (exported / "hanji-family.json").write_text(json.dumps(child), "utf-8")
    truth = {node["hash"]: read_by(shards, node) for node in (early, late, child)}

    entries = tmp_path / "legal.txt"
    entries.write_text("http://ko.example/5\nhttp://en.example/7\nhttp://en.example/9\n", "utf-8")
    asked = ["takedown", str(run), str(entries), "--models", str(models), "--json", "-"]
    assert hanji(asked) == 0
    before = json.loads(capsys.readouterr().out)
    gone = {row["id"] for row in before["documents"] if row["shard"] and row["split"] == "train"}
    assert gone
    expected: dict[str, dict[tuple[str, str], set[int]]] = {}
    for path, own in ((paths[0], [early]), (paths[1], [late]), (exported, [child, late])):
        expected[str(path)] = {
            (node["name"], identity): truth[node["hash"]][identity]
            for node in own
            for identity in gone & set(truth[node["hash"]])
        }
    assert saw(before["models"]) == expected
    assert any(name == "base" for name, _ in expected[str(exported)])
    assert expected[str(paths[0])] != expected[str(paths[1])], "an early checkpoint saw less"
    identity = sorted(gone & set(truth[late["hash"]]))[0]
    asking = ["lineage", "document", str(paths[1]), identity, "--shards", str(shards), "--json"]
    assert hanji(asking) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["step"] for one in told["sightings"]} == truth[late["hash"]][identity]
    step = ["lineage", "step", str(paths[1]), str(told["sightings"][0]["step"]), "--shards", str(shards)]
    assert hanji([*step, "--json"]) == 0
    documents = json.loads(capsys.readouterr().out)

    assert hanji([*asked[:3], "--apply", "--quiet", *asked[3:]]) == 0
    assert saw(json.loads(capsys.readouterr().out)["models"]) == expected
    assert file_sha256(shards / "manifest.json") != late["shards"]["manifest_sha256"]
    # The same answers from the versions that the takedown kept, the next time as well.
    assert hanji(asked) == 0
    assert saw(json.loads(capsys.readouterr().out)["models"]) == expected
    assert hanji(asking) == 0
    assert json.loads(capsys.readouterr().out) == told
    assert hanji([*step, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == documents
    kept = [path for path in (run / EARLIER).rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} == {".json", ".parquet"}, "neither tokens nor texts are kept"
    changed = [shard for shard in before["shards"] if shard["becomes"] != ""]
    assert len([path for path in kept if path.suffix == ".parquet"]) >= len(changed) > 0

    # For a person, and where the kept versions are gone.
    assert hanji(asked[:5]) == 0
    said = capsys.readouterr().out
    assert "models that were trained on these documents" in said and "its ancestor base in step" in said
    shutil.rmtree(run / EARLIER)
    assert hanji(["lineage", "models", identity, "--in", str(models), "--shards", str(shards)]) == 0
    said = capsys.readouterr().out
    assert "0 of 3 models saw it" in said and "not known: base: the manifest of its shards" in said


def test_a_model_that_says_nothing_of_its_data_is_not_called_innocent(
    curated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = family(curated / "shards", "base", 3, [])
    for field in ("order", "hash"):
        del node[field]
    folder = tmp_path / "models/old"
    folder.mkdir(parents=True)
    (folder / "hanji-family.json").write_text(json.dumps({**node, "hash": "1" * 32}), "utf-8")
    (tmp_path / "models/imported").mkdir()
    imported = {"kind": "import", "name": "llama", "parents": [], "source": {}, "hash": "2" * 32}
    (tmp_path / "models/imported/hanji-family.json").write_text(json.dumps(imported), "utf-8")
    asked = ["lineage", "models", "0" * 32, "--in", str(tmp_path), "--shards", str(curated / "shards")]
    assert hanji(asked) == 0
    said = capsys.readouterr().out
    assert "does not say in which order it read its data" in said
    assert "llama: imported; what it was trained on before is not known" in said


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["models", "0" * 32], 2, "name the directories to look in with --in"),
        (["models", "abc", "--in", "."], 2, "'abc' is not a document's id"),
        (["models", "0" * 32, "--in", "nowhere"], 1, "nowhere: there is no such directory"),
        (["step", "nowhere", "1"], 1, "no checkpoint here"),
    ],
)
def test_questions_that_cannot_be_answered_say_why(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hanji(["lineage", *arguments]) == code
    assert message in " ".join(capsys.readouterr().err.split())
