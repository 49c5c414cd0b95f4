"""A launcher that is killed: its ranks save and end, and the next start waits for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hanji.errors import RunError
from hanji.training import launch
from hanji.training.launchers.attempts import newest_checkpoint
from hanji.training.launchers.nodes import Nodes
from hanji.training.launchers.ranks import _hold, wait_for_earlier
from hanji.training.loop.metrics import EVENTS, read_metrics
from hanji.training.recipe import TrainingRecipe

Recipe = Callable[..., dict[str, Any]]
ALONE = Nodes()


class Said:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_rank_goes_on_when_nobody_reads_what_it_tells() -> None:
    program = (
        "import sys; from hanji.training.loop.metrics import event_sink\n"
        "tell = event_sink()\n"
        "sys.stdin.read()\n"
        "for step in range(3): tell({'kind': 'step', 'step': step})\n"
        "print('a library says something', flush=True)\n"
        "sys.stderr.write('saved')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, EVENTS: "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "saved")


def test_a_start_waits_for_the_ranks_of_an_earlier_one(recipe_data: Recipe) -> None:
    recipe, said = TrainingRecipe.model_validate(recipe_data()), Said()
    lock = _hold(recipe, ALONE)
    # As torchrun does, it keeps the file that it inherited when its parent is gone.
    ranks = subprocess.Popen(["sleep", "0.5"], pass_fds=(lock,))
    os.close(lock)
    with pytest.raises(RunError, match="ranks of an earlier start are still at work there"):
        _hold(recipe, ALONE)
    os.close(_hold(recipe, Nodes(1, 2, "host")))
    wait_for_earlier(recipe, ALONE, said)  # type: ignore[arg-type]
    assert said.notes == ["waiting for the ranks of an earlier start, which finish their step and save"]
    assert ranks.wait(5) == 0


@pytest.mark.slow
def test_ranks_whose_launcher_is_killed_save_and_the_next_start_goes_on_from_there(
    recipe_data: Recipe, tmp_path: Path
) -> None:
    stages = [{"name": "one", "steps": 300, "blend": {"*/*/*": 1.0}}]
    constant = {"peak_lr": 0.003, "warmup_steps": 2, "drops": []}
    data = recipe_data(stages=stages, checkpoint={"every": 1000}, schedule=constant)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(data), encoding="utf-8")
    metrics = tmp_path / "run/metrics.jsonl"
    command = [sys.executable, "-m", "hanji", "train", str(recipe), "-q"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 120
    while not any(entry["kind"] == "step" for entry in read_metrics(metrics)):
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    # Its ranks are at work still: this waits for them.
    wait_for_earlier(TrainingRecipe.model_validate(data), ALONE, Said())  # type: ignore[arg-type]
    saved = newest_checkpoint(tmp_path / "run")
    assert 0 < saved < 300
    summary = launch.train(recipe, [f"stages=[{{name: one, steps: {saved + 2}, blend: {{'*/*/*': 1.0}}}}]"])
    assert summary.finished and summary.resumed_from == saved
