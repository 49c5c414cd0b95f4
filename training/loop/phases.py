"""Where the time of a rank goes: data, forward, backward, communication, optimizer, checkpoints, validation.

Megatron's schedules call timers around each forward and backward pass, each exchange between pipeline stages and
the reduction of gradients, if a model's config holds an object that makes them: :class:`Phases` is one. On a GPU a
span is a pair of events on the stream, read when both have passed, so nothing waits for the device. On a CPU, and
for what the host does alone (reading data, saving), it is the clock.

Collectives among tensor ranks run inside of the forward and backward passes and count there; the gathering of
weights counts to the optimizer.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

PHASES = (
    "data",
    "forward",
    "backward",
    "communication",
    "optimizer",
    "checkpoint",
    "validation",
)
"""In the order in which they are shown; what is left of the time between two intervals is told as "other"."""


def phase_of(timer: str) -> str | None:
    """The phase that one of Megatron's timers belongs to; None for one that spans several."""
    if timer == "forward-compute":
        return "forward"
    if timer == "backward-compute":
        return "backward"
    if timer.endswith(("-recv", "-send", "-all-reduce", "-sync")):
        return "communication"
    return None


class Phases:
    """Seconds by phase on this rank; also what Megatron takes for its ``config.timers``.

    It counts only inside of :meth:`counting`: validation and shadows go through the same schedules and are no
    training steps.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._seconds = dict.fromkeys(PHASES, 0.0)
        self._counts = False
        self._spans: dict[str, _Span] = {}
        self._spare: list[torch.cuda.Event] = []
        self._open: deque[tuple[str, torch.cuda.Event, torch.cuda.Event]] = deque()

    def __call__(self, timer: str, log_level: int | None = None) -> _Span:
        """Megatron's way to ask for a timer by its name."""
        if timer not in self._spans:
            self._spans[timer] = _Span(self, phase_of(timer))
        return self._spans[timer]

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count Megatron's spans for as long as this lasts."""
        self._counts = True
        try:
            yield
        finally:
            self._counts = False

    @contextmanager
    def device(self, phase: str) -> Iterator[None]:
        """A span of work that is given to the device."""
        begun = self._now()
        try:
            yield
        finally:
            self._end(phase, begun)

    @contextmanager
    def host(self, phase: str) -> Iterator[None]:
        """A span by the clock."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[phase] += time.perf_counter() - started

    def settle(self) -> None:
        """Add up the spans that the device has finished, so that events are few; for once a step."""
        # The stream passes events in their order: the first that has not passed ends it.
        while self._open and self._open[0][2].query():
            phase, first, last = self._open.popleft()
            self._seconds[phase] += first.elapsed_time(last) / 1000
            self._spare += (first, last)

    def take(self) -> list[float]:
        """Seconds by phase, in the order of ``PHASES``, since the last call.

        On a GPU, spans that the device has not finished yet are left for the next call.
        """
        self.settle()
        taken = [self._seconds[phase] for phase in PHASES]
        self._seconds = dict.fromkeys(PHASES, 0.0)
        return taken

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = self._spare.pop() if self._spare else torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _end(self, phase: str, begun: Any) -> None:
        if self._cuda:
            self._open.append((phase, begun, self._now()))
        else:
            self._seconds[phase] += time.perf_counter() - begun


class _Span:
    """One of Megatron's timers."""

    def __init__(self, phases: Phases, phase: str | None) -> None:
        self._phases, self._phase = phases, phase
        self._begun: Any = None

    def start(self, barrier: bool = False) -> None:
        """Begin; ``barrier`` is not heeded, since it would make ranks wait for one another."""
        if self._phase is not None and self._phases._counts:
            self._begun = self._phases._now()

    def stop(self, barrier: bool = False) -> None:
        """End the span that :meth:`start` began, if it counts."""
        if self._phase is not None and self._begun is not None:
            self._phases._end(self._phase, self._begun)
            self._begun = None
