"""What a run writes while it goes: metrics.jsonl, and events for the process that started it.

``metrics.jsonl`` has one JSON object a line, told apart by ``kind``; each has the ``step`` that it belongs to:

    start       the ranks began or went on from ``step``: hardware, layout, how FLOP/s and MFU are counted
    step        an optimizer step: loss, rate, gradient norm, tokens/s, why it was skipped if it was
    interval    the steps ``first`` … ``step``: speed, FLOP/s, MFU, time by phase, memory; loss, tokens and epochs
                by component, loss by language, domain and tier
    validation  held-out bits per byte
    checkpoint  a checkpoint that became whole
    shadow      FP8 beside BF16
    alarm       what a person should look at
    end         the ranks ended or stopped

After a resume the lines of steps that were lost are removed first, so that a step stands there once; the new
``start`` line says how many those were and what they had taken.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"
EVENTS = "HANJI_TRAINING_EVENTS"
"""Environment variable: when set, rank 0 tells its launcher what happens as JSON lines on stdout."""

_BEGINNING = re.compile(rb'\{"kind": "(\w+)", "step": (\d+)')


class MetricsFile:
    """Append-only JSON lines; ``from_step`` is the step that the run goes on from, 0 for one that begins.

    ``lost`` says what is removed: steps after ``from_step``, and the seconds that they and those lost before took.
    ``damaged`` counts lines that cannot be read, as a crash of the machine leaves them; they are removed too.
    """

    def __init__(self, path: Path, from_step: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lost = {"steps": 0, "seconds": 0.0}
        self.damaged = 0
        temporary = path.with_name(f".{path.name}.part")
        with temporary.open("wb") as kept:
            for line in _lines(path):
                try:
                    kind, step = _kind_and_step(line)
                    if from_step and step <= from_step:
                        kept.write(line)
                    elif kind == "step":
                        self._lose(1, json.loads(line)["seconds"])
                    elif kind == "start":
                        lost = json.loads(line)["lost"]
                        self._lose(lost["steps"], lost["seconds"])
                except (ValueError, KeyError, TypeError):
                    self.damaged += 1
        temporary.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self, entry: dict[str, Any]) -> None:
        """Write a line, which begins with ``kind`` and ``step``; it is in the file when this returns."""
        self._file.write(_line(entry))
        self._file.flush()

    def close(self) -> None:
        """No more lines."""
        self._file.close()

    def _lose(self, steps: int, seconds: float) -> None:
        self.lost = {"steps": self.lost["steps"] + steps, "seconds": self.lost["seconds"] + seconds}


def iterate_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a metrics file, one at a time; nothing if there is no file.

    A last line that was cut off, because its writer was killed or is at it, ends the answer.
    """
    for line in _lines(path):
        try:
            entry = json.loads(line)
        except ValueError:
            return
        yield entry


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All lines of a metrics file, as :func:`iterate_metrics` gives them. For runs of moderate length."""
    return list(iterate_metrics(path))


def _lines(path: Path) -> Iterator[bytes]:
    """Whole lines; none if there is no file."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line


def _kind_and_step(line: bytes) -> tuple[str, int]:
    """What a line begins with, without reading all of it where it is as this module writes it."""
    if (found := _BEGINNING.match(line)) and line.endswith(b"}\n"):
        return found[1].decode(), int(found[2])
    entry = json.loads(line)
    return entry["kind"], entry["step"]


def event_sink() -> Callable[[dict[str, Any]], None]:
    """Where rank 0 tells what happens: JSON lines for a launcher, or plain sentences on a console."""
    if os.environ.get(EVENTS):
        return _to_launcher

    def say(event: dict[str, Any]) -> None:
        if text := event.get("text"):
            print(text, flush=True, file=sys.stdout)

    return say


def _to_launcher(event: dict[str, Any]) -> None:
    try:
        print(_line(event), end="", flush=True)
    except BrokenPipeError:
        # The launcher was killed. The ranks are about to be asked to save and end, and must not fail before that.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"
