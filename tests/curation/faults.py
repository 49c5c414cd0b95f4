"""What fault tests share: processes that kill themselves at a chosen point, and what a run left on disk.

Nothing of the code under test is replaced. A task that is to die gets a hook on the interpreter's audit events
(PEP 578), which sends its own process SIGKILL when a file is put in place or a commit record is linked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hanji.curation.engines.base import Engine, Resources
from hanji.curation.work import Commit

POINTS = ("writing", "written", "committing", "committed")
"""Where a task dies: its first file is whole but not yet in place; it is in place; its record is whole but not yet
in place; it is in place, and the driver has not heard of it."""


class FaultyEngine:
    """An engine whose tasks run inside ``around``, a module-level function of (task, marks, point, job)."""

    name = "local"

    def __init__(
        self,
        engine: Engine,
        around: Callable[..., Any],
        marks: Path,
        points: Sequence[str] = ("",),
    ) -> None:
        self._engine, self._around, self._marks, self._points = engine, around, str(marks), tuple(points)
        marks.mkdir(parents=True, exist_ok=True)

    def run(
        self,
        task: Callable[[Any], Any],
        items: Sequence[Any],
        resources: Resources = Resources(),  # noqa: B008 -- frozen
    ) -> Iterator[tuple[int, Any]]:
        faulty = partial(self._around, task, self._marks, self._points)
        return self._engine.run(faulty, items, resources)

    def facts(self) -> dict[str, Any]:
        return self._engine.facts()

    def close(self) -> None:
        self._engine.close()


def first_time(marks: str, name: str) -> bool:
    """Whether this is the first to ask for that name, of all processes."""
    try:
        os.close(os.open(f"{marks}/{name}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def die_once(task: Callable[[Any], Any], marks: str, points: Sequence[str], job: Any) -> Any:
    """Run a unit's task; the first one of each step and point is killed there."""
    point = next((p for p in points if first_time(marks, f"{job[0].name}.{p}")), None)
    if point is None:
        return task(job)
    if point != "committed":
        _die_at(point)
    result = task(job)
    _die()
    return result


def _die_at(point: str) -> None:
    renamed = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal renamed
        if event == "os.link" or (event == "os.rename" and point == "writing") or renamed:
            _die()
        # The file is in place when the event after its rename comes.
        renamed = event == "os.rename" and point == "written"

    sys.addaudithook(hook)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def made(run: Path) -> dict[str, Any]:
    """All that a run made, by content: the files of each unit as they are on disk, and the shards.

    Raises AssertionError where a file's bytes are not those of its commit record.
    """
    found: dict[str, Any] = {}
    for path in sorted((run / "commits").rglob("*.json")):
        commit = Commit.from_json(path.read_bytes())
        for name, written in commit.files.items():
            assert digest(run / written.path) == written.sha256, written.path
            found[f"{commit.step}/{commit.unit}@{commit.key}/{name}"] = written.sha256
        found[f"{commit.step}/{commit.unit}@{commit.key}"] = [commit.counts, commit.info]
    for path in sorted((run / "shards").rglob("*")):
        if path.is_file():
            found[str(path.relative_to(run))] = digest(path)
    return found


def kept_files(run: Path) -> Counter[str]:
    """The files of a run by name without its random part: more than an undisturbed run has would be litter."""
    return Counter(
        re.sub(r"-[0-9a-f]{12}(?=[.-])", "", str(path.relative_to(run)))
        for path in run.rglob("*")
        if path.is_file()
    )


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def steps(run: Path) -> list[dict[str, Any]]:
    """What run.json says of each step."""
    found: list[dict[str, Any]] = json.loads((run / "run.json").read_text())["steps"]
    return found


def same_as(run: Path, undisturbed: Path) -> None:
    """Every file, record and shard is that of an undisturbed run, and none is there besides."""
    here, there = made(run), made(undisturbed)
    different = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    assert not different, different[:5]
    assert kept_files(run) == kept_files(undisturbed)
