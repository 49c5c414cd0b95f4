"""Texts of the development data, for tests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path


def documents(data: Path, name: str, number: int | None = None) -> Iterator[str]:
    """The first texts of a source (all of them without a number)."""
    with gzip.open(data / f"{name}.jsonl.gz", "rb") as lines:
        for line in islice(lines, number):
            yield json.loads(line)["text"]
