"""A page of 60 MB is a row of the ledger, takes bounded time and memory, and leaves its neighbours alone."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from curation_corpus import KOREAN, article, make_recipe

from hanji.curation.engines.local import LocalEngine
from hanji.curation.pipeline import curate

BYTES = 60_000_000
NEIGHBOURS = 8
# Runs a recipe in this process alone, and says what it took.
MEASURED = """
import json, resource, sys
from hanji.curation.engines.local import LocalEngine
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
if __name__ == "__main__":
    curate(CurationRecipe.model_validate_json(sys.argv[1]), LocalEngine(1))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"mib": used.ru_maxrss >> 10, "seconds": used.ru_utime + used.ru_stime}))
"""


def write_pages(directory: Path, kind: str, between: str) -> None:
    """Short pages, and one of BYTES made of sentences with ``between`` between them."""
    rng = random.Random(1)
    words = [word for sentence in KOREAN for word in sentence.split()]
    sentences = [" ".join(rng.choices(words, k=10)) + "." for _ in range(20_000)]
    once = between.join(sentences)
    huge = between.join([once] * (BYTES // len(once.encode()) + 1))
    directory.mkdir()
    texts = {f"{number}": article("ko", number) for number in range(NEIGHBOURS)} | {"huge": huge}
    for name, text in texts.items():
        if kind == "html":
            text = f"<html><head><title>{name}</title></head><body><article><p>{text}</p></article></body></html>"
        (directory / f"{name}.{'html' if kind == 'html' else 'txt'}").write_text(text, encoding="utf-8")


def pages_recipe(base: Path, kind: str, **changes: Any) -> Any:
    sources = [{"name": "s", "format": kind, "paths": [str(base / "input")]}]
    return make_recipe(base / "run", [], sources=sources, **changes)


def rows(run: Path) -> tuple[list[Any], list[Any]]:
    """(verdict, step, rule, text bytes) of the huge page, and the verdicts of the others."""
    table = f"'{run}/ledger/*.parquet'"
    huge = f"SELECT verdict, step, rule, text_bytes FROM {table} WHERE payload_bytes >= {BYTES}"
    others = f"SELECT verdict FROM {table} WHERE payload_bytes < {BYTES}"
    with duckdb.connect() as connection:
        rest = [row[0] for row in connection.execute(others).fetchall()]
        return connection.execute(huge).fetchall(), rest


def test_by_default_a_huge_page_falls_to_a_floor_unparsed(tmp_path: Path) -> None:
    write_pages(tmp_path / "input", "html", " ")
    summary = curate(pages_recipe(tmp_path, "html"), LocalEngine(1))
    huge, others = rows(tmp_path / "run")
    assert huge == [("dropped", "floor", "floor.max_payload_bytes", 0)]
    assert others == ["kept"] * NEIGHBOURS
    assert summary.failed == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("between", [" ", "\n", "</p>\n<p>"], ids=["one line", "many lines", "paragraphs"])
@pytest.mark.parametrize("kind", ["text", "html"])
def test_a_huge_page_that_is_let_in_is_kept_in_bounded_time_and_memory(
    tmp_path: Path, kind: str, between: str
) -> None:
    if kind == "text" and "<" in between:
        pytest.skip("a text has no paragraphs of that kind")
    write_pages(tmp_path / "input", kind, between)
    changes = {
        "floor": {"max_payload_bytes": 200_000_000, "max_characters": 100_000_000},
        "rules": {"presets": {}},
        "text": {"timeout_seconds": 120},
    }
    recipe = pages_recipe(tmp_path, kind, **changes)
    command = [sys.executable, "-c", MEASURED, recipe.model_dump_json()]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    used = json.loads(run.stdout.splitlines()[-1])
    ((verdict, _, rule, size),), others = rows(tmp_path / "run")
    assert (verdict, rule) == ("kept", None)
    assert size > 0.9 * BYTES
    assert others == ["kept"] * NEIGHBOURS
    assert used["mib"] < 6_000, used
    assert used["seconds"] < 300, used
