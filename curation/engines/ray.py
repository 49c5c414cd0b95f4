"""The Ray engine: tasks on a cluster that is joined, or on a small one started inside this process."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hanji.curation.engines.base import Item, Resources, Result
from hanji.errors import HanjiError, InputError, RunError

STARTS = 3
"""Tries to start Ray in this process."""


class RayEngine:
    """Ray tasks, with a bound on how many are in flight so that a driver's memory stays flat.

    ``address`` None starts Ray here (``workers`` CPUs); "auto" or host:port joins a cluster. Workers are
    told not to report usage and not to fork thread pools of their own: a task is given one core.
    """

    name = "ray"

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        max_in_flight: int | None = None,
        retries: int = 3,
    ) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Ray 2.60 would otherwise override accelerator variables of tasks without GPUs, with a warning.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self._ray = ray
        self._owned = not ray.is_initialized()
        self.retries = retries
        if self._owned:
            try:
                self._start(address, workers)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise InputError(
                    f"engine.address {address!r}: no Ray cluster answers there: {error}; "
                    "leave it empty to start Ray here"
                ) from error
        cpus = int(ray.cluster_resources().get("CPU", 1))
        self.workers = workers or cpus
        self.max_in_flight = max_in_flight or max(4, 2 * cpus)

    def _start(self, address: str | None, workers: int | None) -> None:
        common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address is not None:
            self._ray.init(address=address, **common)
            return
        for left in reversed(range(STARTS)):
            try:
                self._ray.init(
                    num_cpus=workers or os.cpu_count(),
                    include_dashboard=False,
                    object_store_memory=200_000_000,
                    **common,
                )
                return
            except Exception as error:
                # A bare Exception, after 30 s that cannot be set, which a busy machine may take.
                if type(error) is not Exception or "timed out during startup" not in str(error):
                    raise
                self._ray.shutdown()
                if not left:
                    raise RunError(
                        f"Ray did not start here in {STARTS} tries: {error}; on a machine this busy take "
                        "--engine local"
                    ) from error

    def run(
        self,
        task: Callable[[Item], Result],
        items: Sequence[Item],
        resources: Resources = Resources(),  # noqa: B008 -- frozen
    ) -> Iterator[tuple[int, Result]]:
        ray = self._ray

        def one(item: Item) -> Result:
            # Ray wants a function, and any callable may be a task.
            return task(item)

        remote = ray.remote(one).options(
            num_cpus=resources.cpus,
            num_gpus=resources.gpus,
            memory=resources.memory_bytes,
            max_retries=self.retries,
            retry_exceptions=[OSError],
        )
        running: dict[Any, int] = {}
        position = 0
        try:
            while position < len(items) or running:
                while position < len(items) and len(running) < self.max_in_flight:
                    running[remote.remote(items[position])] = position
                    position += 1
                done, others = ray.wait(list(running), num_returns=1)
                if others:
                    # Whatever else is ready: one look at thousands of tasks, not one a task.
                    done += ray.wait(others, num_returns=len(others), timeout=0)[0]
                for reference in done:
                    index = running.pop(reference)
                    yield index, self._result(reference)
        finally:
            for reference in running:
                ray.cancel(reference, force=False)

    def _result(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, HanjiError):
                raise cause from None
            kept = "; what was finished is kept, and the same command goes on from there"
            trouble = " by trouble of the machine" if isinstance(cause, OSError) else ""
            raise RunError(
                f"a task failed{trouble}: {type(cause).__name__}: {cause}{kept if trouble else ''}"
            ) from error
        except self._ray.exceptions.RayError as error:
            raise RunError(
                f"Ray gave a task up after {self.retries} retries: {error}; what was finished is kept"
            ) from error

    def facts(self) -> dict[str, Any]:
        nodes = [node for node in self._ray.nodes() if node.get("Alive")]
        return {
            "engine": self.name,
            "ray": self._ray.__version__,
            "nodes": len(nodes),
            "workers": self.workers,
        }

    def close(self) -> None:
        if self._owned and self._ray.is_initialized():
            self._ray.shutdown()
