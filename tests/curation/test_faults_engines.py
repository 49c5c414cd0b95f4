"""The local engine over tasks that kill their workers, workers that cannot start, and errors that cannot travel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hanji.curation.engines.local import LocalEngine
from hanji.errors import RunError


def poisoned(number: int) -> int:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return number


def test_a_task_that_kills_its_worker_is_given_up_alone_and_last() -> None:
    engine = LocalEngine(2, retries=1)
    done = []
    try:
        with pytest.raises(RunError, match=r"given up after 3 tries.*with no other task beside it"):
            for _, result in engine.run(poisoned, list(range(12))):
                done.append(result)
    finally:
        engine.close()
    assert sorted(done) == [number for number in range(12) if number != 5]


class TwoPartsError(Exception):
    """Cannot be unpickled: it wants more than the message."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")


def refused(number: int) -> int:
    raise TwoPartsError(number, "no")


def test_an_error_that_cannot_travel_is_told_all_the_same() -> None:
    engine = LocalEngine(2, retries=0)
    try:
        with pytest.raises(RunError, match="a task failed: TwoPartsError: 7: no"):
            list(engine.run(refused, [7]))
    finally:
        engine.close()


def slow(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_an_engine_that_is_closed_over_its_tasks_does_not_wait_for_them() -> None:
    engine = LocalEngine(2)
    results = engine.run(slow, [0.0, 60.0, 60.0])
    assert next(results) == (0, 0.0)
    started = time.monotonic()
    engine.close()
    assert time.monotonic() - started < 20
    assert sorted(engine.run(slow, [0.0, 0.0])) == [(0, 0.0), (1, 0.0)]
    engine.close()


UNABLE = """
from hanji.curation.engines.local import LocalEngine
from hanji.errors import RunError
if __name__ == "__mp_main__":
    raise ImportError("no such library here")
if __name__ == "__main__":
    try:
        list(LocalEngine(2, retries=1).run(abs, [1, 2, 3]))
    except RunError as error:
        print(error)
"""


def test_workers_that_cannot_start_end_the_run_and_say_why(tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text(UNABLE)
    run = subprocess.run(
        [sys.executable, str(tmp_path / "driver.py")], capture_output=True, text=True, timeout=120, check=True
    )
    assert "given up after 3 tries" in run.stdout
    assert "no such library here" in run.stderr
