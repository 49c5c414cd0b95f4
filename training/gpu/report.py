"""What the check found: rows of named figures, written to disk as they come.

A check on a rented GPU can be cut off at any moment, so every row is printed, flushed, and both files (JSON
for machines, Markdown for docs/gpu.md) are rewritten after each.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass
class Section:
    """A table: a title, a note on how to read it, and its rows."""

    name: str
    title: str
    note: str = ""
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""


class Report:
    """Sections in the order in which they ran, mirrored to ``directory``."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.sections: list[Section] = []
        self.profiles: dict[str, dict[str, float]] = {}
        """Milliseconds of kernels by kind, by what was run; a table is made of them afterwards."""
        self.started = time.perf_counter()
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)

    @property
    def elapsed(self) -> float:
        """Seconds since the report was opened."""
        return time.perf_counter() - self.started

    def section(self, name: str, title: str, note: str = "") -> Section:
        """Open a table."""
        section = Section(name, title, note)
        self.sections.append(section)
        say(f"\n== {title}  [{self.elapsed:.0f} s]")
        if note:
            say(note)
        return section

    def add(self, section: Section, **figures: Any) -> Row:
        """Add a row, print it and write the files."""
        section.rows.append(figures)
        cells = "  ".join(f"{key}={_cell(value)}" for key, value in figures.items())
        say(f"  [{self.elapsed:.1f} s]  {cells}")
        self.write()
        return figures

    def attempt(
        self, section: Section, what: str, function: Callable[[], Row], *, optional: bool = False
    ) -> Row | None:
        """Add what the function returns as a row; an exception becomes a row too.

        ``optional``: what a machine may well not have (a kernel for this shape), so that it is no failure.
        """
        try:
            return self.add(section, **{"what": what, **function()})
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {str(error)[:400]} ({Path(place.filename).name}:{place.lineno})"
            if optional:
                self.add(section, what=what, note=text)
                return None
            self.add(section, what=what, ok=False, error=text)
            say(traceback.format_exc(limit=-6))
            return None

    @property
    def failures(self) -> list[str]:
        """What did not run or did not hold."""
        failed = [f"{section.name}: {section.error}" for section in self.sections if section.error]
        for section in self.sections:
            failed += [f"{section.name}: {row.get('what')}" for row in section.rows if row.get("ok") is False]
        return failed

    def write(self) -> None:
        """Write report.json and report.md."""
        if self.directory is None:
            return
        entries = [vars(section) for section in self.sections]
        text = json.dumps(entries, indent=1, ensure_ascii=False, default=str)
        (self.directory / "report.json").write_text(text + "\n", encoding="utf-8")
        (self.directory / "report.md").write_text(self.markdown(), encoding="utf-8")

    def markdown(self) -> str:
        """The tables as Markdown."""
        parts = []
        for section in self.sections:
            parts.append(f"### {section.title}\n")
            if section.note:
                parts.append(section.note + "\n")
            if section.error:
                parts.append(f"Cut off: `{section.error}`\n")
            parts.append(_table(section.rows))
        return "\n".join(parts)


def say(text: str) -> None:
    """Print and flush."""
    print(text, flush=True)


def _table(rows: list[Row]) -> str:
    columns: list[str] = []
    for row in rows:
        columns += [key for key in row if key not in columns]
    if not columns:
        return ""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(key, "")) for key in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        if value != 0 and abs(value) < 1e-2:
            return f"{value:.1e}"
        return (
            f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
        )
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "/").replace("\n", " ")
