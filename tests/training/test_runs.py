"""Whole training runs: two stages on two ranks, cut off and taken up again, in another layout, and refused."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from hanji.errors import HanjiError, InputError, RecipeError
from hanji.training import launch
from hanji.training.loop.metrics import read_metrics

Recipe = Callable[..., dict[str, Any]]
STAGES = [
    {"name": "one", "steps": 40, "blend": {"*/*/*": 1.0}},
    {"name": "two", "steps": 20, "blend": {"*/*/high": 1.0}},
]
"""Those of the fixture ``undisturbed``."""


def write(directory: Path, data: dict[str, Any]) -> Path:
    path = directory / "recipe.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def steps(run: Path) -> list[tuple[int, str, float, str]]:
    entries = [entry for entry in read_metrics(run / "metrics.jsonl") if entry["kind"] == "step"]
    return [(entry["step"], entry["batch"], entry["loss"], entry["stage"]) for entry in entries]


def intervals(run: Path) -> list[dict[str, Any]]:
    """Lines of kind "interval", without times and memory."""
    entries = [entry for entry in read_metrics(run / "metrics.jsonl") if entry["kind"] == "interval"]
    timed = ("time", "rates", "seconds", "elapsed", "phases", "memory")
    return [{name: value for name, value in entry.items() if name not in timed} for entry in entries]


def test_a_run_goes_through_its_stages_and_learns(undisturbed: Path) -> None:
    done = steps(undisturbed)
    assert [number for number, *_ in done] == list(range(1, 61))
    assert [stage for *_, stage in done] == ["one"] * 40 + ["two"] * 20
    assert done[-1][2] < done[0][2] - 1
    summary = launch.read_summary(str(undisturbed))
    assert [(entry.step, entry.stage, entry.when) for entry in summary.held_out] == [
        (0, "one", "before"), (15, "one", "during"), (30, "one", "during"), (40, "one", "after"),
        (45, "two", "during"), (60, "two", "after"),
    ]  # fmt: skip
    # Untrained, all 300 tokens are about as likely; the shards have three bytes to a token of text.
    for language in ("ko", "en"):
        assert summary.held_out[0].languages[language] == pytest.approx(math.log2(300) / 3, rel=0.02)
        assert summary.held_out[-1].languages[language] < summary.held_out[0].languages[language] - 0.3


def test_the_learning_rate_warms_up_and_falls_by_the_papers_steps(undisturbed: Path) -> None:
    entries = [entry for entry in read_metrics(undisturbed / "metrics.jsonl") if entry["kind"] == "step"]
    rates = [entry["lr"] / 0.003 for entry in entries]
    assert rates[:3] == pytest.approx([0.5, 1.0, 1.0])
    assert rates[47:49] == pytest.approx([1.0, 0.316])
    assert rates[53:55] == pytest.approx([0.316, 0.1]) and rates[-1] == pytest.approx(0.1)


def test_a_checkpoint_knows_its_family(undisturbed: Path) -> None:
    found = sorted(path.name for path in (undisturbed / "checkpoints").iterdir())
    # The ends of stages stay, and the two newest.
    assert found == ["step-00000040", "step-00000050", "step-00000060"]
    commit = json.loads((undisturbed / "checkpoints/step-00000060/commit.json").read_text("utf-8"))
    family = commit["family"]
    assert commit["stage"] == "two" and commit["stage_end"]
    assert family["parents"] == [] and len(family["layer_map"]) == 2
    assert family["tokens"]["total"] == 60 * 4 * 64 == sum(family["tokens"]["tier"].values())
    assert family["shards"]["manifest_sha256"] == commit["manifest_sha256"]
    assert 0 < family["flops"]["causal_attention"] < family["flops"]["full_attention"]


def test_a_run_killed_half_way_goes_on_with_the_next_batch(
    undisturbed: Path, recipe_data: Recipe, tmp_path: Path
) -> None:
    same = {"parallel": {"tensor": 2}, "checkpoint": {"every": 10}, "log_every": 4}
    recipe = write(tmp_path, recipe_data(stages=STAGES, **same))
    run = tmp_path / "run"
    killed_at = kill_at_step(recipe, run, 25)
    assert 25 <= killed_at < 60
    committed = [path.parent.name for path in (run / "checkpoints").glob("*/commit.json")]
    assert max(committed) in ("step-00000010", f"step-{killed_at // 10 * 10:08d}")
    summary = launch.train(recipe)
    assert summary.finished and f"step-{summary.resumed_from:08d}" == max(committed)
    # The same batches in the same order, and the same losses to the last bit.
    assert steps(run) == steps(undisturbed)
    # Nothing is counted twice or half: losses, tokens and epochs by component are the undisturbed run's.
    assert intervals(run) == intervals(undisturbed)
    starts = [entry for entry in read_metrics(run / "metrics.jsonl") if entry["kind"] == "start"]
    assert [entry["step"] for entry in starts] == [0, summary.resumed_from]
    assert starts[1]["lost"]["steps"] == killed_at - summary.resumed_from
    assert (starts[1]["lost"]["seconds"] > 0) == (killed_at > summary.resumed_from)
    # Weights and both moments of the optimizer, each tensor bit by bit.
    ours, theirs = (tensors(directory / "checkpoints/step-00000060") for directory in (run, undisturbed))
    assert ours == theirs and "optimizer.state.exp_avg_sq.embedding.word_embeddings.weight" in ours
    again = launch.train(recipe)
    assert again.finished and again.resumed_from == 60 and again.tokens_per_second is None


def tensors(checkpoint: Path) -> dict[str, Any]:
    """Shape, type and digest of all tensors of a checkpoint."""
    found: dict[str, Any] = json.loads((checkpoint / "manifest.json").read_bytes())["tensors"]
    return found


def kill_at_step(recipe: Path, run: Path, step: int) -> int:
    """Start a run, kill launcher, torchrun and ranks when it has done ``step``; the last step in the file."""
    command = [sys.executable, "-m", "hanji", "train", str(recipe), "-q"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 120
    while not (done := steps(run)) or done[-1][0] < step:
        assert process.poll() is None and time.monotonic() < limit, "it ended before it was killed"
        time.sleep(0.02)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for member in family:
        member.kill()
    psutil.wait_procs(family, timeout=20)
    process.wait(20)
    return steps(run)[-1][0]


def test_a_save_that_was_cut_off_is_ignored(undisturbed: Path, recipe_data: Recipe, tmp_path: Path) -> None:
    del undisturbed
    recipe = write(tmp_path, recipe_data())
    launch.train(recipe)
    run = tmp_path / "run"
    (run / "checkpoints/step-00000010/commit.json").unlink()
    summary = launch.train(recipe)
    assert summary.finished and summary.resumed_from == 9
    assert (run / "checkpoints/step-00000010/commit.json").exists()


def test_one_rank_computes_what_two_do(undisturbed: Path, recipe_data: Recipe, tmp_path: Path) -> None:
    alone = launch.train(write(tmp_path, recipe_data(stages=STAGES)))
    assert alone.finished
    ours, theirs = steps(tmp_path / "run"), steps(undisturbed)
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    assert [row[2] for row in ours] == pytest.approx([row[2] for row in theirs], rel=2e-3)


@pytest.mark.slow
def test_one_rank_takes_up_the_checkpoint_of_two(
    undisturbed: Path, recipe_data: Recipe, tmp_path: Path
) -> None:
    kept = "checkpoints/step-00000040"
    shutil.copytree(undisturbed / kept, tmp_path / "run" / kept)
    summary = launch.train(write(tmp_path, recipe_data(stages=STAGES)))
    assert summary.finished and summary.resumed_from == 40
    ours, theirs = steps(tmp_path / "run"), steps(undisturbed)[40:]
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    assert [row[2] for row in ours] == pytest.approx([row[2] for row in theirs], rel=2e-3)


def test_sigterm_saves_and_the_same_command_goes_on(recipe_data: Recipe, tmp_path: Path) -> None:
    recipe = write(tmp_path, recipe_data(stages=STAGES, parallel={"tensor": 2}, checkpoint={"every": 1000}))
    command = [sys.executable, "-m", "hanji", "train", str(recipe)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    limit = time.monotonic() + 120
    while not steps(tmp_path / "run"):
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "run again to go on" in output and "stopped at step" in output
    stopped_at = launch.read_summary(str(tmp_path / "run")).step
    assert 0 < stopped_at < 60
    assert launch.train(recipe).resumed_from == stopped_at


def test_another_recipe_cannot_go_on_from_a_checkpoint(
    undisturbed: Path, recipe_data: Recipe, tmp_path: Path
) -> None:
    data = recipe_data(run=str(undisturbed), stages=STAGES, parallel={"tensor": 2}, seed=9)

    def files() -> dict[str, bytes]:
        return {
            name: (undisturbed / name).read_bytes()
            for name in ("metrics.jsonl", "recipe.json", "training.json")
        }

    before = files()
    for refused in (lambda path: launch.train(path), lambda path: launch.describe(launch.read_recipe(path))):
        with pytest.raises(
            RecipeError, match=r"holds checkpoints of another recipe \(seed: 9 here, 1 there\)"
        ):
            refused(write(tmp_path, data))
    # The run is as it was: its summary, its recipe and its logs are not those of the command that was refused.
    assert files() == before and (undisturbed / "logs/stderr.log").exists()


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"model": "huge"}, RecipeError, "model.*presets are kanana-2.1b"),
        ({"parallel": {"tensor": 3}}, RecipeError, "parallel.tensor: 3 ranks cannot share model.heads = 4"),
        ({"parallel": {"tenso": 2}}, RecipeError, "parallel.tenso"),
        ({"batch": {"global_size": 5, "micro_size": 2}}, RecipeError, "batch.global_size: 5 is not a multiple"),
        ({"schedule": {"peak_lr": 1e-3, "warmup_steps": 10}}, RecipeError, "schedule.warmup_steps: 10"),
        ({"optimizer": {"betas": [1.5, 0.95]}}, RecipeError, "optimizer.betas.0: 1.5 is not allowed"),
        ({"optimizer": {"weight_decay": float("inf")}}, RecipeError, "optimizer.weight_decay: inf"),
        ({"optimizer": {"eps": float("inf")}}, RecipeError, "optimizer.eps: inf"),
        ({"optimizer": {"z_loss": float("inf")}}, RecipeError, "optimizer.z_loss: inf"),
        ({"checkpoint": {"every": 20, "keep_every": 30}}, RecipeError, "keep_every: 30 is not a multiple of .* 20"),
        ({"seed": 2**63}, RecipeError, "seed: 9223372036854775808"),
        ({"stages": [{"name": "a", "steps": 3, "blend": {"ja/*/*": 1}}]}, RecipeError,
         "stages.a.blend: 'ja/"),
        ({"stages": [{"name": "a", "blend": {"*/*/*": 1}}]}, RecipeError, "stages.a: give either steps or tokens"),
        ({"shards": "/nowhere"}, InputError, "/nowhere"),
        ({"shards": "s3://bucket/shards"}, RecipeError, "shards: 's3://bucket/shards' is a URL"),
        ({"model": {"preset": "tiny", "seq_length": 100_000}}, RecipeError, "model.seq_length: 100000 is too long"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_before_anything_starts(
    recipe_data: Recipe, tmp_path: Path, changes: dict[str, Any], kind: type[HanjiError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        launch.train(write(tmp_path, recipe_data(**changes)))
    assert not (tmp_path / "run").exists()
