"""Does memory grow with the data? Peak resident memory of a run over 0.3 GB of pages and over 3 GB of them.

    python -m benchmarks.memory

The same pages, replicated with ids and URLs of their own: as many WARC files of one size, and as one WARC
file, which is one split whatever its size. A child process runs the recipe; its processes' memory (driver,
workers, sandboxes) is sampled from /proc twenty times a second and summed, by step.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.harness import Row, report, say
from benchmarks.warc_corpus import Page, pages, write_warc
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.progress import SilentProgress
from hanji.recipe import parse_recipe

SMALL, LARGE = 3, 30
ALLOWED = 1.05
INTERVAL = 0.05
# The steps of reading; what stands behind them exchanges rows and is bounded by `partitions`.
READING = ("read", "edit", "measure")


class _Steps(SilentProgress):
    """Tells the parent which step has begun."""

    def step(self, name: str, total: int, done: int) -> None:
        say(json.dumps({"step": name, "units": total}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", help="run this recipe (JSON) and tell the steps")
    arguments = parser.parse_args()
    if arguments.child:
        curate(parse_recipe(json.loads(arguments.child), CurationRecipe), progress=_Steps())
        return
    found = pages()
    with tempfile.TemporaryDirectory() as scratch:
        table = []
        for name in ("files", "one file"):
            small, large = (_measured(Path(scratch), found, name, copies) for copies in (SMALL, LARGE))
            reading = [max(peaks[step] for step in READING) for peaks in (small, large)]
            ratio = reading[1] / reading[0]
            table.append(
                Row(
                    f"{name}, reading: peak MB",
                    f"{reading[0] / 1e6:.0f} (0.3 GB)",
                    f"{reading[1] / 1e6:.0f} (3 GB)",
                    f"{ratio:.3f}",
                    f"≤ {ALLOWED:g}",
                    ratio <= ALLOWED,
                )
            )
            peak = max(small.values()), max(large.values())
            table.append(
                Row(
                    f"{name}, whole run: peak MB",
                    f"{peak[0] / 1e6:.0f} (0.3 GB, {_partitions(SMALL)} partitions)",
                    f"{peak[1] / 1e6:.0f} (3 GB, {_partitions(LARGE)} partitions)",
                    f"{peak[1] / peak[0]:.3f}",
                )
            )
    report("Memory: the same pages 3 and 30 times over (the columns are the two sizes)", table)


def _partitions(copies: int) -> int:
    return 4 * copies // SMALL


def _measured(scratch: Path, found: list[Page], name: str, copies: int) -> dict[str, int]:
    """Peak bytes of resident memory by step."""
    directory = scratch / f"{name}-{copies}".replace(" ", "-")
    if name == "files":
        size = sum(
            write_warc(directory / f"{copy:05d}.warc.gz", found, first_copy=copy) for copy in range(copies)
        )
    else:
        size = write_warc(directory / "all.warc.gz", found, copies)
    recipe = {
        "name": "memory",
        "run": str(directory / "run"),
        "sources": [{"name": "pages", "format": "warc", "paths": [str(directory / "*.warc.gz")]}],
        "engine": {"name": "local", "workers": 2},
        "tiers": [{"name": "all"}],
        "partitions": _partitions(copies),
        "shards": {"tokenizer": {"vocab_size": 1000, "train_bytes": 1_000_000}},
        "max_failed_share": 1.0,
    }
    started = time.perf_counter()
    peaks = _sampled(recipe)
    say(f"{name}, {size / 1e9:.2f} GB: {time.perf_counter() - started:.0f} s, {json.dumps(peaks)}")
    return peaks


def _sampled(recipe: dict[str, object]) -> dict[str, int]:
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.memory", "--child", json.dumps(recipe)],
        stdout=subprocess.PIPE,
        text=True,
    )
    peaks: dict[str, int] = {}
    current = ["start"]

    def sample() -> None:
        while child.poll() is None:
            total = sum(resident(pid) for pid in family(child.pid))
            peaks[current[0]] = max(peaks.get(current[0], 0), total)
            time.sleep(INTERVAL)

    thread = threading.Thread(target=sample)
    thread.start()
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("{"):
            current[0] = json.loads(line)["step"]
    thread.join()
    if child.returncode:
        raise SystemExit(f"the run failed with {child.returncode}")
    return peaks


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for known in found:
        try:
            for task in Path(f"/proc/{known}/task").iterdir():
                text = (task / "children").read_text()
                found += [int(child) for child in text.split()]
        except OSError:
            continue
    return found


def resident(pid: int) -> int:
    """Bytes of resident memory that are the process's own (anonymous): shared library pages count for nobody."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


if __name__ == "__main__":
    main()
