"""A process of its own for making texts: one poisonous page costs one page.

The child gets a batch over a pipe and answers a few pages at a time. If it ends, at a page that takes too
long, wants too much memory or crashes the parser, the pages that it had not answered are made once more by a
fresh child, one answer at a time: so the page is known, and pages before it that wore the old child out are
not held against it. If it ends the second child too, that is reported, and the batch goes on behind it. The
time limit counts the child's processor time, so that a busy machine fails no page that a quiet one would
read; the system ends the child when it is used up, whatever code it is in. A limit on wall-clock time, ten
times as long, stands behind that. The child ends when its parent does: its pipe closes.

This module is also the child's program. It is started as a fresh interpreter, because forking a process
with threads (as Ray's workers are) can deadlock.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from hanji.curation.recipe import Text
from hanji.curation.text.making import Made, Raw, make_text

# A node's first child compiles the kernels.
START_SECONDS = 300.0
# After so many pages a child is replaced, should a parser leak.
PAGES_A_CHILD = 20_000
# Answers travel together, but none waits for longer than this.
ANSWERS, ANSWER_SECONDS = 16, 0.1
_WALL_FACTOR, _WALL_EXTRA = 10.0, 10.0
_OUT_OF_MEMORY = 77


class Sandbox:
    """A child that makes texts, replaced whenever it hangs, dies or has served long enough."""

    def __init__(self, settings: Text) -> None:
        self._settings = settings
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._served = 0
        atexit.register(self.close)

    def make(self, raws: Sequence[Raw]) -> list[Made]:
        """One result an input, in order. Raises OSError only if no child can be started."""
        made: list[Made] = []
        careful = False
        while len(made) < len(raws):
            rest = raws[len(made) :]
            batch = rest[:ANSWERS] if careful else rest
            end = self._batch(batch, 1 if careful else ANSWERS, made)
            if end is None:
                careful = False
            elif careful:
                made.append(Made(error=end))
            else:
                careful = True
        return made

    def _batch(self, raws: Sequence[Raw], together: int, made: list[Made]) -> str | None:
        """Add results to ``made`` until the inputs or the child are at an end: then, what ended it."""
        pipe = self._started()
        limit = _WALL_FACTOR * self._settings.timeout_seconds + _WALL_EXTRA
        want = len(made) + len(raws)
        try:
            pipe.send((together, list(raws)))
            while len(made) < want:
                if not pipe.poll(limit):
                    self.close()
                    return self._too_long()
                made += pipe.recv()
        except (EOFError, ConnectionError, BrokenPipeError):
            status = self._child.wait() if self._child else None
            self.close()
            if status == -signal.SIGPROF:
                return self._too_long()
            if status == _OUT_OF_MEMORY:
                return f"extract-memory: more than {self._settings.memory_bytes >> 20} MiB"
            return f"extract-crash: the parser died (status {status})"
        self._served += len(raws)
        if self._served >= PAGES_A_CHILD:
            self.close()
        return None

    def _too_long(self) -> str:
        return f"extract-timeout: more than {self._settings.timeout_seconds:g} seconds of processor time"

    def _started(self) -> Connection:
        if self._pipe is not None and self._child is not None and self._child.poll() is None:
            return self._pipe
        self.close()
        ours, theirs = Pipe()
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self._child = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment | {"OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        theirs.close()
        self._pipe = ours
        self._served = 0
        # Wait until it has loaded its libraries, so that loading does not count as a page's time.
        try:
            ours.send(self._settings)
            ready = ours.poll(START_SECONDS) and ours.recv() == "ready"
        except (EOFError, ConnectionError, BrokenPipeError):
            ready = False
        if not ready:
            status: int | str = "none: it was too slow"
            with suppress(subprocess.TimeoutExpired):
                status = self._child.wait(1)
            self.close()
            raise OSError(f"the extraction process did not start (exit status {status}; see its error above)")
        return ours

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


_cached: dict[tuple[int, str], Sandbox] = {}


def sandbox_for(settings: Text) -> Sandbox:
    """The sandbox of this process for these settings: its libraries are loaded once a worker."""
    # By process: a forked copy of this cache must not talk to the child of its parent.
    key = (os.getpid(), settings.model_dump_json())
    if key not in _cached:
        _cached[key] = Sandbox(settings)
    return _cached[key]


@cache
def settle() -> None:
    """Once a process that reads: the collector leaves alone what is there now, and looks less often.

    Rows in the making are many and live long, and have no cycles among them to find.
    """
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def _serve(descriptor: int) -> None:
    import resource
    from importlib import import_module

    pipe = Connection(descriptor)
    settings: Text = pipe.recv()
    # Loads the libraries, trafilatura among them, which few pages need, and the compiled code.
    make_text(Raw(b"<p>warm up</p>", True), settings)
    import_module("trafilatura")
    settle()
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (settings.memory_bytes, settings.memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pipe.send("ready")
    together: int
    raws: list[Raw]
    while True:
        try:
            together, raws = pipe.recv()
        except EOFError:
            return
        answers: list[Made] = []
        sent = time.monotonic()
        for raw in raws:
            # No handler: the system ends the process, even in the middle of a parser written in C.
            signal.setitimer(signal.ITIMER_PROF, settings.timeout_seconds)
            try:
                answers.append(make_text(raw, settings))
            except MemoryError:
                os._exit(_OUT_OF_MEMORY)
            except Exception as error:  # whatever a parser raises for a page is that page's failure
                answers.append(Made(error=f"extract-error: {type(error).__name__}: {error}"[:300]))
            signal.setitimer(signal.ITIMER_PROF, 0)
            if len(answers) >= together or time.monotonic() - sent > ANSWER_SECONDS:
                pipe.send(answers)
                answers, sent = [], time.monotonic()
        if answers:
            pipe.send(answers)


if __name__ == "__main__":
    with suppress(
        BrokenPipeError, ConnectionResetError
    ):  # the parent is gone, and nobody waits for the answer
        _serve(int(sys.argv[1]))
