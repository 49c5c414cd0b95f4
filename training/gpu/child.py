"""Processes that the check starts, and its own end: nothing outlives the budget.

A child runs in a session of its own and writes to a file, not to a pipe that its own children would hold open;
when its time is over the whole session is killed.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_running: set[Child] = set()
TAIL = 1500
"""Characters of a failed child's output that its error tells."""


class Child:
    """A process and all that it starts."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], what: str) -> None:
        self._what = what
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - it is read when the process has ended
        self._process = subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _running.add(self)

    def finish(self, seconds: float) -> None:
        """Wait for its end. Raises RuntimeError, with the end of its output, when it fails or takes longer."""
        try:
            code: int | None = self._process.wait(max(0.1, seconds))
        except subprocess.TimeoutExpired:
            code = None
        self.kill()
        if code == 0:
            return
        self._output.seek(0)
        said = self._output.read().decode(errors="replace")[-TAIL:]
        how = f"was ended after {seconds:.0f} s" if code is None else f"failed with exit code {code}"
        raise RuntimeError(f"{self._what} {how}: {said}")

    def kill(self) -> None:
        """End what still runs of its session."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        _running.discard(self)


def kill_all() -> None:
    """End every process that this one has started, and what those have started.

    Not children alone: Megatron-Core's checkpoints start a multiprocessing manager, torch.compile its workers,
    and both would hold this process's output open after its end.
    """
    for child in list(_running):
        child.kill()
    for process in reversed(_descendants(os.getpid())):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)


def _descendants(ancestor: int) -> list[int]:
    """Processes below one, parents before children (Linux; elsewhere none)."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # pid (name) state parent …; a name may hold spaces and parentheses.
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    found = [ancestor]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found[1:]


class Deadline:
    """Ends this process, with its children, at a time: with exit code 1, and after telling where it stood.

    ``before_end`` is called first (it writes the report). A second line, faulthandler's own thread, does it where
    the interpreter's lock is held.
    """

    def __init__(self, seconds: float, before_end: Callable[[], None]) -> None:
        self._before_end = before_end
        self._ended = threading.Event()
        self._at, self._code = time.monotonic() + seconds, 1
        faulthandler.dump_traceback_later(seconds + 10.0, exit=True)
        threading.Thread(target=self._watch, name="deadline", daemon=True).start()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _terminated)

    def leave(self, seconds: float, code: int) -> None:
        """The work is done, with this exit code: what is left (groups to be closed) may take so long."""
        self._code, self._at = code, time.monotonic() + seconds

    def cancel(self) -> None:
        """The process goes on."""
        self._ended.set()
        faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        while (left := self._at - time.monotonic()) > 0:
            if self._ended.wait(min(left, 0.5)):
                return
        print("the time of the check is over; the stacks of its threads:", file=sys.stderr, flush=True)
        faulthandler.dump_traceback(all_threads=True)
        try:
            self._before_end()
        finally:
            kill_all()
            sys.stdout.flush()
            os._exit(self._code)


def _terminated(*_: object) -> None:
    kill_all()
    os._exit(128 + signal.SIGTERM)
