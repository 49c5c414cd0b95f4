"""What an engine costs by itself: ``python -m benchmarks.engines [--tasks 1000] [--workers 2]``.

Each engine runs tasks that do nothing, in a process of its own: seconds until it takes tasks (first results of one
task a worker, imports included), and milliseconds a task after that, of the clock and of all processors together
(driver, workers and what the engine starts besides). Spark is measured in its first thousand tasks, while its JVM
is still warming up, and in the next; and once more with a job for every task instead of jobs of a few.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from benchmarks.harness import ROOT, machine, say

SINGLE = "spark, a job a task"
ENGINES = ("local", "ray", "spark", SINGLE)


def nothing(number: int) -> int:
    """The task. A result is as small as it can be."""
    return number


def processor_seconds() -> float:
    """Of this process and everything it started, what has ended included where it was waited for."""
    import psutil

    spent = 0.0
    own = psutil.Process()
    for process in [own, *own.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        spent += times.user + times.system + times.children_user + times.children_system
    return spent


def measure(name: str, workers: int, tasks: int) -> dict[str, Any]:
    """Start one engine and run tasks on it, twice."""
    from hanji.curation.engines.choice import make_engine
    from hanji.curation.recipe import EngineSettings

    if name == SINGLE:
        from hanji.curation.engines import spark

        spark.JOBS = 1 << 30
        name = "spark"
    started, spent = time.perf_counter(), processor_seconds()
    engine = make_engine(EngineSettings(name=name, workers=workers))  # type: ignore[arg-type]
    try:
        list(engine.run(nothing, list(range(workers))))
        found: dict[str, Any] = {
            "start": time.perf_counter() - started,
            "start_cpu": processor_seconds() - spent,
            "rounds": [],
        }
        for _ in range(2):
            started, spent = time.perf_counter(), processor_seconds()
            got = list(engine.run(nothing, list(range(tasks))))
            assert sorted(got) == [(number, number) for number in range(tasks)]
            clock, cpu = time.perf_counter() - started, processor_seconds() - spent
            found["rounds"].append([1000 * clock / tasks, 1000 * cpu / tasks])
    finally:
        engine.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.engines")
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--child", choices=ENGINES)
    given = parser.parse_args()
    if given.child:
        say(json.dumps(measure(given.child, given.workers, given.tasks)))
        return
    say(f"{machine()}, {given.tasks} tasks on {given.workers} workers\n")
    say("| engine | start, s | of processors | a task, ms | of processors | next tasks, ms | of processors |")
    say("|---|---|---|---|---|---|---|")
    for name in ENGINES:
        options = ["--tasks", str(given.tasks), "--workers", str(given.workers), "--child", name]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.engines", *options],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        figures = [found["start"], found["start_cpu"], *found["rounds"][0], *found["rounds"][1]]
        say(f"| {name} | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |")


if __name__ == "__main__":
    main()
