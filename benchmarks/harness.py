"""What every benchmark shares: where the data is, how runs are interleaved, and how figures are printed.

Absolute figures move with the machine, so a peer and we are measured in the same run, alternately, and the
ratio of the medians is what counts. One bar missed makes the program end with 1.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def data_directory() -> Path:
    """The development data: HANJI_DATA, else ../shared/data. Ends the program with 0 if it is not there."""
    directory = Path(os.environ.get("HANJI_DATA") or ROOT.parent / "shared" / "data")
    if not directory.is_dir():
        say("skipped: the development data is not here (set HANJI_DATA)")
        raise SystemExit(0)
    return directory


def rows(name: str) -> Iterator[dict[str, Any]]:
    """The rows of ``<name>.jsonl.gz`` of the development data."""
    with gzip.open(data_directory() / f"{name}.jsonl.gz", "rb") as file:
        for line in file:
            yield json.loads(line)


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process that the work takes: what other processes do on the machine counts less."""
    started = time.process_time()
    work()
    return time.process_time() - started


def interleaved(contestants: Mapping[str, Callable[[], float]], rounds: int = 5) -> dict[str, list[float]]:
    """Each contestant's measurements, one a round, taken in turn: a slow minute of the machine hits all."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            taken[name].append(measure())
    return taken


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


@dataclass(frozen=True)
class Row:
    """One line of a benchmark's table. ``bar`` is in words; ``met`` None where there is no bar."""

    what: str
    peer: str
    ours: str
    ratio: str = ""
    bar: str = ""
    met: bool | None = None


def report(title: str, table: Sequence[Row], notes: Sequence[str] = ()) -> None:
    """Print a Markdown table with the machine it was made on, and end with 1 if a bar was missed."""
    say(f"\n## {title}\n\n{machine()}\n")
    say("| what | peer | hanji | ratio | bar | met |\n|---|---|---|---|---|---|")
    for row in table:
        met = "" if row.met is None else "yes" if row.met else "**no**"
        say(f"| {row.what} | {row.peer} | {row.ours} | {row.ratio} | {row.bar} | {met} |")
    for note in notes:
        say(f"\n{note}")
    if any(row.met is False for row in table):
        raise SystemExit(1)


def machine() -> str:
    """Processor, cores and Python of this machine, and the day."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    day = time.strftime("%Y-%m-%d")
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {day}"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
