"""The local engine: processes of one machine, or this very process when there is one worker.

A worker that dies breaks the pool that it is in, and nothing says which of the tasks in flight it had: they
all come back. So that a task is not given up for what its neighbours did, one that has come back as often as
tasks are tried runs once more, alone. Workers end when their driver does, however it ends; an engine that is
closed over unfinished tasks, as after Ctrl-C, kills its workers instead of waiting for them.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait as wait_for
from typing import Any

from hanji.curation.engines.base import Item, Resources, Result
from hanji.errors import RunError


class LocalEngine:
    """Spawned processes (forking a threaded parent can deadlock), restarted when one of them dies."""

    name = "local"

    def __init__(
        self, workers: int | None = None, max_in_flight: int | None = None, retries: int = 3
    ) -> None:
        self.workers = workers or os.cpu_count() or 1
        self.max_in_flight = max_in_flight or 2 * self.workers
        self.retries = retries
        self._pool: ProcessPoolExecutor | None = None
        self._running: dict[Future[Any], int] = {}

    def run(
        self,
        task: Callable[[Item], Result],
        items: Sequence[Item],
        resources: Resources = Resources(),  # noqa: B008 -- frozen
    ) -> Iterator[tuple[int, Result]]:
        if self.workers == 1:
            for index, item in enumerate(items):
                yield index, self._inline(task, item)
            return
        tries = _Tries(len(items), self.retries)
        running = self._running = {}
        try:
            while tries or running:
                self._submit(task, items, tries, running)
                done, _ = wait(running, return_when=FIRST_COMPLETED) if running else (set(), None)
                broken = False
                for future in done:
                    index = running.pop(future)
                    try:
                        result = future.result()
                    except (BrokenProcessPool, OSError) as error:
                        broken |= isinstance(error, BrokenProcessPool)
                        tries.again(index, error)
                        continue
                    yield index, result
                if broken:
                    # One dead worker breaks the whole pool: everything in flight comes back and runs again.
                    for future, index in list(running.items()):
                        del running[future]
                        try:
                            result = future.result()
                        except (BrokenProcessPool, OSError) as error:
                            tries.again(index, error)
                            continue
                        yield index, result
                    self.close()
        finally:
            if running:
                self.close()

    def _submit(
        self,
        task: Callable[[Item], Result],
        items: Sequence[Item],
        tries: _Tries,
        running: dict[Future[Any], int],
    ) -> None:
        while len(running) < self.max_in_flight:
            index = tries.next(alone=not running)
            if index is None:
                return
            try:
                future = self._executor().submit(partial(_carry, task), items[index])
            except BrokenProcessPool:
                # A worker died between two tasks; those in flight report it.
                tries.put_back(index)
                if not running:
                    self.close()
                return
            running[future] = index

    def facts(self) -> dict[str, Any]:
        return {"engine": self.name, "workers": self.workers}

    def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if any(not future.done() for future in self._running):
            # Nobody waits for what they are doing. ProcessPoolExecutor can kill its workers from Python 3.14 on.
            for process in list((pool._processes or {}).values()):
                with suppress(OSError, ValueError):
                    process.kill()
        self._running = {}
        pool.shutdown(wait=True, cancel_futures=True)

    def _inline(self, task: Callable[[Item], Result], item: Item) -> Result:
        for attempt in range(1, self.retries + 2):
            try:
                return task(item)
            except OSError as error:
                if attempt > self.retries:
                    raise RunError(_gave_up(attempt, error)) from error
        raise AssertionError("unreachable")

    def _executor(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=context, initializer=_end_with_the_driver
            )
        return self._pool


class _Tries:
    """Which tasks wait, how often each failed or lost its worker, and which must run alone before one is blamed."""

    def __init__(self, count: int, retries: int) -> None:
        self._retries = retries
        self._failed = [0] * count
        self._died = [0] * count
        self._waiting = list(range(count - 1, -1, -1))
        self._suspects: list[int] = []
        self._alone: int | None = None

    def __bool__(self) -> bool:
        return bool(self._waiting or self._suspects)

    def next(self, *, alone: bool) -> int | None:
        """A task to start, or None. ``alone``: nothing runs; only then is a suspect given out, the others first."""
        if alone:
            self._alone = None
        if self._alone is not None:
            return None
        if self._waiting:
            return self._waiting.pop()
        if self._suspects and alone:
            self._alone = self._suspects.pop()
            return self._alone
        return None

    def put_back(self, index: int) -> None:
        """It was not started after all."""
        (self._suspects if index == self._alone else self._waiting).append(index)

    def again(self, index: int, error: BaseException) -> None:
        """Have it tried once more. Raises RunError when it was tried often enough, the last time alone."""
        counts = self._died if isinstance(error, BrokenProcessPool) else self._failed
        counts[index] += 1
        if counts[index] > self._retries and (counts is self._failed or index == self._alone):
            raise RunError(_gave_up(counts[index], error)) from error
        (self._suspects if self._died[index] > self._retries else self._waiting).append(index)


def _carry(task: Callable[[Item], Result], item: Item) -> Result:
    """Run a task; an error that could not travel to the driver as it is travels as a RunError.

    An exception whose constructor wants more than its message cannot be unpickled, and breaks the pool.
    """
    try:
        return task(item)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            raise RunError(f"a task failed: {type(error).__name__}: {error}") from None
        raise


def _end_with_the_driver() -> None:
    """In a worker: end when the driver is gone, which one that waits for work would not notice.

    Ctrl-C is the driver's: it kills its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait_for([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="end-with-the-driver", daemon=True).start()


def _gave_up(attempts: int, error: BaseException) -> str:
    if isinstance(error, BrokenProcessPool):
        return (
            f"a task was given up after {attempts} tries: the process that it ran in died each time, the last time "
            "with no other task beside it (it says why above, or the system ended it: out of memory perhaps, where "
            "smaller split_bytes or more partitions help); what was finished is kept"
        )
    return (
        f"a task failed {attempts} times by trouble of the machine: {type(error).__name__}: {error}; what was "
        "finished is kept, and the same command goes on from there"
    )
