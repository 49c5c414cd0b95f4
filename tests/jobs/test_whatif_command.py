"""hanji whatif as a person types it: what it says, what it writes, with which code it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from curation_corpus import article, make_recipe, write_rows
from ray_head import Hanji

from hanji.curation.pipeline import curate
from hanji.jobs.commands.whatif import share, size, table

RULES = {
    "presets": {"ko": [], "en": []},
    "own": {
        language: [{"name": "few", "signal": "words", "keep": ">= 80", "why": "too short"}]
        for language in ("ko", "en")
    },
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of articles of four lengths, of which a rule on words takes some."""
    base = tmp_path_factory.mktemp("whatif")
    rows = [
        {"id": f"{language}-{number}", "text": article(language, number, 4 + 4 * (number % 4))}
        for language in ("ko", "en")
        for number in range(12)
    ]
    rows.append({"id": "short", "text": "짧다"})
    curate(make_recipe(base / "run", [write_rows(base / "0.jsonl", rows)], rules=RULES))
    return base / "run"


def test_it_says_what_is_gained_and_how_to_do_it(hanji: Hanji, run: Path) -> None:
    ended = hanji("whatif", run, "own.few=45")
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout
    metrics = json.loads((run / "report" / "metrics.json").read_text())
    fell = metrics["rules"]["own.few"]["count"]
    assert "own.few (en, ko): words >= 80 → >= 45" in said
    assert f"own.few {fell} " in " ".join(said.split())
    assert "are kept now" in said and "--exact counts them" in said
    assert "gained: fell to own.few (keeps words >= 80, now >= 45)" in said
    assert "hanji curate RECIPE rules.thresholds.own.few=45" in said
    assert "1 of 25 documents fell before any rule" in said
    assert all(len(line) < 260 for line in said.splitlines())


def test_json_has_the_same_figures(hanji: Hanji, run: Path, tmp_path: Path) -> None:
    ended = hanji("whatif", run, "own.few=45", "--exact", "--samples", 1, "--json", tmp_path / "w.json")
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "w.json").read_text("utf-8"))
    total = found["differences"]["total"]
    gained = total["after"]["documents"] - total["before"]["documents"]
    assert total["gained"]["documents"] == gained > 0 and total["lost"]["documents"] == 0
    assert found["differences"]["estimated"] == 0 and "≈" not in ended.stdout
    assert found["overrides"] == ["rules.thresholds.own.few=45"]
    (sample,) = found["differences"]["gained"]["own.few"]
    assert sample["value"] < sample["threshold"] == 80 and sample["id"][:12] in ended.stdout
    alone = hanji("whatif", run, "own.few=45", "--exact", "--samples", 1, "--json", "-")
    assert json.loads(alone.stdout)["differences"] == found["differences"]


def test_nothing_asked_is_nothing_different(hanji: Hanji, run: Path) -> None:
    ended = hanji("whatif", run)
    assert ended.returncode == 0, ended.stderr
    assert "every document is decided as it was" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("own.fw=4",), 2, "'own.fw' is no rule here"),
        (("own.few=some",), 2, "own.few: 'some' is not allowed"),
        (("floor.min_characters=4",), 2, "only rules and tiers are decided again"),
        (("--samples", "-1", "own.few=4"), 2, "--samples"),
        (("own.few=4", "--json", "/nowhere/w.json"), 1, "/nowhere/w.json: cannot be written"),
    ],
)
def test_what_is_wrong_is_named(
    hanji: Hanji, run: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended = hanji("whatif", run, *arguments)
    assert ended.returncode == code
    assert said in ended.stderr and "Traceback" not in ended.stderr


def test_a_directory_that_is_no_run_is_named(hanji: Hanji, tmp_path: Path) -> None:
    ended = hanji("whatif", tmp_path, "own.few=4")
    assert ended.returncode == 1 and "not a run directory" in ended.stderr


def test_figures_are_short_and_signed() -> None:
    assert [size(n) for n in (0, 999, 1000, 999_949, 999_950, 63_700_000)] == [
        *("0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "63.7 MB")
    ]
    assert [share(*pair) for pair in ((0, 5), (4, 4), (100, 112), (1000, 999))] == [
        "",
        "",
        "+12.0 %",
        "−0.10 %",
    ]
    assert table([["a", "b"], ["long", "1"]]) == ["  a     b", "  long  1"]
