"""Runs that go wrong: spikes, ranks that are lost or hang, and what the launcher makes of it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from hanji.errors import RecipeError, RunError
from hanji.training import launch
from hanji.training.launchers import ranks
from hanji.training.launchers.failure import explain, explain_hang
from hanji.training.launchers.nodes import Nodes
from hanji.training.loop.health import SpeedMonitor, StepGuard
from hanji.training.loop.metrics import read_metrics
from hanji.training.loop.watchdog import HANG_EXIT
from hanji.training.recipe import HealthSettings

# Rank 1 alone sees what is wrong; both must skip: a loss that is no number at step 6, a spike at step 10.
SPIKES = [[0, 1, 6, "loss", math.nan], [0, 1, 10, "loss", 1000.0]]
LOSSES = [[1, 1, 5, "kill", 0], [2, 1, 8, "sleep", 0]]


class Notes:
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def step(self, name: str, total: int, done: int) -> None:
        return None

    def advance(self, n: int = 1) -> None:
        return None

    def note(self, text: str) -> None:
        self.notes.append(text)


def run_with(faults: list[Any], shards: Path, directory: Path) -> tuple[Path, list[str]]:
    """A run of twelve steps on two data-parallel ranks, with these faults; its directory and what it said."""
    data = {
        "name": "small",
        "run": str(directory / "run"),
        "shards": str(shards),
        "model": "tiny",
        "parallel": {"data": 2},
        "stages": [{"name": "one", "steps": 12, "blend": {"*/*/*": 1.0}}],
        "batch": {"global_size": 4, "micro_size": 2},
        "schedule": {"peak_lr": 0.003, "warmup_steps": 2},
        "checkpoint": {"every": 3},
        "health": {"window": 8, "skip_sigmas": 200.0, "hang_seconds": 10.0},
        "deterministic": True,
    }
    (directory / "recipe.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    said = Notes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "WORKER", str(Path(__file__).parent / "faulty_worker.py"))
        patch.setenv("FAULTS", json.dumps(faults))
        summary = launch.train(directory / "recipe.yaml", progress=said)
    assert summary.finished and summary.step == 12
    return directory / "run", said.notes


@pytest.fixture(scope="module")
def spiky(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    return run_with(SPIKES, shards, tmp_path_factory.mktemp("spiky"))


@pytest.fixture(scope="module")
def broken(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    return run_with(SPIKES + LOSSES, shards, tmp_path_factory.mktemp("broken"))


def steps(run: Path) -> list[dict[str, Any]]:
    return [entry for entry in read_metrics(run / "metrics.jsonl") if entry["kind"] == "step"]


def test_a_step_that_is_not_finite_and_one_that_spikes_are_skipped(spiky: tuple[Path, list[str]]) -> None:
    run, said = spiky
    done = steps(run)
    assert [entry["step"] for entry in done] == list(range(1, 13))
    assert {entry["step"]: entry["skip"] for entry in done if entry["skip"]}.keys() == {6, 10}
    assert "loss nan" in done[5]["skip"] and math.isnan(done[5]["loss"])
    assert done[9]["loss"] > 500 and "among" in done[9]["skip"]
    # Their samples are used up, their gradients are not: what comes after goes on as before.
    assert done[5]["batch"] != done[6]["batch"]
    assert all(math.isfinite(done[place]["loss"]) and done[place]["loss"] < 6 for place in (6, 7, 8, 10, 11))
    assert done[11]["loss"] < done[0]["loss"] and done[11]["skipped"] == 2
    assert [note for note in said if note.startswith(("step 6 skipped", "step 10 skipped"))]
    assert done[11]["memory_bytes"] > 50e6 and done[11]["memory_rank"] in (0, 1)


def test_a_run_that_lost_a_rank_and_hung_ends_as_the_undisturbed_one(
    spiky: tuple[Path, list[str]], broken: tuple[Path, list[str]]
) -> None:
    timed = ("seconds", "tokens_per_second", "memory_bytes", "memory_rank")
    ours, theirs = steps(broken[0]), steps(spiky[0])
    for entry in [*ours, *theirs]:
        for name in timed:
            del entry[name]
    # As text: a loss that is no number equals itself then.
    assert [json.dumps(entry) for entry in ours] == [json.dumps(entry) for entry in theirs]
    records = [
        json.loads((run / "checkpoints/step-00000012/commit.json").read_text())["health"]
        for run, _ in (broken, spiky)
    ]
    assert records[0] == records[1] and records[0]["skipped"] == 2 and len(records[0]["losses"]) == 8


def test_the_launcher_says_which_rank_was_lost_and_goes_on_from_the_newest_checkpoint(
    broken: tuple[Path, list[str]],
) -> None:
    run, said = broken
    first = next(note for note in said if note.startswith("attempt 1 failed"))
    assert "rank 1" in first and "SIGKILL" in first
    assert "starting again from step 3 (restart 1 of 3" in first
    assert (run / "logs/attempt-1/stderr.log").is_file()


def test_the_watchdog_says_which_rank_sleeps_and_where(broken: tuple[Path, list[str]]) -> None:
    run, said = broken
    second = next(note for note in said if note.startswith("attempt 2 failed"))
    behind, _, waiting = second.partition("waiting:")
    assert "rank 1 (" in behind and "in step 8, reading the batch" in behind and "rank 0" not in behind
    assert "ranks 0 in step 8" in waiting
    # From step 6, which is further than before: the count of restarts began anew.
    assert "starting again from step 6 (restart 1 of 3" in second
    stacks = (run / "logs/attempt-2/hang-rank-1.txt").read_text()
    assert "in fall_over" in stacks and "host: " in stacks
    assert "at: " in (run / "logs/attempt-2/hang-rank-0.txt").read_text()
    assert not list((run / "logs").glob("hang-rank-*"))


def test_the_guard_follows_the_rule_of_olmo_core() -> None:
    generator = torch.Generator().manual_seed(5)
    losses = (3.0 + 0.2 * torch.randn(400, generator=generator)).tolist()
    norms = (1.0 + 0.05 * torch.randn(400, generator=generator)).tolist()
    for place in (50, 120, 250, 251, 300):
        losses[place] += 3.0
    norms[200] = 5.0
    guard = StepGuard(HealthSettings(window=64, skip_sigmas=4.0, skips_in_window=64))
    for place, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
        expected = False
        # With the step itself half a window must be known.
        if place + 1 >= 32:
            for values in (losses, norms):
                past = torch.tensor(values[max(0, place - 64) : place], dtype=torch.float64)
                deviation, mean = torch.std_mean(past)
                expected |= bool(values[place] - mean > 4.0 * deviation)
        assert (guard.judge(loss, norm).skip is not None) == expected, place
    assert guard.skipped >= 6


def test_what_is_not_finite_leaves_the_statistics_alone_and_is_skipped_from_the_first_step() -> None:
    guard = StepGuard(HealthSettings(skip_sigmas=None))
    assert guard.judge(math.inf, 1.0).skip == "loss inf"
    assert guard.judge(1.0, math.nan).skip == "gradient norm nan"
    for _ in range(200):
        assert guard.judge(2.0, 1.0).skip is None
    # Without a number of deviations, nothing finite is skipped.
    verdict = guard.judge(1e6, 1e6)
    assert verdict.skip is None and verdict.loss_mean == 2.0


def test_a_guard_that_was_saved_judges_as_the_one_that_was_not() -> None:
    settings = HealthSettings(window=16, skip_sigmas=3.0)
    generator = torch.Generator().manual_seed(1)
    values = torch.rand(60, generator=generator, dtype=torch.float64).tolist()
    whole, first, second = StepGuard(settings), StepGuard(settings), StepGuard(settings)
    expected = [whole.judge(value, 1 + value) for value in values]
    found = [first.judge(value, 1 + value) for value in values[:25]]
    second.load(json.loads(json.dumps(first.state())))
    found += [second.judge(value, 1 + value) for value in values[25:]]
    assert found == expected and second.state() == whole.state()


@pytest.mark.parametrize(("good", "bad"), [(0, 3), (1, 5)])
def test_too_many_skipped_steps_end_the_run(good: int, bad: int) -> None:
    guard = StepGuard(HealthSettings(window=16, skips_in_a_row=3, skips_in_window=5))
    with pytest.raises(RunError, match=r"were skipped .*this one for its loss nan"):
        for step in range(40):
            wrong = step % (good + 1) == 0
            verdict = guard.judge(math.nan if wrong else 1.0, 1.0)
            assert step < bad * (good + 1)
            guard.check(step + 1, verdict)
    assert guard.skipped == bad


def test_skips_in_a_row_end_the_run_although_the_window_is_shorter() -> None:
    guard = StepGuard(HealthSettings(window=4, skips_in_a_row=8))
    for step in range(1, 8):
        guard.check(step, guard.judge(math.nan, 1.0))
    with pytest.raises(RunError, match="step 8: 8 steps in a row and 4 of the last 4 were skipped"):
        guard.check(8, guard.judge(math.nan, 1.0))


def test_a_lasting_drop_of_the_speed_is_told_once_and_its_end_too() -> None:
    monitor = SpeedMonitor(HealthSettings())
    said = [monitor.look(speed) for speed in [100.0] * 10 + [30.0] * 9 + [90.0] * 3 + [30.0, 100.0]]
    told = {place: text for place, text in enumerate(said) if text}
    assert told.keys() == {14, 19}
    assert "30 tokens/s, 30% of the median of 100" in told[14] and "90 tokens/s again" in told[19]


HANGING = """
    import ctypes, os, sys, threading, time
    from pathlib import Path
    from hanji.training.loop import watchdog
    watchdog.LEAST_PATIENCE = 0.5
    logs = Path(sys.argv[1])
    with watchdog.Watchdog(logs, 3, 1.5) as dog:
        dog.beat(7, "reading the batch")
        for _ in range(10):
            time.sleep(0.2)
            dog.beat(7, "forward and backward")
        print("alive", flush=True)
        time.sleep(60)
"""


def test_a_rank_that_goes_on_is_left_alone_and_one_that_stops_is_ended(tmp_path: Path) -> None:
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HANGING), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == HANG_EXIT, ended.stderr
    assert ended.stdout == "alive\n" and time.monotonic() - started < 30
    assert "rank 3: no progress for" in ended.stderr
    hang = explain_hang(tmp_path, 4)
    assert hang is not None and "rank 3 (" in hang and "in step 7, forward and backward" in hang
    assert "ranks 0 to 2 said nothing" in hang


HELD = """
    import sys, time
    from pathlib import Path
    from hanji.training.loop import watchdog
    watchdog.LEAST_PATIENCE = 0.2
    import faulthandler
    later = faulthandler.dump_traceback_later
    faulthandler.dump_traceback_later = lambda seconds, **options: later(min(seconds, 2.0), **options)
    with watchdog.Watchdog(Path(sys.argv[1]), 0, 1.0) as dog:
        dog.beat(2, "forward and backward")
        sum(range(10**12))
"""


def test_a_rank_whose_interpreter_is_held_is_ended_too(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HELD), str(tmp_path)], capture_output=True, timeout=60
    )
    assert ended.returncode == 1
    assert 'File "<string>"' in (tmp_path / "hang-rank-0.stuck").read_text()
    assert explain_hang(tmp_path, 1) == "ranks 0 hang in native code that lets no other thread run"


def test_an_error_that_a_rank_explained_is_not_answered_with_a_restart(tmp_path: Path) -> None:
    (tmp_path / "error-rank-0.json").write_text(
        json.dumps(
            {"kind": "RecipeError", "message": "run: holds checkpoints of another recipe", "exit_code": 2}
        )
    )
    failure = explain(tmp_path, tmp_path / "stderr.log", 1, 2)
    assert failure.final and isinstance(failure.error, RecipeError)
    (tmp_path / "error-rank-0.json").unlink()
    failure = explain(tmp_path, tmp_path / "stderr.log", 1, 2, "node 1: was started anew")
    assert not failure.final and failure.line == "node 1: was started anew"


def test_nodes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--node 2 of --nodes 2"):
        Nodes(2, 2, "a")
    with pytest.raises(RecipeError, match="--host: '-x' is not allowed"):
        Nodes(0, 2, "-x")
    with pytest.raises(RecipeError, match=r"3 ranks .* cannot be dealt to 2 nodes"):
        Nodes(0, 2, "a").check(3)


@pytest.fixture(autouse=True)
def no_ranks_left() -> Iterator[None]:
    """No test leaves a rank behind."""
    import psutil

    yield
    left = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # ended meanwhile, or a zombie that another test's library left
            if "faulty_worker.py" in " ".join(process.cmdline()):
                left.append(process)
    assert not left
