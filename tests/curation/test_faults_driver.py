"""Drivers that are killed, interrupted or without room on the disk lose nothing that was finished."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from curation_corpus import make_recipe
from faults import same_as, steps

from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.errors import RunError
from hanji.storage import Storage


def start(recipe: CurationRecipe, base: Path, **options: Any) -> subprocess.Popen[str]:
    """``hanji curate`` as a process of its own, alone in its group."""
    (base / "recipe.yaml").write_text(json.dumps(recipe.model_dump(mode="json")))
    command = [sys.executable, "-m", "hanji", "curate", str(base / "recipe.yaml"), "--quiet"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options
    )


def records(run: Path) -> int:
    return len(list((run / "commits").rglob("*.json")))


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def let_it_commit(driver: subprocess.Popen[str], run: Path, units: int) -> list[psutil.Process]:
    """Wait for so many commit records; returns the driver's processes."""
    wait_until(lambda: records(run) >= units or driver.poll() is not None, 240, "no progress")
    assert driver.poll() is None, driver.communicate()
    return family(driver)


def let_them_end(children: list[psutil.Process]) -> None:
    wait_until(lambda: gone(children), 30, "workers outlived their driver")


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    return found


def gone(processes: list[psutil.Process]) -> bool:
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


@pytest.mark.parametrize(
    ("workers", "points"),
    [
        pytest.param(2, (20, 60), id="two processes"),
        pytest.param(2, (1, 11, 30, 64), id="two processes, more often", marks=pytest.mark.slow),
        pytest.param(1, (3, 17, 41, 66), id="in the driver", marks=pytest.mark.slow),
    ],
)
def test_a_driver_killed_again_and_again_gets_there_and_does_nothing_twice(
    tmp_path: Path, shared_corpus: list[Path], undisturbed: Path, workers: int, points: tuple[int, ...]
) -> None:
    """SIGKILL to the driver alone: its workers must notice by themselves."""
    run = tmp_path / "run"
    recipe = make_recipe(run, shared_corpus, engine={"name": "local", "workers": workers})
    for point in points:
        driver = start(recipe, tmp_path)
        children = let_it_commit(driver, run, point)
        driver.kill()
        driver.communicate()
        let_them_end(children)
    before = records(run)
    assert before >= points[-1]
    summary = curate(recipe)
    assert summary.skipped >= before
    same_as(run, undisturbed)


@pytest.mark.parametrize("to", ["driver", pytest.param("group", marks=pytest.mark.slow)])
def test_ctrl_c_ends_the_run_and_its_workers_within_seconds(
    tmp_path: Path, shared_corpus: list[Path], to: str
) -> None:
    run = tmp_path / "run"
    driver = start(make_recipe(run, shared_corpus, engine={"name": "local", "workers": 2}), tmp_path)
    children = let_it_commit(driver, run, 2)
    assert children
    (os.kill if to == "driver" else os.killpg)(driver.pid, signal.SIGINT)
    started = time.monotonic()
    _, error = driver.communicate(timeout=60)
    let_them_end(children)
    assert time.monotonic() - started < 30
    assert driver.returncode == 130
    assert "what was finished is kept" in " ".join(error.split())
    assert "Traceback" not in error


def limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_full_disk_ends_the_run_with_the_file_named_and_no_document_blamed(
    tmp_path: Path, shared_corpus: list[Path], undisturbed: Path, workers: int
) -> None:
    """No file may grow beyond 40 kB: the writes of the larger ones fail as they do on a full disk."""
    run = tmp_path / "run"
    recipe = make_recipe(run, shared_corpus, engine={"name": "local", "workers": workers, "retries": 1})
    driver = start(recipe, tmp_path, preexec_fn=limited(40_000))
    _, error = driver.communicate(timeout=280)
    message = " ".join(error.split())
    assert driver.returncode == 1
    assert "File too large" in message
    assert str(run) in message.replace(" ", "")
    assert "what was finished is kept" in message
    assert "Traceback" not in message
    before = records(run)
    assert before > 0
    assert all(step["failed"] == 0 for step in steps(run))
    summary = curate(recipe)
    assert summary.skipped >= before
    assert summary.failed == 0
    same_as(run, undisturbed)


def test_a_second_driver_is_told_who_is_at_work(tmp_path: Path, shared_corpus: list[Path]) -> None:
    recipe = make_recipe(tmp_path / "run", shared_corpus)
    with (
        Storage(recipe.run).locked(),
        pytest.raises(
            RunError, match=rf"another process is at work there \(process {os.getpid()} on .*since"
        ),
    ):
        curate(recipe)
    assert records(tmp_path / "run") == 0
