"""Where a training run's report is: RUN/report/index.html."""

from __future__ import annotations

from hanji.storage import Storage
from hanji.training.report.collect import Collected, collect
from hanji.training.report.page import render

PAGE = "report/index.html"


def write_report(found: Collected) -> str:
    """Write the page of a run that was read; returns where it is. The page replaces an older one at once."""
    storage = Storage(found.run)
    storage.write_bytes(PAGE, render(found).encode())
    return storage.describe(PAGE)


def report_on(run: str) -> str:
    """Read a run's directory and write its page; returns where it is."""
    return write_report(collect(run))
