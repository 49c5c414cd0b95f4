"""Jobs on a real Ray cluster: a head with its dashboard and token mode on, started by this test."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import yaml
from curation_corpus import corpus_rows, make_recipe, shard_hashes, write_rows
from ray_head import Hanji, Head

from hanji.curation.pipeline import curate
from hanji.errors import InputError, RecipeError
from hanji.jobs.cluster import Cluster
from hanji.jobs.driver import check_nodes, inspect_node
from hanji.jobs.package import make_package
from hanji.jobs.wheel import pack_wheel


def write_recipe(home: Path, run: str = "run", **fields: object) -> Path:
    """A recipe file over the small corpus, which it writes below ``home``."""
    rows = corpus_rows()
    paths = [write_rows(home / "input" / f"{place}.jsonl", rows[place::3]) for place in range(3)]
    data = make_recipe(home / run, paths).model_dump(mode="json", exclude_defaults=True) | fields
    data.pop("engine", None)
    path = home / "recipe.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


@pytest.mark.ray
@pytest.mark.timeout(240)
def test_a_job_runs_once_on_a_cluster_that_wants_a_token(hanji: Hanji, head: Head, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    submit = ("submit", recipe, "--on", "ray", "--address", head.address, "--shared", tmp_path)
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": head.token}

    ended = hanji(*submit, "--follow", **token)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 nodes, all with the code and the versions of this job" in ended.stdout
    assert f"{len(corpus_rows())} records" in ended.stdout and "SUCCEEDED" in ended.stdout
    identity = ended.stdout.split()[1]

    twice = hanji(*submit, **token)
    assert twice.returncode == 0
    assert f"{identity} was submitted before and is SUCCEEDED" in twice.stdout
    listed = hanji("jobs", "list", "--address", head.address, "--token-file", head.token_file)
    assert listed.stdout.count(identity) == 1, listed.stderr

    logs = hanji("jobs", "logs", identity, "--address", head.address, **token)
    assert "run/report/index.html" in logs.stdout
    here = make_recipe(tmp_path / "local", sorted((tmp_path / "input").glob("*.jsonl")))
    curate(here)
    assert shard_hashes(tmp_path / "run") == shard_hashes(tmp_path / "local")


@pytest.mark.ray
@pytest.mark.timeout(240)
def test_a_training_run_is_submitted_like_a_curation(hanji: Hanji, head: Head, tmp_path: Path) -> None:
    paths = [write_rows(tmp_path / "rows.jsonl", corpus_rows())]
    curate(make_recipe(tmp_path / "curated", paths))
    recipe = {
        "name": "tiny",
        "run": str(tmp_path / "trained"),
        "shards": str(tmp_path / "curated" / "shards"),
        "model": "tiny",
        "stages": [{"name": "all", "steps": 3, "blend": {"*/*/*": 1.0}}],
        "batch": {"global_size": 2, "micro_size": 2},
        "schedule": {"peak_lr": 0.001, "warmup_steps": 1},
    }
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    ended = hanji(
        *("submit", tmp_path / "train.yaml", "--on", "ray", "--address", head.address),
        *("--shared", tmp_path, "--token-file", head.token_file, "--follow"),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "tiny: done" in ended.stdout and "SUCCEEDED" in ended.stdout
    assert (tmp_path / "trained/checkpoints/step-00000003/commit.json").is_file()


@pytest.mark.ray
def test_nobody_gets_in_without_the_token(hanji: Hanji, head: Head, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("0" * 64)
    # Without a token of the person who runs the tests.
    alone = {"HOME": str(tmp_path), "RAY_AUTH_TOKEN": "", "RAY_AUTH_MODE": ""}
    without = hanji("jobs", "list", "--address", head.address, **alone)
    assert without.returncode == 1 and "wants a token and none was sent" in without.stderr
    refused = hanji("jobs", "list", "--address", head.address, "--token-file", wrong, **alone)
    assert refused.returncode == 1 and "refused the token" in refused.stderr
    assert "Traceback" not in without.stderr + refused.stderr


@pytest.mark.ray
def test_a_running_job_is_stopped_and_taken_up_again(hanji: Hanji, head: Head, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    at = ("--address", head.address, "--token-file", head.token_file)
    # Another cluster in the environment must not take the job: the address that was given counts.
    other = {"RAY_ADDRESS": "http://127.0.0.1:9"}
    started = hanji("submit", recipe, "--shared", tmp_path, "--id", "to-be-stopped", *at, **other)
    assert started.returncode == 0, started.stderr
    cluster = Cluster(head.address, head.token_file)
    deadline = time.monotonic() + 60
    while cluster.get("to-be-stopped").status == "PENDING" and time.monotonic() < deadline:
        time.sleep(0.2)
    stopped = hanji("jobs", "stop", "to-be-stopped", *at)
    assert stopped.stdout.strip() == "to-be-stopped: STOPPED", stopped.stderr
    told = hanji("submit", recipe, "--shared", tmp_path, "--id", "to-be-stopped", *at)
    assert "is STOPPED; --again runs it once more" in told.stdout
    again = hanji("submit", recipe, "--shared", tmp_path, "--id", "to-be-stopped", "--again", "-f", *at)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "job to-be-stopped-2: SUCCEEDED" in again.stdout
    unknown = hanji("jobs", "logs", "no-such-job", *at)
    assert unknown.returncode == 1 and "no job 'no-such-job'" in unknown.stderr


@pytest.mark.ray
def test_a_job_that_fails_says_why_and_ends_with_1(hanji: Hanji, head: Head, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    shutil.rmtree(tmp_path / "input")
    at = ("--address", head.address, "--token-file", head.token_file)
    failed = hanji("submit", recipe, "--shared", tmp_path, "--follow", *at)
    assert failed.returncode == 1
    assert f"does not see {tmp_path}/input" in failed.stdout
    assert "FAILED" in failed.stderr


def test_paths_that_a_cluster_cannot_see_are_refused(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    with pytest.raises(RecipeError, match=r"sources\.s\.paths.*is a path of this machine") as refused:
        make_package(recipe, [], tmp_path / "job")
    assert "--shared PREFIX" in str(refused.value)
    with pytest.raises(RecipeError, match="run: "):
        make_package(recipe, [], tmp_path / "job2", shared=[str(tmp_path / "input")])
    sneaky = f"run={tmp_path}/input/../run"
    with pytest.raises(RecipeError, match="run: "):
        make_package(recipe, [sneaky], tmp_path / "job3", shared=[str(tmp_path / "input")])


def test_all_paths_of_a_training_run_have_to_be_seen(tmp_path: Path) -> None:
    recipe = {
        "name": "tiny",
        "run": str(tmp_path / "shared/run"),
        "shards": str(tmp_path / "shared/shards"),
        "init_from": "mine/model",
        "validation": {"shards": "mine/held-out"},
        "model": "tiny",
        "stages": [{"name": "all", "steps": 3, "blend": {"*/*/*": 1.0}}],
        "schedule": {"peak_lr": 0.001, "warmup_steps": 1},
    }
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    with pytest.raises(
        RecipeError, match=r"init_from: 'mine/model'.*\s.*validation\.shards: 'mine/held-out'"
    ):
        make_package(path, [], tmp_path / "job", shared=[str(tmp_path / "shared")])


def test_a_recipe_is_told_by_what_it_makes_and_not_by_whether_it_has_stages(tmp_path: Path) -> None:
    curation = yaml.safe_load(write_recipe(tmp_path).read_text(encoding="utf-8"))
    curation["stages"] = [{"name": "all", "tokens": 1000, "blend": {"*/*/*": 1}}]
    training = {
        "name": "tiny",
        "run": str(tmp_path / "trained"),
        "shards": str(tmp_path / "run/shards"),
        "model": "tiny",
        "schedule": {"peak_lr": 0.001, "warmup_steps": 1},
    }
    for kind, recipe in (("curation", curation), ("training", training)):
        path = tmp_path / f"{kind}.yaml"
        path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
        assert make_package(path, [], tmp_path / kind, shared=["/"]).kind == kind


def test_a_package_is_the_same_for_the_same_submission_and_another_for_another(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    model = tmp_path / "q.bin"
    model.write_bytes(b"one")
    shared = [str(tmp_path / "input"), str(tmp_path / "run")]

    def identity(place: str, *overrides: str) -> str:
        return make_package(recipe, overrides, tmp_path / place, shared=shared).submission_id

    first = identity("a", f"quality.ko={model}")
    assert identity("b", f"quality.ko={model}") == first
    assert identity("c", f"quality.ko={model}", "floor.min_characters=51") != first
    assert (tmp_path / "a" / "job" / "models").glob("*-q.bin")
    model.write_bytes(b"two")
    assert identity("d", f"quality.ko={model}") != first
    model.unlink()
    with pytest.raises(RecipeError, match=r"q\.bin: no such model file"):
        identity("e", f"quality.ko={model}")


def test_the_wheel_holds_this_code_and_is_the_same_every_time(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = pack_wheel(tmp_path / "a"), pack_wheel(tmp_path / "b")
    assert hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(two.read_bytes()).digest()
    with zipfile.ZipFile(one) as archive:
        names = archive.namelist()
        assert {"hanji/jobs/cli.py", "hanji/curation/pipeline.py", "hanji/page.css"} <= set(names)
        assert not [name for name in names if "/tests/" in name or name.endswith(".gz")]
    target = tmp_path / "installed"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
    ]
    subprocess.run([*pip, str(one)], check=True)
    said = subprocess.run(
        [sys.executable, "-c", "import hanji.jobs.cli; print(hanji.__file__)"],
        capture_output=True,
        text=True,
        cwd=target,
        env={"PYTHONPATH": str(target)},
        check=True,
    )
    assert said.stdout.startswith(str(target))


def test_a_node_with_other_versions_or_other_code_is_named(tmp_path: Path) -> None:
    facts = {"libraries": {"numpy": "1.0"}, "python": "3.11.0", "versions": "exact"}
    node = inspect_node(facts, [str(tmp_path / "marker")], [str(tmp_path / "*.warc.gz"), "/nowhere/x*"])
    assert node["unseen"] == [str(tmp_path / "marker"), "/nowhere/x*"]

    with pytest.raises(InputError) as refused:
        check_nodes(facts, {"node-7": node | {"hanji": "/another/place"}})
    message = str(refused.value)
    assert "node-7: imports hanji from /another/place" in message
    assert "the job wants 1.0" in message and "--versions cluster" in message
    with pytest.raises(InputError) as by_cluster:
        check_nodes(facts | {"versions": "cluster"}, {"node-7": node})
    assert "numpy" not in str(by_cluster.value)
