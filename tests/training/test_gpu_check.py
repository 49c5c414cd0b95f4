"""The check of a GPU, at small sizes on the CPU: it runs, reports, and ends at its budget whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from hanji.training.gpu.child import Child
from hanji.training.gpu.report import Report

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "training" / "gpu" / "check.py"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]


def gone(process: int, seconds: float = 5.0) -> bool:
    """Whether a process ends within so long (a zombie has ended)."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            if psutil.Process(process).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_the_sections_run_and_the_report_has_their_figures(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--tiny", "--out", str(tmp_path), "--budget", "200"]
    done = subprocess.run(
        [*command, "--only", "environment", "matmul", "2.1B", "--cases", "BF16", "FP8 delayed"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    sections = {entry["name"]: entry for entry in json.loads((tmp_path / "report.json").read_text("utf-8"))}
    assert list(sections) == ["environment", "matmul", "steps-kanana-2.1b"]
    assert not any(entry["error"] for entry in sections.values())
    steps = {row["what"]: row for row in sections["steps-kanana-2.1b"]["rows"]}
    assert list(steps) == ["BF16", "FP8 delayed", "FP8 delayed, fast sums"]
    for row in steps.values():
        first, last = map(float, row["loss, first and last"].split())
        assert row["tokens/s"] > 0 and last < first
        # 128 tokens a step, by the row's own time.
        assert row["tokens/s"] == pytest.approx(128_000 / row["step, ms"], rel=1e-3)
    base, other = steps["BF16"]["tokens/s"], steps["FP8 delayed"]
    assert other["over BF16"] == pytest.approx(other["tokens/s"] / base)
    joined = next(row for row in sections["matmul"]["rows"] if "SwiGLU" in row["what"])
    assert joined["delayed, joined, ms"] > 0
    assert "| FP8 delayed |" in (tmp_path / "report.md").read_text("utf-8")


def test_what_hangs_is_ended_at_the_deadline_with_all_that_it_started(tmp_path: Path) -> None:
    # A child, a manager as Megatron-Core's checkpoints start one (it would hold the pipe open), and a hang.
    code = f"""
import multiprocessing, pathlib, time
from hanji.training.gpu.child import Child, Deadline
if __name__ == "__main__":
    here = pathlib.Path({str(tmp_path)!r})
    Deadline(4.0, lambda: (here / "report").write_text("cut off"))
    child = Child([sys.executable, "-c", "import time; time.sleep(600)"], {{}}, "a child")
    manager = multiprocessing.get_context("fork").Manager()
    (here / "processes").write_text(f"{{child._process.pid}} {{manager._process.pid}}")
    time.sleep(600)
"""
    started = time.monotonic()
    done = subprocess.run(
        python(code), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
    )
    assert done.returncode == 1 and 4.0 <= time.monotonic() - started < 30
    assert "the time of the check is over" in done.stdout
    assert "line 11 in <module>" in done.stdout
    assert (tmp_path / "report").read_text() == "cut off"
    assert all(gone(int(process)) for process in (tmp_path / "processes").read_text().split())


def test_a_check_that_is_done_keeps_its_exit_code_when_its_end_hangs() -> None:
    code = """
import time
from hanji.training.gpu.child import Deadline
deadline = Deadline(100.0, lambda: None)
deadline.leave(0.5, 0)
time.sleep(600)
"""
    assert subprocess.run(python(code), capture_output=True, timeout=60).returncode == 0


def test_a_child_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    place = tmp_path / "grandchild"
    code = f"""
import pathlib, subprocess, time
started = subprocess.Popen(["sleep", "600"])
pathlib.Path({str(place)!r}).write_text(str(started.pid))
print("begun", flush=True)
time.sleep(600)
"""
    child = Child(python(code), os.environ, "the run")
    with pytest.raises(RuntimeError, match=r"the run was ended after 3 s: begun"):
        child.finish(3.0)
    assert gone(int(place.read_text()))


def test_a_child_that_fails_tells_why() -> None:
    child = Child(python("raise SystemExit('no shards here')"), os.environ, "the run")
    with pytest.raises(RuntimeError, match="failed with exit code 1: no shards here"):
        child.finish(30.0)


def test_what_fails_is_a_row_and_makes_the_check_fail(tmp_path: Path) -> None:
    report = Report(tmp_path)
    section = report.section("one", "One")

    def broken() -> dict[str, object]:
        raise ValueError("no such kernel")

    report.attempt(section, "optional", broken, optional=True)
    assert report.failures == []
    report.attempt(section, "needed", broken)
    report.attempt(section, "held", lambda: {"ok": True, "figure": 0.0042})
    assert report.failures == ["one: needed"]
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "no such kernel" in text and "4.2e-03" in text
