"""hanji compare: what a person reads, what is written to files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from curation_corpus import corpus_rows, make_recipe, write_rows
from ray_head import Hanji

from hanji.curation.pipeline import curate


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, a and b: in b English documents need 230 words."""
    base = tmp_path_factory.mktemp("runs")
    rows = write_rows(base / "rows.jsonl", corpus_rows())
    curate(make_recipe(base / "a", [rows], rules={"presets": {"en": ["gopher"]}}))
    rules = {"presets": {"en": ["gopher"]}, "thresholds": {"gopher": {"min_words": 230}}}
    curate(make_recipe(base / "b", [rows], rules=rules))
    return base


def test_a_comparison_says_what_moved_and_why(hanji: Hanji, runs: Path) -> None:
    said = hanji("compare", "a", "b", "--report", "c.html", "--json", "c.json", cwd=runs)
    assert said.returncode == 0, said.stderr
    found = json.loads((runs / "c.json").read_text("utf-8"))
    (change,) = [row for row in found["changes"] if row["verdicts"] == ["kept", "gopher.min_words"]]
    assert change["documents"] > 0
    lines = said.stdout.splitlines()
    place = lines.index(f"  {change['documents']:>10}  kept → gopher.min_words")
    assert lines[place + 1].split()[:4] == [str(change["documents"]), "the", "threshold", "moved:"]
    assert "keeps ≥ 50 → ≥ 230" in lines[place + 1]
    assert "  rules.thresholds.gopher.min_words  – → 230.0" in lines
    assert (
        f"   {found['shared']} documents are in both, {found['unchanged']} of them with the same verdict"
        in lines
    )
    page = (runs / "c.html").read_text("utf-8")
    assert page.startswith("<!doctype html>") and "gopher.min_words" in page
    assert "compare: 3 of 3" in said.stderr


def test_a_run_compared_with_itself_says_so(hanji: Hanji, runs: Path) -> None:
    said = hanji("compare", "a", "a", "-q", cwd=runs)
    assert said.returncode == 0 and not said.stderr
    assert "recipes, versions and rules are the same" in said.stdout
    assert "0 documents have another verdict" in said.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("a", "nowhere"), 1, "nowhere/run.json: not a run directory"),
        (("a", "unfinished"), 1, "unfinished: the run has not finished"),
        (("a", "training"), 1, "training: not a curation run"),
        (("a",), 2, "Missing argument 'RUN_B'"),
        (("a", "b", "--report", "gone/c.html"), 1, "gone/c.html: cannot be written"),
    ],
)
def test_what_is_no_finished_run_is_refused_by_name(
    hanji: Hanji, runs: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    for name, kind, finished in (("unfinished", "curation", False), ("training", "training", True)):
        (runs / name).mkdir(exist_ok=True)
        facts = {"recipe": {"kind": kind}, "finished": finished}
        (runs / name / "run.json").write_text(json.dumps(facts))
    ended = hanji("compare", *arguments, cwd=runs)
    assert ended.returncode == code
    assert message in ended.stderr and "Traceback" not in ended.stderr


def test_a_report_says_how_many_rules_it_leaves_out(hanji: Hanji, runs: Path) -> None:
    path = runs / "a/report/metrics.json"
    metrics = json.loads(path.read_text("utf-8"))
    (rule, *_) = metrics["rules"].values()
    metrics["rules"] = {f"rule.{n:02d}": {**rule, "count": 100 - n} for n in range(13)}
    (runs / "many/report").mkdir(parents=True)
    (runs / "many/report/metrics.json").write_text(json.dumps(metrics))
    said = hanji("report", "many", cwd=runs)
    assert said.returncode == 0, said.stderr
    assert f"{88 + 89 + 90:>12}  … and 3 more rules" in said.stdout
    assert "rule.09" in said.stdout and "rule.10" not in said.stdout
