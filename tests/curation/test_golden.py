"""A step whose output changes gets a higher version: what every step makes of the sample corpus is on file.

After raising a version on purpose:  python tests/curation/test_golden.py
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

from hanji.curation.engines.local import LocalEngine
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.curation.versions import STEP_VERSIONS
from hanji.fingerprint import library_versions
from hanji.jobs import sample
from hanji.recipe import load_recipe

GOLDEN = Path(__file__).parent / "golden.json"
SAMPLE = Path(sample.__file__).parent
# Which steps' versions answer for a table: its own and those before it.
TABLES = {
    "documents": ["read"],
    "edits": ["read", "edit", "repeated"],
    "relations/lines": ["read", "edit", "repeated"],
    "signals/text": ["read", "edit", "repeated", "measure"],
    "gathered": ["read", "edit", "repeated", "gather"],
    "relations/edges": ["read", "edit", "repeated", "gather", "relate"],
    "relations/clusters": ["read", "edit", "repeated", "gather", "relate", "cluster"],
    "ledger": ["read", "edit", "repeated", "measure", "gather", "relate", "cluster", "decide"],
    "shards": list(STEP_VERSIONS),
}
# Rules of its own: another value in a preset is no change of a step.
RULES = {
    language: [
        {"name": "min_words", "signal": "words", "keep": ">= 30", "why": "short"},
        {"name": "repeats", "signal": "duplicate_5_gram_share", "keep": "<= 0.15", "why": "repeats"},
        {"name": "short_lines", "signal": "short_line_share", "keep": "<= 0.67", "why": "a menu"},
    ]
    for language in ("ko", "en")
}
# The sample is small: lines of three documents are many there.
LINES = {
    "enabled": True,
    "thresholds": {language: {"green": 1, "red": 2} for language in ("ko", "en")},
}
# Where other versions of these may rightly give other texts.
LIBRARIES = ("resiliparse", "fasttext", "tokenizers", "gigatoken", "numpy")


def made(directory: Path) -> dict[str, Any]:
    """SHA-256 of the rows of each table, however they lie in files."""
    paths = json.dumps([str(SAMPLE / name) for name in ("corpus.warc.gz", "broken.warc.gz")])
    rules = json.dumps({"presets": {}, "own": RULES})
    overrides = [f"run={directory}", "quality={}", f"sources.sample-web.paths={paths}", f"rules={rules}"]
    overrides.append(f"dedup.lines={json.dumps(LINES)}")
    recipe = load_recipe(SAMPLE.parent / "recipes" / "demo.yaml", CurationRecipe, overrides)
    curate(recipe, LocalEngine(workers=1))
    return {name: rows_digest(directory, name) for name in TABLES}


def rows_digest(directory: Path, name: str) -> str:
    if name == "shards":
        lines = sorted(
            f"{path.relative_to(directory)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
            for path in (directory / name).rglob("*.bin")
        )
    else:
        rows = []
        for path in sorted((directory / name).rglob("*.parquet")):
            relation = duckdb.sql(f"SELECT * FROM '{path}'")
            # Paths differ by checkout, and the score of the language model in its last digits by processor.
            columns = [c for c in relation.columns if c not in ("path", "language_score", "score")]
            rows += [
                repr([(c, v) for c, v in zip(columns, row, strict=True)])
                for row in relation.project(", ".join(f'"{c}"' for c in columns)).fetchall()
            ]
        lines = sorted(rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_output_that_changed_has_another_version(tmp_path: Path) -> None:
    golden = json.loads(GOLDEN.read_text("utf-8"))
    if golden["libraries"] != library_versions(*LIBRARIES):
        pytest.skip("other library versions than the golden outputs were made with")
    assert golden["versions"] == STEP_VERSIONS, "versions were raised: run this file as a program"
    found = made(tmp_path / "run")
    changed = [name for name in TABLES if found[name] != golden["tables"][name]]
    assert not changed, (
        f"the output of {changed[0]} changed: raise the VERSION of one of {TABLES[changed[0]]} "
        "(hanji/curation/versions.py says where they are), then run this file as a program"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        facts = {
            "versions": STEP_VERSIONS,
            "libraries": library_versions(*LIBRARIES),
            "tables": made(Path(scratch) / "run"),
        }
    GOLDEN.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"wrote {GOLDEN.name}\n")
