"""Fixtures of the command line and of jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from curation_corpus import corpus_rows, make_recipe, write_rows
from ray_head import Hanji, Head, ray_head

from hanji.curation.pipeline import curate


@pytest.fixture(scope="session")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run over the small corpus of the curation's tests; tests must not write to it."""
    base = tmp_path_factory.mktemp("curated")
    curate(make_recipe(base / "run", [write_rows(base / "0.jsonl", corpus_rows())]))
    return base / "run"


@pytest.fixture
def hanji() -> Hanji:
    """Run the command line as a person does, in a process of its own."""

    def run(
        *arguments: object, cwd: Path | None = None, timeout: float = 240, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **variables}
        for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "FORCE_COLOR"):
            if name not in variables:
                environment.pop(name, None)
        return subprocess.run(
            [sys.executable, "-m", "hanji", *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
        )

    return run


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """A Ray head with dashboard and token mode on."""
    with ray_head(tmp_path_factory.mktemp("head")) as started:
        yield started
