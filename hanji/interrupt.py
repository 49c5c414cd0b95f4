"""Ctrl-C, also where Python loses it.

An interrupt that arrives while a finaliser or a callback runs, or inside a library's bare ``except``, is printed or
swallowed and the program goes on. It is noted here as well, and what works for long asks from time to time.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_asked = threading.Event()


@contextmanager
def noted() -> Iterator[None]:
    """While the block runs, Ctrl-C is noted and raises KeyboardInterrupt. Does nothing outside the main thread."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    _asked.clear()
    before = signal.signal(signal.SIGINT, _note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _asked.clear()


def check() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed since :func:`noted` began."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _note(number: int, frame: FrameType | None) -> None:
    _asked.set()
    raise KeyboardInterrupt
