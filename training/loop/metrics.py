"""What a run writes while it goes: metrics.jsonl, and events for the process that started it.

``metrics.jsonl`` has one line a step (kind "step") and one a validation (kind "validation"). After a resume the
lines of steps that were lost are removed first, so that a step stands there once.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

EVENTS = "HANJI_TRAINING_EVENTS"
"""Environment variable: when set, rank 0 tells its launcher what happens as JSON lines on stdout."""


class MetricsFile:
    """Append-only JSON lines; ``from_step`` is the step that the run goes on from."""

    def __init__(self, path: Path, from_step: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_metrics(path) if line["step"] <= from_step] if from_step else []
        temporary = path.with_name(f".{path.name}.part")
        temporary.write_text("".join(_line(entry) for entry in kept), encoding="utf-8")
        temporary.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self, entry: dict[str, Any]) -> None:
        """Write a line; it is in the file when this returns."""
        self._file.write(_line(entry))
        self._file.flush()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All lines of a metrics file; a last line that was cut off is left out. [] if there is no file."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            break
    return entries


def event_sink() -> Callable[[dict[str, Any]], None]:
    """Where rank 0 tells what happens: JSON lines for a launcher, or plain sentences on a console."""
    if os.environ.get(EVENTS):
        return lambda event: print(_line(event), end="", flush=True)

    def say(event: dict[str, Any]) -> None:
        if text := event.get("text"):
            print(text, flush=True, file=sys.stdout)

    return say


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"
