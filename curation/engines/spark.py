"""The Spark engine: tasks of one item each, in jobs of a few tasks, on a cluster or inside this process.

Each task hands its result to an accumulator, whose updates reach the driver when the task has ended, once for
every task that succeeds, so results come as they complete although a job has many tasks. (A job for every task
costs the driver more; one job for all tasks would hold thousands of them in the driver, and ``collect`` gives
nothing before the last one.) When enough tasks have ended, a
further job fills what they left, so a slow task keeps nobody waiting.

Machine trouble, a lost executor, a worker that died, an OSError, is tried again by Spark
(``spark.task.maxFailures``). Whatever else a task raises comes back as its result and is raised here.
"""

from __future__ import annotations

import math
import pickle
import platform
import queue
import threading
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from hanji.curation.engines import spark_start
from hanji.curation.engines.base import Item, Resources, Result
from hanji.errors import HanjiError, InputError, RunError

LEAST_IN_FLIGHT = 16
PER_CORE = 4
JOBS = 4
"""Jobs that the bound on tasks in flight is cut into."""


class SparkEngine:
    """Spark tasks, with a bound on how many are in flight so that a driver's memory stays flat.

    ``address`` is a master URL (``local[2]``, ``spark://host:port``, ``yarn``, ``k8s://https://…``); None takes the
    master that spark-submit was given, or starts Spark here with ``workers`` cores.
    """

    name = "spark"

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        max_in_flight: int | None = None,
        retries: int = 3,
    ) -> None:
        self._context, self._owned = spark_start.start(address, workers, retries)
        self.retries = retries
        self.max_in_flight = max_in_flight
        self.workers = workers or int(self._context.defaultParallelism)
        self._is_checked = False

    def run(
        self,
        task: Callable[[Item], Result],
        items: Sequence[Item],
        resources: Resources = Resources(),  # noqa: B008 -- frozen
    ) -> Iterator[tuple[int, Result]]:
        if not items:
            return
        self.check_workers()
        jobs = _Jobs(self._context, task, self.retries, self._profile(resources))
        position = running = 0
        try:
            while position < len(items) or running:
                bound = self._bound(resources)
                batch = max(1, bound // JOBS)
                while position < len(items) and running + min(batch, len(items) - position) <= bound:
                    count = min(batch, len(items) - position)
                    jobs.start([(index, items[index]) for index in range(position, position + count)])
                    position += count
                    running += count
                index, result = jobs.next()
                running -= 1
                yield index, result
        finally:
            jobs.end()

    def ask_all(self, question: Callable[[], Any], seconds: float) -> dict[str, Any]:
        """What every executor answers, by name (host, or host and number). Raises RunError after ``seconds``.

        All cores are asked at once (a barrier stage), so no executor is left out; where executors come and go
        (dynamic allocation) those are asked that take the tasks. ``question`` is pickled as it is.
        """
        cores = max(1, int(self._context.defaultParallelism))
        moving = self._context.getConf().get("spark.dynamicAllocation.enabled", "false") == "true"

        def answer(_: Iterable[int]) -> list[tuple[str, Any]]:
            import os
            import socket

            return [(f"{socket.gethostname()} {os.environ.get('SPARK_EXECUTOR_ID', '')}".strip(), question())]

        asked = self._context.parallelize(range(cores), cores)
        asked = asked.mapPartitions(answer) if moving else asked.barrier().mapPartitions(answer)
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        group = f"hanji-ask-{uuid.uuid4().hex}"

        def collect() -> None:
            self._context.setJobGroup(group, "asking the executors", interruptOnCancel=True)
            try:
                answers.put(asked.collect())
            except Exception as error:
                answers.put(error)

        _thread(collect).start()
        try:
            got = answers.get(timeout=seconds)
        except queue.Empty:
            self._context.cancelJobGroup(group)
            raise RunError(f"the executors of Spark did not answer within {seconds:g} s") from None
        if isinstance(got, Exception):
            raise RunError(f"the executors of Spark cannot be asked: {spark_start.first_line(got)}")
        return dict(got)

    def check_workers(self) -> None:
        """Raise InputError unless workers import this package: tasks are pickled by the names of functions."""
        if self._is_checked:
            return

        # Nested, so that it is pickled whole and needs nothing of this package where it runs.
        def trouble() -> str | None:
            import sys

            try:
                import hanji.curation.engines.spark  # noqa: F401
            except Exception as error:
                return f"{sys.executable} ({sys.version.split()[0]}): {type(error).__name__}: {error}"
            return None

        said = self.ask_all(trouble, seconds=600.0)
        wrong = [f"{name}: {what}" for name, what in sorted(said.items()) if what is not None]
        if wrong:
            raise InputError(
                "these workers of Spark cannot import hanji, which tasks need:\n  "
                + "\n  ".join(wrong)
                + "\nInstall the project into the workers' Python (PYSPARK_PYTHON, spark.pyspark.python), or let "
                "`hanji submit --on spark` bring it (docs/engines.md)."
            )
        self._is_checked = True

    def _bound(self, resources: Resources) -> int:
        """How many tasks may be handed out. A cluster's cores are counted anew: executors come and go."""
        cores = int(self._context.defaultParallelism)
        bound = self.max_in_flight or max(LEAST_IN_FLIGHT, PER_CORE * cores)
        if not self._is_local:
            return bound
        # One machine without a scheduler of memory: what is handed out at a time is what there is room for.
        if resources.memory_bytes is not None:
            bound = min(bound, _memory_bytes() // resources.memory_bytes)
        if resources.cpus != 1.0:
            bound = min(bound, int(cores / resources.cpus))
        return max(1, bound)

    @property
    def _is_local(self) -> bool:
        master = str(self._context.master)
        return master == "local" or master.startswith("local[")

    def _profile(self, resources: Resources) -> Any:
        """What Spark's scheduler is told of a task on a cluster: cores, GPUs, and memory as a share of cores."""
        if self._is_local:
            return None
        cpus = math.ceil(resources.cpus)
        conf = self._context.getConf()
        room = conf.get("spark.executor.pyspark.memory") or conf.get("spark.executor.memoryOverhead")
        cores = int(conf.get("spark.executor.cores", "0"))
        if resources.memory_bytes is not None and room and cores:
            # Spark schedules no memory: a task that wants half of an executor's takes half of its cores.
            cpus = max(cpus, math.ceil(cores * resources.memory_bytes / spark_bytes(room)))
            if cpus > cores:
                raise InputError(
                    f"engine.task_memory_bytes: {resources.memory_bytes} is more than an executor has for Python "
                    f"({room})"
                )
        if cpus == 1 and not resources.gpus:
            return None
        from pyspark.resource import ResourceProfileBuilder, TaskResourceRequests

        requests = TaskResourceRequests().cpus(cpus)
        if resources.gpus:
            requests = requests.resource("gpu", resources.gpus)
        return ResourceProfileBuilder().require(requests).build

    def facts(self) -> dict[str, Any]:
        master = str(self._context.master)
        return {
            "engine": self.name,
            "spark": self._context.version,
            # Without the address: it says where a cluster is.
            "master": master.partition(":")[0],
            "workers": self.workers,
            "python": platform.python_version(),
        }

    def close(self) -> None:
        """Stop Spark if it was started here. Its JVM ends with this process."""
        if self._owned and self._context is not None:
            self._context.stop()
        self._owned = False


class _Jobs:
    """Jobs of one call of ``run``, each waited for by a thread; results arrive in one queue."""

    def __init__(self, context: Any, task: Callable[[Any], Any], retries: int, profile: Any) -> None:
        self._context = context
        self._profile = profile
        self._group = f"hanji-{uuid.uuid4().hex}"
        self._arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads: set[threading.Thread] = set()

        self._function = _PartitionTask(task, retries, context.accumulator(_Mailbox(self._arrived), _Lists()))

    def start(self, rows: list[tuple[int, Any]]) -> None:
        """Hand out a job with a task for each row."""

        def wait() -> None:
            try:
                # Properties of a thread: each has one of its own in the JVM.
                self._context.setJobGroup(self._group, "hanji", interruptOnCancel=True)
                work = self._context.parallelize(rows, len(rows))
                if self._profile is not None:
                    work = work.withResources(self._profile)
                work.foreachPartition(self._function)
            except Exception as error:
                self._arrived.put(error)
            finally:
                self._threads.discard(thread)

        thread = _thread(wait)
        self._threads.add(thread)
        thread.start()

    def next(self) -> tuple[int, Any]:
        """The next result. Raises what a task raised, or RunError where Spark gave a task up."""
        got = self._arrived.get()
        if isinstance(got, Exception):
            raise RunError(
                f"Spark gave a task up: {spark_start.first_line(got)}; what was finished is kept"
            ) from None
        index, outcome = pickle.loads(got)
        if isinstance(outcome, _Raised):
            raise outcome.error from _Remote(outcome.traceback)
        return index, outcome

    def end(self) -> None:
        """Cancel what still runs and wait for its threads."""
        threads = list(self._threads)
        if threads:
            self._context.cancelJobGroup(self._group)
        for thread in threads:
            thread.join(timeout=30.0)


class _Lists:
    """Spark's AccumulatorParam of lists: those of workers are added up, the driver's is a mailbox."""

    def zero(self, value: Any) -> list[bytes]:
        return []

    def addInPlace(self, value1: Any, value2: Any) -> Any:
        value1.extend(value2)
        return value1


class _Mailbox(list[Any]):
    """Stands for a list on the driver's side of an accumulator: what is added goes into a queue."""

    def __init__(self, arrived: queue.SimpleQueue[Any]) -> None:
        super().__init__()
        self._arrived = arrived

    def extend(self, values: Iterable[Any]) -> None:
        for value in values:
            self._arrived.put(value)


class _Raised:
    """An error on its way to the driver, with the worker's traceback as text."""

    def __init__(self, error: Exception, traceback: str) -> None:
        self.error = error
        self.traceback = traceback


class _Remote(Exception):
    """The traceback of a worker, shown as the cause of an error."""

    def __init__(self, text: str) -> None:
        super().__init__(f"\n{text}")


class _PartitionTask:
    """What a worker calls with the rows of its partition; pickled by the name of this class."""

    def __init__(self, task: Callable[[Any], Any], retries: int, results: Any) -> None:
        self.task = task
        self.retries = retries
        self.results = results

    def __call__(self, rows: Iterable[tuple[int, Any]]) -> None:
        for index, item in rows:
            self.results.add([pickle.dumps((index, self._outcome(item)))])

    def _outcome(self, item: Any) -> Any:
        from pyspark import TaskContext

        try:
            return self.task(item)
        except HanjiError as error:
            return _Raised(error, traceback.format_exc())
        except OSError as error:
            context = TaskContext.get()
            if context is not None and context.attemptNumber() < self.retries:
                raise  # Spark tries again, elsewhere if it can
            said = f"a task failed {self.retries + 1} times by trouble of the machine: "
            return _Raised(RunError(f"{said}{type(error).__name__}: {error}"), traceback.format_exc())
        except Exception as error:
            return _Raised(
                RunError(f"a task failed: {type(error).__name__}: {error}"), traceback.format_exc()
            )


def _thread(target: Callable[[], None]) -> threading.Thread:
    return threading.Thread(target=target, name="hanji-spark", daemon=True)


def _memory_bytes() -> int:
    import os

    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def spark_bytes(text: str) -> int:
    """Bytes of a Spark size like 512m or 8g; a bare number is mebibytes, as for executors' memory."""
    units = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
    plain = text.strip().lower().removesuffix("b")
    if plain and plain[-1] in units:
        return int(float(plain[:-1]) * units[plain[-1]])
    return int(plain) * 2**20
