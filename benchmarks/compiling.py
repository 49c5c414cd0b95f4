"""Kernels: the time to compile all of them, and the time until a worker with a warm cache is ready.

    python -m benchmarks.compiling

Every kernel that a run uses is compiled by the calls of benchmarks/kernel_calls.py, in a process of its own: first
with an empty cache, then with the one that this made. Which kernels there are is read from the sources
(benchmarks/kernel_sources.py); one that no call leads to misses the bar. Processor time, and wall-clock time from
the start of Python.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.harness import ROOT, Row, report

MOST_COLD, MOST_WARM = 60.0, 2.0


def run(cache: str | None) -> dict[str, Any]:
    """What the child says (benchmarks/kernel_calls.py), and wall-clock seconds of it from outside.

    ``cache`` is the directory of the cache, None the node's own.
    """
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kernel_calls"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ} if cache is None else {**os.environ, "XDG_CACHE_HOME": cache},
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"wall": time.perf_counter() - started}


def compiled(cold: dict[str, Any], warm: dict[str, Any]) -> float:
    """Processor seconds of compiling: what a start with a warm cache (Python, libraries, loading) does not take."""
    return float(cold["cpu"] - warm["cpu"])


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        cold = run(cache)
        warm = min((run(cache) for _ in range(5)), key=lambda one: one["wall"])
    table = [
        Row(
            "all kernels compiled: empty cache less warm cache",
            "",
            f"{compiled(cold, warm):.1f} s of processor",
            "",
            f"≤ {MOST_COLD:.0f} s",
            compiled(cold, warm) <= MOST_COLD,
        ),
        *(
            Row(f"… {name.replace('_', ' ')}", "", f"{seconds - warm['took'][name]:.1f} s", "")
            for name, seconds in cold["took"].items()
        ),
        Row(
            "kernels that no call led to",
            "",
            f"{len(cold['missed'])} of {cold['kernels']} {', '.join(cold['missed'])}".strip(),
            "",
            "0",
            not cold["missed"],
        ),
        Row(
            "a worker ready to measure, warm cache",
            "",
            f"{warm['measured']:.2f} s (all kernels {warm['all']:.2f} s)",
            "",
            f"≤ {MOST_WARM:.0f} s",
            warm["measured"] <= MOST_WARM,
        ),
    ]
    report("Compiling", table, ["The best of five warm starts counts; one cold start."])


if __name__ == "__main__":
    main()
