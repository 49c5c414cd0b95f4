"""How a command tells a person what it does: bars on a terminal, plain lines elsewhere.

Progress goes to stderr, results to stdout, so that a pipe gets the results alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from hanji.progress import Progress

SECONDS_BETWEEN_LINES = 10.0


class Bars:
    """A bar for the current step; of each finished one a line stays above it, however small the screen."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = RichProgress(
            TextColumn("  {task.description:<16}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            refresh_per_second=4,
        )
        self._current: TaskID | None = None

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._finish()
        self._bars.stop()

    def step(self, name: str, total: int, done: int) -> None:
        self._finish()
        note = f"{done} done before" if done else ""
        self._current = self._bars.add_task(name, total=total, completed=done, note=note)

    def advance(self, n: int = 1) -> None:
        if self._current is not None:
            self._bars.advance(self._current, n)
            if self._bars.tasks[0].finished:
                self._finish()

    def note(self, text: str) -> None:
        self._bars.console.print(Text(text, style="dim"))

    def _finish(self) -> None:
        if self._current is not None:
            task = self._bars.tasks[0]
            self._bars.remove_task(self._current)
            self._current = None
            whole = task.total is None or task.completed >= task.total
            line = Text("✓ " if whole else "· ", style="green" if whole else "yellow")
            line.append(f"{task.description:<16}", style="default")
            line.append(
                f"{task.completed:>7,.0f} of {task.total or 0:,.0f} in {task.elapsed or 0:.1f} s", "dim"
            )
            if task.fields["note"]:
                line.append(f"  ({task.fields['note']})", "dim")
            self._bars.console.print(line)


class Lines:
    """One line when a step begins, one when it is through, and one now and then in a long one."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._name: str | None = None
        self._total = self._done = 0
        self._started = self._told = 0.0

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._finish()

    def step(self, name: str, total: int, done: int) -> None:
        self._finish()
        self._name, self._total, self._done = name, total, done
        self._started = self._told = time.monotonic()

    def advance(self, n: int = 1) -> None:
        self._done += n
        now = time.monotonic()
        if self._done >= self._total:
            self._finish()
        elif now - self._told >= SECONDS_BETWEEN_LINES:
            self._told = now
            self._say(f"{self._name}: {self._done} of {self._total}")

    def note(self, text: str) -> None:
        self._say(text)

    def _finish(self) -> None:
        if self._name is not None:
            seconds = time.monotonic() - self._started
            self._say(f"{self._name}: {self._done} of {self._total} in {seconds:.1f} s")
            self._name = None

    def _say(self, text: str) -> None:
        print(text, file=self._file, flush=True)


@contextmanager
def progress(quiet: bool = False) -> Iterator[Progress]:
    """Where a command tells how far it is: bars if stderr is a terminal, else lines; nothing if quiet."""
    if quiet:
        from hanji.progress import SilentProgress

        yield SilentProgress()
        return
    console = Console(stderr=True)
    with Bars(console) if console.is_terminal else Lines(sys.stderr) as shown:
        yield shown


def say(*lines: str) -> None:
    """Results, to stdout."""
    for line in lines:
        print(line)


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> list[str]:
    """Lines of a table, text to the left and numbers to the right; Korean letters are two columns wide."""
    every = [head, *rows]
    widths = [max(cell_len(row[place]) for row in every) for place in range(len(head))]
    lines = []
    for row in every:
        cells = []
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - cell_len(cell))
            cells.append(cell + space if place < text_columns else space + cell)
        lines.append(("  " + "  ".join(cells)).rstrip())
    return lines


def fail(message: str) -> None:
    """An error, to stderr, as it is: no markup is read from it."""
    Console(stderr=True, soft_wrap=True).print(Text("hanji: ", style="bold red") + Text(message))


def number(value: float) -> str:
    """A count with thousands separators."""
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """ "48 s", "3 min 05 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def screen() -> tuple[int, bool]:
    """Columns of the terminal that results go to, and whether it takes colours (not with NO_COLOR set)."""
    console = Console()
    return max(40, console.width), console.is_terminal and not console.no_color
