"""A process of its own for making texts: one poisonous page costs one page.

The child gets a batch over a pipe and answers page by page. A page that takes too long, wants too much
memory or kills the child is tried once more in a fresh child, since an old one may have been worn out by
pages before it; if it fails again that is reported, and the batch goes on behind it. The time limit counts
the child's processor time, so that a busy machine fails no page that a quiet one would read; the system ends
the child when it is used up, whatever code it is in. A limit on wall-clock time, ten times as long, stands
behind that. The child ends when its parent does: its pipe closes.

This module is also the child's program. It is started as a fresh interpreter, because forking a process
with threads (as Ray's workers are) can deadlock.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from hanji.curation.recipe import Text
from hanji.curation.text.making import Made, Raw, make_text

# A node's first child compiles the kernels.
START_SECONDS = 300.0
# After so many pages a child is replaced, should a parser leak.
PAGES_A_CHILD = 20_000
_WALL_FACTOR, _WALL_EXTRA = 10.0, 10.0


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
        while len(made) < len(raws):
            made += self._batch(raws[len(made) :])
            if made[-1].error is not None and self._child is None and self._served > 1:
                # The child ended at a page, but had others before: a fresh one tells whose fault it is.
                made[-1:] = self._batch(raws[len(made) - 1 : len(made)])
        return made

    def _batch(self, raws: Sequence[Raw]) -> Iterator[Made]:
        """Results until the inputs are at an end, or one of them fails; at least one."""
        pipe = self._started()
        try:
            pipe.send(list(raws))
            for _ in raws:
                self._served += 1
                if not pipe.poll(_WALL_FACTOR * self._settings.timeout_seconds + _WALL_EXTRA):
                    self.close()
                    yield self._timed_out()
                    return
                made: Made = pipe.recv()
                yield made
                if made.error is not None and made.error.startswith("extract-memory"):
                    self.close()
                    return
        except (EOFError, ConnectionError, BrokenPipeError):
            status = self._child.wait() if self._child else None
            self.close()
            if status == -signal.SIGPROF:
                yield self._timed_out()
            else:
                yield Made(error=f"extract-crash: the parser died (status {status})")
            return
        if self._served >= PAGES_A_CHILD:
            self.close()

    def _timed_out(self) -> Made:
        limit = self._settings.timeout_seconds
        return Made(error=f"extract-timeout: more than {limit:g} seconds of processor time")

    def _started(self) -> Connection:
        if self._pipe is not None and self._child is not None and self._child.poll() is None:
            return self._pipe
        self.close()
        ours, theirs = Pipe()
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self._child = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
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


def _serve(descriptor: int) -> None:
    import resource

    pipe = Connection(descriptor)
    settings: Text = pipe.recv()
    # Loads the libraries and the compiled code.
    make_text(Raw(b"<p>warm up</p>", True), settings)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (settings.memory_bytes, settings.memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pipe.send("ready")
    while True:
        try:
            raws: list[Raw] = pipe.recv()
        except EOFError:
            return
        for raw in raws:
            # No handler: the system ends the process, even in the middle of a parser written in C.
            signal.setitimer(signal.ITIMER_PROF, settings.timeout_seconds)
            try:
                made = make_text(raw, settings)
            except MemoryError:
                made = Made(error=f"extract-memory: more than {settings.memory_bytes >> 20} MiB")
            except Exception as error:  # whatever a parser raises for a page is that page's failure
                made = Made(error=f"extract-error: {type(error).__name__}: {error}"[:300])
            signal.setitimer(signal.ITIMER_PROF, 0)
            pipe.send(made)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
