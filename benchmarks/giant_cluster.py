"""Who survives in a cluster of a million documents: time and memory of the steps *ask* and *survive*.

    python -m benchmarks.giant_cluster [CASE …]

One cluster of made-up English texts of 720 bytes comes to one task, as texts, facts and verified edges:

- *copies*: of 10 or 10,000 texts that are unlike one another there are near copies, one word of each changed. As
  relating leaves them, a copy has an edge to the first by id of its text, which is rarely the best by score;
  documents of two halves link all into one cluster. The best of each text stays, and the links.
- *template*: pages that share six words of ten. No two are alike, but one document that holds the shared words
  alone is contained in all of them. All pages stay, and each could be compared with all before it.

A child process does one case. Its own memory (RssAnon: what is mapped from files can be taken back at any time) is
sampled twenty times a second. The bars: processor time a document at a million within 1.5 of that at a hundred
thousand, memory below 2 GB, and the outcome is as planted.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.harness import Row, report, say
from hanji.curation.delivery import receiving_units
from hanji.curation.engines.local import LocalEngine
from hanji.curation.exchange import send
from hanji.curation.ids import from_halves
from hanji.curation.recipe import Dedup
from hanji.curation.records import TEXT
from hanji.curation.steps import survive as steps
from hanji.curation.work import Attempt, Outcome, Runner, Step, Unit, task_with
from hanji.progress import SilentProgress
from hanji.storage import Storage

CASES = {
    "copies of 10": ("copies", 10),
    "copies of 10,000": ("copies", 10_000),
    "template": ("template", 0),
}
SIZES = (100_000, 1_000_000)
WORDS, LETTERS, SHARED = 120, 5, 72
SENDERS = 64
MOST_GROWTH, MOST_BYTES = 1.5, 2e9
INTERVAL = 0.05


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; none: all")
    parser.add_argument("--child", nargs=2, help="do this case with so many documents")
    arguments = parser.parse_args()
    if arguments.child:
        say(json.dumps(_measured(*CASES[arguments.child[0]], int(arguments.child[1]))))
        return
    rows: list[Row] = []
    for case in arguments.cases or CASES:
        small, large = (_child(case, size) for size in SIZES)
        growth = large["cpu"] / large["documents"] / (small["cpu"] / small["documents"])
        held = large["bytes"] / 1e9
        rows += [
            Row(f"{case}: seconds of processor time at 100,000", "", f"{small['cpu']:.1f}"),
            Row(
                f"{case}: at 1,000,000; time a document against 100,000",
                "",
                f"{large['cpu']:.1f}",
                f"{growth:.2f}",
                f"≤ {MOST_GROWTH}",
                growth <= MOST_GROWTH,
            ),
            Row(
                f"{case}: memory, GB",
                "",
                f"{held:.2f}",
                "",
                f"≤ {MOST_BYTES / 1e9:g}",
                held <= MOST_BYTES / 1e9,
            ),
            Row(
                f"{case}: kept; otherwise than planted",
                "",
                f"{large['kept']:,}; {large['wrong']}",
                "",
                "0",
                not large["wrong"],
            ),
        ]
    report("A cluster of a million documents", rows)


def _child(case: str, size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.giant_cluster", "--child", case, str(size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    say(f"{case}, {size:,} documents: {found}")
    return found


def _measured(kind: str, bases: int, size: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        runner = Runner(Storage(Path(scratch)), LocalEngine(1), SilentProgress(), None)
        # What is planted lies in files before anything is measured.
        planted = Step("plant", 1, task_with(_plant, kind, bases, size))
        sent = runner.map(planted, [Unit(f"s{n:05d}", n, n) for n in range(SENDERS)])
        members, edges, answers = (
            receiving_units(runner, channel, sent, channel, 1)[0].work[1]
            for channel in ("members", "edges", "answers")
        )
        settings = Dedup(exact=False)
        with _Memory() as memory:
            started, wall = time.process_time(), time.perf_counter()
            asked = steps.ask(Attempt(runner.run, "ask", "one"), (0, members, edges), settings, 1)
            between = time.process_time()
            work = (0, members, edges, answers)
            attempt = Attempt(runner.run, "survive", "one")
            fates = steps.survive(attempt, work, settings, 1)
            ended = time.process_time()
            seconds = time.perf_counter() - wall
        lost = sum(count for to in fates.info["losses"].get("s", {}).values() for count in to.values())
        planted_loss = size - (2 * bases - 1) if kind == "copies" else 1
        return {
            "documents": size,
            "asked": asked.info["documents"],
            "kept": size - lost,
            "wrong": abs(lost - planted_loss),
            "bounded": fates.info["bounded"],
            "cpu": round(ended - started, 1),
            "cpu of ask": round(between - started, 1),
            "seconds": round(seconds, 1),
            "bytes": memory.peak,
        }


class _Memory:
    """The most anonymous memory that this process had in a block, beyond what it had before."""

    def __enter__(self) -> _Memory:
        self._stop = threading.Event()
        self.peak = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL):
            status = Path("/proc/self/status").read_text()
            (held,) = re.findall(r"RssAnon:\s+(\d+) kB", status)
            self.peak = max(self.peak, int(held) * 1024)


def _plant(attempt: Attempt, part: int, kind: str, bases: int, size: int) -> Outcome:
    """One sender's share of the documents: numbers part, part + SENDERS, …"""
    numbers = np.arange(part, size, SENDERS)
    ids = _ids(numbers)
    one = pa.repeat(pa.scalar("s", TEXT), len(numbers))
    rng = np.random.default_rng(part)
    # Links and the bare template are the worst, so that the texts stay.
    score = rng.random(len(numbers)) * 0.5 + 0.5
    links = numbers < (bases - 1 if kind == "copies" else 1)
    score[links] = 0.0
    # Nor is the first of a text, to which its copies have their edges, ever the best of them.
    score[(numbers >= bases - 1) & (numbers < 2 * bases - 1)] *= 0.5
    words = _words(numbers, kind, bases, rng)
    members = pa.table(
        {
            "cluster": _ids(np.zeros(len(numbers), np.int64)),
            "id": ids,
            "source": one,
            "passes": pa.array(np.ones(len(numbers), bool)),
            "language": pa.repeat(pa.scalar("en", TEXT), len(numbers)),
            "score": score,
            "bytes": np.full(len(numbers), WORDS * (LETTERS + 1)),
            "date": pa.nulls(len(numbers), TEXT),
            "occurrences": np.ones(len(numbers), np.int64),
        }
    ).cast(steps.MEMBERS)
    here = np.zeros(len(numbers), np.int64)
    answers = pa.table({"id": ids, "text": words}).cast(steps.ANSWERS)
    edges = _edges(numbers, kind, bases)
    return Outcome(
        info={
            "members": send(attempt, "members", members, here),
            "edges": send(attempt, "edges", edges, np.zeros(len(edges), np.int64)),
            "answers": send(attempt, "answers", answers, here),
        }
    )


def _ids(numbers: np.ndarray) -> pa.Array:
    """An id of 128 bits for each number, in the order of the numbers."""
    return from_halves(numbers.astype(np.uint64), numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _base_of(numbers: np.ndarray, bases: int) -> np.ndarray:
    """The text that each document is a copy of. The first ``bases − 1`` numbers are links."""
    return (numbers - (bases - 1)) % bases


def _words(numbers: np.ndarray, kind: str, bases: int, rng: np.random.Generator) -> pa.Array:
    """The texts: large_string."""
    if kind == "template":
        words = rng.integers(0, 26**LETTERS, (len(numbers), WORDS))
        shared = np.random.default_rng(0).integers(0, 26**LETTERS, SHARED)
        words[:, :SHARED] = shared
        length = np.where(numbers == 0, SHARED, WORDS)
    else:
        texts = np.random.default_rng(0).integers(0, 26**LETTERS, (bases, WORDS))
        words = texts[_base_of(numbers, bases)]
        words[np.arange(len(numbers)), rng.integers(0, WORDS, len(numbers))] = rng.integers(
            0, 26**LETTERS, len(numbers)
        )
        links = np.flatnonzero(numbers < bases - 1)
        # The end of one text and the beginning of the next.
        for row in links.tolist():
            base = int(numbers[row])
            words[row, : WORDS // 2] = texts[base, WORDS // 2 :]
            words[row, WORDS // 2 :] = texts[base + 1, : WORDS // 2]
        length = np.full(len(numbers), WORDS)
    letters = (words[:, :, None] // 26 ** np.arange(LETTERS) % 26 + ord("a")).astype(np.uint8)
    spaces = np.full((*letters.shape[:2], 1), ord(" "), np.uint8)
    data = np.concatenate([letters, spaces], axis=2).reshape(len(numbers), -1)
    return pa.array(
        [row[: end * (LETTERS + 1) - 1].tobytes().decode() for row, end in zip(data, length, strict=True)],
        TEXT,
    )


def _edges(numbers: np.ndarray, kind: str, bases: int) -> pa.Table:
    if kind == "template":
        right = numbers[numbers > 0]
        left = np.zeros(len(right), np.int64)
    else:
        first = bases - 1 + np.arange(bases)  # the smallest id of each text
        copies = numbers[numbers >= 2 * bases - 1]
        links = numbers[numbers < bases - 1]
        left = np.concatenate([first[_base_of(copies, bases)], links, links])
        right = np.concatenate([copies, first[links], first[links + 1]])
    return pa.table(
        {
            "cluster": _ids(np.zeros(len(left), np.int64)),
            "a": _ids(left),
            "b": _ids(right),
            "kind": pa.repeat(pa.scalar("near", TEXT), len(left)),
            "jaccard": np.full(len(left), 0.8),
            "containment": np.full(len(left), 0.95),
        }
    ).cast(steps.CLUSTER_EDGES)


if __name__ == "__main__":
    main()
