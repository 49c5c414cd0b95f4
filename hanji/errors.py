"""The errors that Hanji raises on purpose.

Library code raises; only the command line exits. Each class names the exit code that the command line
gives it, so that the meaning of an exit code lives in one place.
"""

from __future__ import annotations


class HanjiError(Exception):
    """Something went wrong that Hanji can explain. The message names what, where and what to do."""

    exit_code = 1


class RecipeError(HanjiError):
    """The recipe or the arguments are wrong: the message names the field, the value and what is allowed."""

    exit_code = 2


class InputError(HanjiError):
    """An input (a path, a file, a model) is missing or is not what it claims to be."""

    exit_code = 1


class UnreadableError(InputError):
    """A file is gone, or its bytes are not those that were written. ``path`` is relative to its storage."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(path, message)
        self.path = path

    def __str__(self) -> str:
        return str(self.args[1])


class RunError(HanjiError):
    """A run failed; the ledger and the log say why."""

    exit_code = 1


class ConservationError(RunError):
    """Documents in and documents accounted for differ: in = kept + dropped + failed does not hold."""


class MissingExtraError(HanjiError):
    """An optional dependency is needed and absent; the message names the extra to install."""

    exit_code = 2

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional dependency: pip install 'hanji[{extra}]'")
        self._given = (what, extra)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Errors of tasks travel between processes; by default an exception is made again from its message."""
        return type(self), self._given
