"""Telling a person how far the work is, without the work knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What a long job tells. Calls come from one thread, in order: a step, its advances, the next step."""

    def step(self, name: str, total: int, done: int) -> None:
        """A step of ``total`` units begins, ``done`` of which are there already."""

    def advance(self, n: int = 1) -> None:
        """``n`` more units of the current step are done."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class SilentProgress:
    """Tells nobody."""

    def step(self, name: str, total: int, done: int) -> None: ...

    def advance(self, n: int = 1) -> None: ...

    def note(self, text: str) -> None: ...
