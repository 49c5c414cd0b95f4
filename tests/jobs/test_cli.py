"""The command line: what a person types, what it says, and with which exit code it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from curation_corpus import corpus_rows, make_recipe, write_rows
from ray_head import Hanji

from hanji.errors import RunError
from hanji.storage import Storage

COMMANDS = (
    *(
        "curate",
        "report",
        "why",
        "whatif",
        "compare",
        "takedown",
        "calibrate",
        "shards verify",
        "tokenizer train",
    ),
    *("classifier train", "train", "cost suggest", "cost presets", "export", "signals", "rules"),
    *("submit", "jobs list", "jobs status", "jobs logs", "jobs stop", "doctor", "demo"),
)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe file over the small corpus, its paths relative to the file's directory."""
    rows = corpus_rows()
    for place in range(3):
        write_rows(tmp_path / "input" / f"{place}.jsonl", rows[place::3])
    made = make_recipe(Path("run"), [Path("input")])
    data = made.model_dump(mode="json", exclude_defaults=True)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def test_a_curation_from_the_command_line_says_what_it_made(hanji: Hanji, recipe: Path) -> None:
    home = recipe.parent
    planned = hanji("curate", recipe, "--plan", cwd=home)
    assert planned.returncode == 0, planned.stderr
    assert "5 splits" in planned.stdout and "0 of 5 splits are done" in planned.stdout
    assert not (home / "run").exists()

    made = hanji("curate", recipe, "--engine", "local", "--workers", 1, cwd=home)
    assert made.returncode == 0, made.stderr
    assert f"{len(corpus_rows())} records" in made.stdout
    assert "run/report/index.html" in made.stdout
    assert "read: 5 of 5" in made.stderr

    assert "5 of 5 splits are done" in hanji("curate", recipe, "--plan", cwd=home).stdout
    verified = hanji("shards", "verify", "run/shards", cwd=home)
    assert verified.returncode == 0 and "as the manifest says" in verified.stdout
    report = hanji("report", "run", cwd=home)
    assert report.returncode == 0 and "index.html" in report.stdout

    key = next(row["url"] for row in corpus_rows() if row.get("url"))
    story = hanji("why", "run", key, cwd=home)
    assert story.returncode == 0, story.stderr
    assert key in story.stdout

    damaged = next((home / "run" / "shards").rglob("*.bin"))
    data = bytearray(damaged.read_bytes())
    data[10] ^= 1
    damaged.write_bytes(data)
    refused = hanji("shards", "verify", "run/shards", cwd=home)
    assert refused.returncode == 1 and damaged.name.removesuffix(".bin") in refused.stderr


def test_a_sample_is_a_run_of_its_own(hanji: Hanji, recipe: Path) -> None:
    made = hanji("curate", recipe, "--sample", 0.5, "--engine", "local", "--workers", 1, cwd=recipe.parent)
    assert made.returncode == 0, made.stderr
    assert (recipe.parent / "run-sample-0.5" / "report" / "index.html").exists()
    assert not (recipe.parent / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing.yaml",), "nothing.yaml: there is no such recipe file"),
        (("recipe.yaml", "floor.min_charcters=1"), "did you mean 'min_characters'?"),
        (
            ("recipe.yaml", "floor.min_characters=few"),
            "min_characters (set on the command line): 'few' is not",
        ),
        (("recipe.yaml", "floor.min_characters"), "write it as field=value"),
        (("recipe.yaml", "quality.ko=gone.bin", "--plan"), "quality.ko: gone.bin"),
        (("recipe.yaml", "--sample", "0"), "--sample: 0 is not allowed"),
        (("recipe.yaml", "--engine", "slurm"), "'local', 'ray'"),
        (("recipe.yaml", "--nonsense"), "No such option: --nonsense"),
    ],
)
def test_a_wrong_recipe_or_argument_is_named_and_ends_with_2(
    hanji: Hanji, recipe: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = hanji("curate", *arguments, cwd=recipe.parent)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("curate", "recipe.yaml", "sources.0.paths=[gone]"), "gone"),
        (("why", "nowhere", "x"), "not a run directory"),
        (("report", "nowhere"), "is no run of curation or training"),
        (("shards", "verify", "nowhere"), "no shard manifest here"),
        (("tokenizer", "train", "gone.jsonl", "-o", "t.json"), "gone.jsonl: cannot be read"),
        (("classifier", "train", "gone.jsonl", "-o", "m.bin", "--language", "ko"), "gone.jsonl"),
        (("jobs", "list", "--address", "http://127.0.0.1:9"), "nothing answers there"),
    ],
)
def test_a_missing_input_is_named_and_ends_with_1(
    hanji: Hanji, recipe: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = hanji(*arguments, cwd=recipe.parent)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_tokenizer_and_a_classifier_are_trained_from_files(hanji: Hanji, tmp_path: Path) -> None:
    texts = [row["text"] for row in corpus_rows() if len(row.get("text") or "") > 200]
    rows = [{"text": text, "label": ("high", "low")[place % 2]} for place, text in enumerate(texts)]
    write_rows(tmp_path / "labelled.jsonl", rows)
    made = hanji(
        "tokenizer", "train", "labelled.jsonl", "-o", "t/tokenizer.json", "--vocab-size", 400, cwd=tmp_path
    )
    assert made.returncode == 0, made.stderr
    assert "400 tokens" in made.stdout
    again = hanji("tokenizer", "train", "labelled.jsonl", "-o", "t2.json", "--vocab-size", 400, cwd=tmp_path)
    assert again.stdout.split("sha256")[1] == made.stdout.split("sha256")[1]
    trained = hanji(
        *("classifier", "train", "labelled.jsonl", "--language", "en", "-o", "m/q.bin", "--epochs", 1),
        cwd=tmp_path,
    )
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "m" / "q.bin").exists() and (tmp_path / "m" / "q.json").exists()
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a", "label": "high"}\n{"text": 1}\n')
    refused = hanji("classifier", "train", broken, "--language", "en", "-o", "m/r.bin", cwd=tmp_path)
    assert refused.returncode == 1 and "broken.jsonl:2" in refused.stderr


def test_every_command_explains_itself(hanji: Hanji) -> None:
    for command in COMMANDS:
        ended = hanji(*command.split(), "--help")
        assert ended.returncode == 0, command
        assert "Usage: hanji" in ended.stdout


def test_the_doctor_finds_what_the_tests_need(hanji: Hanji) -> None:
    ended = hanji("doctor", "--json")
    findings = {entry["name"]: entry for entry in json.loads(ended.stdout)["findings"]}
    assert ended.returncode == 0
    assert findings["fasttext"]["state"] == findings["lid.176"]["state"] == "ok"
    assert "pip install" in findings["transformer-engine"]["remedy"] or (
        findings["transformer-engine"]["state"] == "ok"
    )


def test_a_full_disk_and_a_directory_that_cannot_be_are_said_in_a_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "hanji", "cost", "presets"]
        found = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert found.returncode == 1
    assert found.stderr.startswith("hanji: No space left on device; what was finished is kept")
    (tmp_path / "file").write_text("")
    for place in ("file", "file/run"):
        with (
            pytest.raises(RunError, match="this directory cannot be made"),
            Storage(tmp_path / place).locked(),
        ):
            pass
