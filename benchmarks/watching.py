"""Children that are watched: seconds, processor time and peak memory of all of their processes, by step.

A child says ``{"step": NAME}`` on a line of its own when a step begins and ``{"facts": …}`` at its end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness import say
from benchmarks.memory import family, resident
from hanji.progress import SilentProgress

TICKS = os.sysconf("SC_CLK_TCK")
OWN = ("start", "plant", "check", "end")
"""Steps of the benchmarks themselves, which do not count."""


@dataclass
class Watched:
    """A child's processes: wall-clock and processor seconds and peak bytes by step, and what it said at the end."""

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def total(self, of: dict[str, float]) -> float:
        """The sum over the steps that count."""
        return sum(value for name, value in of.items() if name not in OWN)

    def only(self, steps: Sequence[str]) -> Watched:
        """The same of some steps alone."""
        wall, cpu = ({name: of[name] for name in steps if name in of} for of in (self.wall, self.cpu))
        return Watched(wall, cpu, {n: self.peak[n] for n in steps if n in self.peak}, self.facts)

    def told(self) -> str:
        """All of it by step, on a line."""
        steps = {
            name: [round(self.wall[name], 1), round(self.cpu[name], 1), round(self.peak.get(name, 0) / 1e6)]
            for name in self.wall
        }
        return f"step: [s, s of processor time, peak MB] {json.dumps(steps)}"

    def highest(self) -> int:
        return max(value for name, value in self.peak.items() if name not in OWN)


class Steps(SilentProgress):
    """Tells the parent which step has begun."""

    def step(self, name: str, total: int, done: int) -> None:
        say(json.dumps({"step": name, "units": total}))


def watched(module: str, kind: str, settings: dict[str, Any]) -> Watched:
    """Run ``python -m module --child kind settings`` and sample its processes twenty times a second."""
    child = subprocess.Popen(
        [sys.executable, "-m", module, "--child", kind, json.dumps(settings)],
        stdout=subprocess.PIPE,
        text=True,
    )
    done = Watched()
    step = "start"
    spent: dict[int, float] = {}

    def processor() -> float:
        """Seconds of all processes so far, those that have ended included."""
        spent.update({pid: _processor(pid) or spent.get(pid, 0.0) for pid in family(child.pid)})
        return sum(spent.values())

    def sample() -> None:
        while child.poll() is None:
            total = sum(resident(pid) for pid in family(child.pid))
            done.peak[step] = max(done.peak.get(step, 0), total)
            processor()
            time.sleep(0.05)

    thread = threading.Thread(target=sample)
    thread.start()
    began, before = time.perf_counter(), 0.0
    assert child.stdout is not None
    for line in child.stdout:
        if not line.startswith("{"):
            continue
        said = json.loads(line)
        now, used = time.perf_counter(), processor()
        done.wall[step] = done.wall.get(step, 0.0) + now - began
        done.cpu[step] = done.cpu.get(step, 0.0) + used - before
        began, before = now, used
        step = said.get("step", "end")
        done.facts = said.get("facts", done.facts)
    thread.join()
    if child.returncode:
        raise SystemExit(f"the child failed with {child.returncode}: {kind} {settings}")
    return done


def _processor(pid: int) -> float:
    """User and system seconds of a process, 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS
    except (OSError, IndexError):
        return 0.0
