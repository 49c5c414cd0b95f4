"""Ctrl-C is noted where Python loses it."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import pytest

from hanji import interrupt
from hanji.curation.engines.local import LocalEngine
from hanji.curation.work import Attempt, Outcome, Runner, Step, Unit
from hanji.progress import SilentProgress
from hanji.storage import Storage


def pressed_in_vain() -> None:
    """Ctrl-C inside somebody's handler that catches everything."""
    with contextlib.suppress(BaseException):
        signal.raise_signal(signal.SIGINT)


def write_nothing(attempt: Attempt, work: int) -> Outcome:
    return Outcome()


def test_an_interrupt_that_was_swallowed_ends_the_next_step_all_the_same(tmp_path: Path) -> None:
    runner = Runner(Storage(str(tmp_path)), LocalEngine(workers=1), SilentProgress(), None)
    step, units = Step("nothing", 1, write_nothing), [Unit("one", 1, 1)]
    with interrupt.noted():
        assert len(runner.map(step, units)) == 1
        pressed_in_vain()
        with pytest.raises(KeyboardInterrupt):
            runner.map(step, units)
    assert len(runner.map(step, units)) == 1


def test_who_has_a_handler_of_his_own_keeps_it() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with interrupt.noted():
            signal.raise_signal(signal.SIGINT)
            interrupt.check()
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]
