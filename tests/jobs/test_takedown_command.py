"""hanji takedown and hanji why as a person types them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from curation_corpus import shard_hashes

from hanji.jobs.cli import run as hanji


@pytest.fixture(scope="module")
def run(curated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("takedown") / "run"
    shutil.copytree(curated, directory)
    return directory


def test_a_look_then_the_deed_then_nothing_left_to_do(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = tmp_path / "legal.txt"
    entries.write_text(
        "http://ko.example/5 order 12\nhttp://en.example/7\nhttp://nowhere.example/x\n", "utf-8"
    )
    before = shard_hashes(run)
    assert hanji(["takedown", str(run), str(entries), "--json", str(tmp_path / "t.json")]) == 0
    said = capsys.readouterr().out
    assert "2 documents" in said and "would be taken down" in said and "--apply does it" in said
    assert "3 entries, 1 not found in this run" in said
    assert said.index("http://nowhere.example/x") < said.index("http://en.example/7"), (
        "what is missing comes first"
    )
    assert "like " in said and "Jaccard 0.9" in said
    assert shard_hashes(run) == before

    found = json.loads((tmp_path / "t.json").read_text("utf-8"))
    assert not found["applied"] and found["erased"] is None
    for shard in found["shards"]:
        for start, end in shard["token_ranges"]:
            assert f"[{start:,}, {end:,})" in said
        assert shard["prefix"] in said and shard["becomes"] is None

    assert hanji(["takedown", str(run), str(entries), "--apply", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "2 documents" in said and " taken down, from" in said and "--erase-texts blanks them" in said
    after = shard_hashes(run)
    assert {shard["prefix"] + ".bin" for shard in found["shards"]} == {
        path for path in set(before) - set(after) if path.endswith(".bin")
    }
    assert hanji(["shards", "verify", str(run / "shards")]) == 0
    capsys.readouterr()

    assert hanji(["takedown", str(run), str(entries), "--apply", "--erase-texts", "--json", "-", "-q"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["shards"] == [] and again["erased"]["documents"] >= 3
    assert shard_hashes(run) == after
    assert hanji(["why", str(run), "http://en.example/7"]) == 0
    told = capsys.readouterr().out
    assert "dropped at takedown by takedown.url: http://en.example/7" in told and "it was erased" in told


def test_why_shows_a_duplicate_beside_its_twin(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    assert hanji(["why", str(run), "http://en.example/5"]) == 0
    said = capsys.readouterr().out
    assert "verdict    dropped at duplicates by duplicates.near" in said
    twin = said[said.index("\ntwin ") :]
    assert "kept, tier all" in twin and "Jaccard 0.9" in twin and "tokens" in twin
    assert "{+One more thing" in twin and "│" in twin and "\x1b" not in said
    identity = twin.split()[1]
    assert hanji(["why", str(run), identity]) == 0
    other = capsys.readouterr().out
    assert "fell to it 1 document\n" in other and "http://en.example/5" in other
    assert "2 documents in its cluster: 1 kept, 1 dropped by duplicates.near" in other


def test_wrong_lists_and_options_end_with_code_2(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = tmp_path / "legal.txt"
    entries.write_text("http://fine.example/\nnothing\n", "utf-8")
    assert hanji(["takedown", str(run), str(entries)]) == 2
    assert "legal.txt: line 2: 'nothing' is neither an id" in " ".join(capsys.readouterr().err.split())
    assert hanji(["takedown", str(run), str(entries), "--erase-texts"]) == 2
    assert "give --apply with it" in capsys.readouterr().err
    assert hanji(["takedown", str(tmp_path), str(entries)]) in (1, 2)
    assert hanji(["takedown", str(run)]) == 2
