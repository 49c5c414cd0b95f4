"""Fixtures for runs of the whole pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
from curation_corpus import corpus_rows, make_recipe, write_rows

from hanji.curation.pipeline import curate


@pytest.fixture
def corpus(tmp_path: Path) -> list[Path]:
    """The rows of the small corpus in three files."""
    rows = corpus_rows()
    return [write_rows(tmp_path / "input" / f"{i}.jsonl", rows[i::3]) for i in range(3)]


@pytest.fixture(scope="session")
def shared_corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same, for tests that compare with :func:`undisturbed` and leave the files as they are."""
    base = tmp_path_factory.mktemp("shared")
    rows = corpus_rows()
    return [write_rows(base / f"{i}.jsonl", rows[i::3]) for i in range(3)]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, shared_corpus: list[Path]) -> Path:
    """The directory of a run over ``shared_corpus`` that nothing happened to. Read it, or copy it."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    curate(make_recipe(run, shared_corpus))
    return run
