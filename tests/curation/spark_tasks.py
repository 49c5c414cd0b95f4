"""Tasks that the tests of engines hand out: workers find them by this module's name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from hanji.errors import MissingExtraError, RecipeError


def double(number: int) -> int:
    return 2 * number


def wrong_field(_: int) -> None:
    raise RecipeError("floor.min_characters: -1 is not allowed")


def missing_extra(_: int) -> None:
    raise MissingExtraError("a thing", "spark")


def divided(number: int) -> float:
    return number / 0


def dies_once(work: tuple[str, int]) -> int:
    """Every third task kills its worker at its first attempt."""
    directory, number = work
    mark = Path(directory) / f"died-{number}"
    if number % 3 == 0 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def dies(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fails_once(work: tuple[str, int]) -> int:
    """Every task meets trouble of the machine at its first attempt."""
    directory, number = work
    mark = Path(directory) / f"failed-{number}"
    if not mark.exists():
        mark.touch()
        raise OSError(28, "No space left on device")
    return number


def always_fails(_: int) -> None:
    raise OSError(28, "No space left on device")


def waits(work: tuple[str, int]) -> int:
    """The first task goes on until another one, handed out long after it, has ended."""
    directory, number = work
    if number == 0:
        limit = time.monotonic() + 60
        while not (Path(directory) / "ended-40").exists() and time.monotonic() < limit:
            time.sleep(0.05)
    (Path(directory) / f"ended-{number}").touch()
    return number


def notes(work: tuple[str, int]) -> int:
    """Leaves a mark, to be counted."""
    directory, number = work
    (Path(directory) / f"ran-{number}").touch()
    return number
