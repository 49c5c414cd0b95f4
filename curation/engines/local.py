"""The local engine: processes of one machine, or this very process when there is one worker."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
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
        attempts = [0] * len(items)
        waiting = list(range(len(items) - 1, -1, -1))
        running: dict[Future[Result], int] = {}
        while waiting or running:
            while waiting and len(running) < self.max_in_flight:
                index = waiting.pop()
                attempts[index] += 1
                try:
                    running[self._executor().submit(task, items[index])] = index
                except BrokenProcessPool:
                    # A worker died between two tasks; those in flight report it below.
                    waiting.append(index)
                    attempts[index] -= 1
                    if not running:
                        self.close()
                    break
            done, _ = wait(running, return_when=FIRST_COMPLETED) if running else (set(), None)
            broken: list[int] = []
            for future in done:
                index = running.pop(future)
                try:
                    result = future.result()
                except (BrokenProcessPool, OSError) as error:
                    if attempts[index] > self.retries:
                        raise RunError(_gave_up(attempts[index], error)) from error
                    waiting.append(index)
                    if isinstance(error, BrokenProcessPool):
                        broken.append(index)
                    continue
                yield index, result
            if broken:
                # One dead worker breaks the whole pool: everything in flight comes back and runs again.
                for future, index in list(running.items()):
                    if future.done() and future.exception() is None:
                        yield index, future.result()
                    else:
                        waiting.append(index)
                    del running[future]
                self.close()

    def facts(self) -> dict[str, Any]:
        return {"engine": self.name, "workers": self.workers}

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

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
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context)
        return self._pool


def _gave_up(attempts: int, error: BaseException) -> str:
    return f"a task failed {attempts} times by trouble of the machine: {type(error).__name__}: {error}"
