"""What an engine is: one verb, *run*; the second verb, *exchange*, goes through files for all of them.

An engine runs independent tasks with resources and retries and hands back each result as it comes. Tasks
run at least once: they mint nothing, write to attempt-unique names and commit by a create-if-absent put
(:mod:`hanji.curation.work`), so that a second attempt changes nothing. Rows move between tasks through
:mod:`hanji.curation.exchange`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Resources:
    """What one task needs of a machine: cores, bytes of memory (None: not said), GPUs."""

    cpus: float = 1.0
    memory_bytes: int | None = None
    gpus: float = 0.0


class Engine(Protocol):
    """Runs independent tasks. ``task`` is a picklable function of one picklable item."""

    name: str

    def run(
        self,
        task: Callable[[Item], Result],
        items: Sequence[Item],
        resources: Resources = Resources(),
    ) -> Iterator[tuple[int, Result]]:
        """Yield (index of the item, result) in the order of completion.

        A task whose worker dies is tried again; an exception that a task raises ends the run, after
        machine trouble (OSError) was tried again as well. No more than a bounded number is in flight.
        """
        ...

    def facts(self) -> dict[str, Any]:
        """What it runs on, for run.json: name, workers, versions."""
        ...

    def close(self) -> None:
        """Give back what the engine started. Closing twice is harmless."""
        ...
