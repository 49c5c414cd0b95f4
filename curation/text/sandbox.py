"""A process of its own for parsing pages: one poisonous page costs one page.

The child gets a batch over a pipe and answers page by page. A page that takes too long, or kills the child,
is reported as such, the child is replaced, and the batch goes on behind that page. The child ends when its
parent does: its pipe closes, and an alarm ends it should a page hold it after that.

This module is also the child's program. It is started as a fresh interpreter, because forking a process
with threads (as Ray's workers are) can deadlock.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection

START_SECONDS = 60.0
MEMORY_BYTES = 4 << 30


@dataclass(frozen=True)
class Answer:
    """Text and title of a page, or the error that it ended in (``extract-timeout: …``)."""

    text: str
    title: str | None
    error: str | None = None


class Sandbox:
    """A child that extracts pages, replaced whenever it hangs or dies."""

    def __init__(self, extractor: str, timeout_seconds: float) -> None:
        self._extractor = extractor
        self._timeout = timeout_seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        atexit.register(self.close)

    def extract(self, pages: Sequence[str]) -> list[Answer]:
        """One answer a page, in order. Raises OSError only if no child can be started."""
        answers: list[Answer] = []
        while len(answers) < len(pages):
            answers += self._batch(pages[len(answers) :])
        return answers

    def _batch(self, pages: Sequence[str]) -> Iterator[Answer]:
        """Answers until the pages or the child are at an end; at least one."""
        pipe = self._started()
        try:
            pipe.send(list(pages))
            for _ in pages:
                if not pipe.poll(self._timeout):
                    self.close()
                    yield Answer("", None, f"extract-timeout: more than {self._timeout:g} seconds")
                    return
                yield Answer(*pipe.recv())
        except (EOFError, ConnectionError, BrokenPipeError):
            status = self._child.wait() if self._child else None
            self.close()
            yield Answer("", None, f"extract-crash: the parser died (status {status})")

    def _started(self) -> Connection:
        if self._pipe is not None and self._child is not None and self._child.poll() is None:
            return self._pipe
        self.close()
        ours, theirs = Pipe()
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self._child = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno()), self._extractor, str(self._timeout)],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        theirs.close()
        self._pipe = ours
        # Wait until it has loaded its libraries, so that loading does not count as a page's time.
        try:
            ready = ours.poll(START_SECONDS) and ours.recv() == "ready"
        except EOFError:
            ready = False
        if not ready:
            status = self._child.poll()
            self.close()
            raise OSError(f"the extraction process did not start (status {status})")
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


_cached: dict[tuple[int, str, float], Sandbox] = {}


def sandbox_for(extractor: str, timeout_seconds: float) -> Sandbox:
    """The sandbox of this process for these settings: its libraries are loaded once a worker."""
    # By process: a forked copy of this cache must not talk to the child of its parent.
    key = (os.getpid(), extractor, timeout_seconds)
    if key not in _cached:
        _cached[key] = Sandbox(extractor, timeout_seconds)
    return _cached[key]


def _serve(descriptor: int, extractor: str, timeout_seconds: float) -> None:
    import resource
    import signal

    from hanji.curation.text.extract import extract

    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    pipe = Connection(descriptor)
    extract("<p>warm up</p>", extractor)
    pipe.send("ready")
    while True:
        try:
            pages = pipe.recv()
        except EOFError:
            return
        for page in pages:
            # The parent keeps the time; this is for the case that it has died.
            signal.setitimer(signal.ITIMER_REAL, 2 * timeout_seconds + 10)
            answer: tuple[str, str | None, str | None]
            try:
                found = extract(page, extractor)
                answer = (found.text, found.title, None)
            except MemoryError:
                answer = ("", None, f"extract-memory: more than {MEMORY_BYTES >> 20} MiB")
            except Exception as error:  # whatever a parser raises for a page is that page's failure
                answer = ("", None, f"extract-error: {type(error).__name__}: {error}"[:300])
            pipe.send(answer)
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
