"""Fixtures for runs of the whole pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
from curation_corpus import corpus_rows, write_rows


@pytest.fixture
def corpus(tmp_path: Path) -> list[Path]:
    """The rows of the small corpus in three files."""
    rows = corpus_rows()
    return [write_rows(tmp_path / "input" / f"{i}.jsonl", rows[i::3]) for i in range(3)]
