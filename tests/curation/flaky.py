"""A store in memory that fails on command: registered with fsspec as ``flaky://``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fsspec
from fsspec.implementations.memory import MemoryFileSystem


class Flaky(MemoryFileSystem):  # type: ignore[misc]
    """``failures`` are raised one after another; with ``every``, each so-manieth request raises ``then`` of it."""

    protocol = "flaky"
    store: dict[str, Any] = {}
    pseudo_dirs = [""]
    failures: list[Exception] = []
    every: int | None = None
    then: Callable[[], Exception] = TimeoutError
    requests = 0

    @classmethod
    def register(cls) -> None:
        """Make ``flaky://`` known, empty and well."""
        fsspec.register_implementation("flaky", cls, clobber=True)
        cls.store.clear()
        cls.failures.clear()
        cls.every, cls.requests = None, 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("flaky://", "memory://", 1)))

    @classmethod
    def asked(cls) -> None:
        cls.requests += 1
        if cls.failures:
            raise cls.failures.pop(0)
        if cls.every is not None and cls.requests % cls.every == 0:
            raise cls.then()


def _failing(name: str) -> Callable[..., Any]:
    real = getattr(MemoryFileSystem, name)

    def request(self: Flaky, *arguments: Any, **named: Any) -> Any:
        self.asked()
        return real(self, *arguments, **named)

    return request


for verb in ("exists", "size", "ls", "find", "open", "cat_file", "pipe_file", "rm_file", "rm"):
    setattr(Flaky, verb, _failing(verb))
