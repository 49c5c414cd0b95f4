"""Two runs compared: every count is that of the two ledgers, and every reason is what was really changed."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from curation_corpus import article, corpus_rows, make_recipe, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation import drift
from hanji.curation.compare import Comparison, compare
from hanji.curation.decisions.rules import preset_rules
from hanji.curation.finished import FinishedRun, open_finished, side_by_side
from hanji.curation.pipeline import curate
from hanji.curation.report.comparison import render
from hanji.curation.verdict_changes import Side, explain
from hanji.errors import InputError
from hanji.storage import Storage

LAUGHTER = {"name": "laughter", "signal": "jamo_share", "keep": "<= 0.1", "why": "for this test"}
PRESETS = {"en": ["gopher"]}
LONGEST = len(article("ko", 5).split())
Row = dict[str, Any]


def rows_of_a() -> list[Row]:
    return [
        *corpus_rows(),
        {"id": "웃음", "url": "http://ko.example/웃음", "text": article("ko", 70) + " " + "ㅋ" * 400},
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare")


def made(base: Path, name: str, rows: list[Row], more: list[Row] | None = None, **changes: Any) -> Path:
    sources = [{"name": "s", "format": "jsonl", "paths": [str(write_rows(base / name / "rows.jsonl", rows))]}]
    if more is not None:
        path = write_rows(base / name / "more.jsonl", more)
        sources.append({"name": "more", "format": "jsonl", "paths": [str(path)]})
    changes = {"rules": {"presets": PRESETS, "own": {"ko": [LAUGHTER]}}} | changes
    curate(make_recipe(base / name / "run", [base], **({"sources": sources} | changes)))
    return base / name / "run"


@pytest.fixture(scope="module")
def a(base: Path) -> Path:
    return made(base, "a", rows_of_a())


@pytest.fixture(scope="module")
def stricter(base: Path) -> Path:
    """The same data in other partitions: fewer words are wanted of Korean, more of English."""
    own = {"name": "longest", "signal": "words", "keep": f"<= {LONGEST}", "why": "for this test"}
    thresholds = {"gopher": {"min_words": 230}}
    rules = {"presets": PRESETS, "own": {"ko": [LAUGHTER, own]}, "thresholds": thresholds}
    return made(base, "stricter", rows_of_a(), partitions=5, rules=rules)


@pytest.fixture(scope="module")
def other_data(base: Path) -> Path:
    """One text changed, one row gone, and a source added."""
    rows = [row for row in rows_of_a() if row["id"] != "en-7"]
    for row in rows:
        if row["id"] == "ko-9":
            row["text"] = "새로 쓴 글이다. " + row["text"]
    more = [{"id": f"더 {n}", "text": article("ko", 300 + n)} for n in range(6)]
    return made(base, "other", rows, more)


@pytest.fixture(scope="module")
def other_text(base: Path) -> Path:
    """The same records, of which another text is made: ㅋ may run on."""
    return made(base, "text", rows_of_a(), text={"normalise": {"letter_runs": None}})


@cache
def compared(a: Path, b: Path) -> Comparison:
    return compare(str(a), str(b))


def ledger(run: Path) -> dict[str, Row]:
    tables = [pq.read_table(path) for path in (run / "ledger").glob("*.parquet")]
    return {row["id"]: row for row in pa.concat_tables(tables).to_pylist()}


def state(row: Row) -> str:
    return "kept" if row["verdict"] == "kept" else str(row["rule"])


def changes(found: Comparison) -> dict[tuple[str, ...], int]:
    return {tuple(row["verdicts"]): row["documents"] for row in found.changes}


def reasons(found: Comparison, *verdicts: str) -> dict[str, Row]:
    (row,) = [row for row in found.changes if row["verdicts"] == list(verdicts)]
    return {one["reason"]: one for one in row["reasons"]}


def test_a_run_compared_with_itself_has_not_moved(a: Path) -> None:
    found = compared(a, a)
    assert found.recipe == found.versions == found.rules_changed == {}
    assert found.shared == found.unchanged == len(ledger(a))
    assert found.changes == found.tiers == found.only["A"] == found.only["B"] == []
    assert all(row["documents"][0] == row["documents"][1] for row in found.rules)
    assert found.drift and not any(row["changed"] for row in found.drift)
    assert {row["all"]["kolmogorov_smirnov"] for row in found.drift} == {0.0}


def test_models_are_compared_to_the_end_of_what_their_numbers_depend_on(a: Path, tmp_path: Path) -> None:
    sha, other = "a" * 64, "b" * 64
    facts = json.loads((a / "run.json").read_text("utf-8"))
    sides = []
    for place in range(2):
        models = {
            "quality": {"ko": f"{sha}-high-{('syllables', 'dclm')[place]}", "en": f"{sha}-high-dclm"},
            "perplexity": {"ko": f"{sha}-{(sha, other)[place]}-1"},
        }
        files = {"benchmarks": (sha, other)[place], "the URL rules": sha} if place else {"benchmarks": sha}
        told = {**facts, "models": {"language": sha, **models}, "files": files}
        run = shutil.copytree(a, tmp_path / str(place))
        (run / "run.json").write_text(json.dumps(told), "utf-8")
        sides.append(run)
    assert compare(*map(str, sides)).versions == {
        "files of benchmarks": ["a" * 16, "b" * 16],
        "perplexity model of ko": [f"{'a' * 16}-{'a' * 16}-1", f"{'a' * 16}-{'b' * 16}-1"],
        "quality model of ko": [f"{'a' * 16}-high-syllables", f"{'a' * 16}-high-dclm"],
    }


@pytest.mark.parametrize("name", ["stricter", "other_data", "other_text"])
def test_documents_are_counted_as_the_two_ledgers_have_them(
    a: Path, name: str, request: pytest.FixtureRequest
) -> None:
    b: Path = request.getfixturevalue(name)
    found = compared(a, b)
    first, second = ledger(a), ledger(b)
    shared = first.keys() & second.keys()
    assert found.shared == len(shared)
    moved = Counter(
        (state(first[i]), state(second[i])) for i in shared if state(first[i]) != state(second[i])
    )
    assert changes(found) == dict(moved)
    assert found.unchanged == len(shared) - moved.total()
    for row in found.changes:
        assert row["documents"] == sum(one["documents"] for one in row["reasons"])
        for one in row["reasons"]:
            assert len(one["samples"]) == min(3, one["documents"])
            for sample in one["samples"]:
                assert [state(first[sample["id"]]), state(second[sample["id"]])] == row["verdicts"]
    for which, mine, other in (("A", first, second), ("B", second, first)):
        alone = Counter((mine[i]["source"], state(mine[i])) for i in mine.keys() - other.keys())
        assert {(r["source"], r["verdict"]): r["documents"] for r in found.only[which]} == dict(alone)
    assert found.survivors == sum(
        first[i]["duplicate_of"] != second[i]["duplicate_of"]
        for i in shared
        if state(first[i]) == state(second[i])
    )


@pytest.mark.parametrize("name", ["stricter", "other_data"])
def test_books_stand_side_by_side(a: Path, name: str, request: pytest.FixtureRequest) -> None:
    b: Path = request.getfixturevalue(name)
    found = compared(a, b)
    for side, run in enumerate((a, b)):
        rows = ledger(run).values()
        entered: Counter[str] = Counter(row["source"] for row in rows)
        kept = Counter(row["source"] for row in rows if row["verdict"] == "kept")
        for step, expected in (("read", entered), ("kept", kept)):
            counted: Counter[str] = Counter()
            for row in found.funnel:
                if row["reach"][side] is not None:
                    counted[row["source"]] += row["reach"][side][step][0]
            assert +counted == expected
        fallen = Counter(row["rule"] for row in rows if row["verdict"] != "kept")
        assert +Counter({row["rule"]: row["documents"][side] for row in found.rules}) == fallen
        manifest = json.loads((run / "shards/manifest.json").read_text())
        tokens = sum(component["tokens"] for component in manifest["components"])
        assert sum(row["tokens"][side] for row in found.components) == tokens == found.runs[side]["tokens"]


def test_a_threshold_that_moved_is_the_reason_and_told(a: Path, stricter: Path) -> None:
    found = compared(a, stricter)
    assert found.recipe["rules.thresholds.gopher.min_words"] == [None, 230.0]
    assert found.recipe["partitions"] == [3, 5]
    signal = next(rule.signal for rule in preset_rules("gopher") if rule.name == "gopher.min_words")
    assert found.rules_changed["en: gopher.min_words"] == [f"{signal} >= 50", f"{signal} >= 230"]
    why = reasons(found, "kept", "gopher.min_words")
    assert set(why) == {"the threshold moved"}
    for sample in why["the threshold moved"]["samples"]:
        value = ledger(stricter)[sample["id"]]["value"]
        assert sample["moved"] == f"{signal} {value:.0f} in both; keeps ≥ 50 → ≥ 230"


def test_a_floor_that_moved_is_the_reason(base: Path, a: Path) -> None:
    tiers = [{"name": "high", "min_score": 0.5}, {"name": "all"}]
    lower = made(base, "lower", rows_of_a(), floor={"min_characters": 4}, tiers=tiers)
    found = compared(a, lower)
    (sample,) = reasons(found, "floor.min_characters", "kept")["the threshold moved"]["samples"]
    assert sample["moved"] == "characters 5 in both; keeps ≥ 50 → ≥ 4"
    # A tier from a score on, where no classifier scores, takes no document.
    assert found.rules_changed["ko: tier high"] == [None, "score >= 0.5"]
    assert found.tiers == []


def test_a_rule_of_one_run_alone_is_the_reason(a: Path, stricter: Path) -> None:
    found = compared(a, stricter)
    (why,) = reasons(found, "kept", "own.longest").values()
    assert why["reason"] == "the rule is only in B"
    for sample in why["samples"]:
        value = ledger(stricter)[sample["id"]]["value"]
        assert sample["moved"] == f"words {value:.0f}; only B keeps ≤ {LONGEST}"
    assert found.rules_changed["ko: own.longest"] == [None, f"words <= {LONGEST}"]
    back = compared(stricter, a)
    assert set(reasons(back, "own.longest", "kept")) == {"the rule is only in A"}


def test_a_duplicate_whose_survivor_fell_is_explained_by_it(a: Path, stricter: Path) -> None:
    # The longer of two near copies survives in A, and is too long in B: the other one is kept.
    found = compared(a, stricter)
    why = reasons(found, "duplicates.near", "kept")["its survivor does not stand in B"]
    sample = why["samples"][0]
    survivor = ledger(a)[sample["id"]]["duplicate_of"]
    assert ledger(stricter)[survivor]["rule"] == "own.longest"
    assert sample["moved"] == f"in B {survivor[:8]} falls to own.longest"
    back = compared(stricter, a)
    text = next(row["text"] for row in rows_of_a() if row.get("url") == sample["url"])
    assert sample["excerpt"] == " ".join(text.split())[:200]
    assert "its survivor does not stand in A" in reasons(back, "kept", "duplicates.near")


def test_changed_text_is_another_document_under_the_same_key(a: Path, other_data: Path) -> None:
    found = compared(a, other_data)
    assert found.replaced is not None
    (row,) = found.replaced
    assert row["documents"] == 1 and row["verdicts"] == ["kept", "kept"]
    ((old, new),) = row["samples"]
    first, second = ledger(a), ledger(other_data)
    assert old not in second and new not in first
    assert first[old]["url"] == second[new]["url"] == "http://ko.example/9"
    assert sum(row["documents"] for row in found.only["A"]) == 2  # and the one that is gone


def test_a_source_that_one_run_has_alone_is_told_as_such(a: Path, other_data: Path) -> None:
    found = compared(a, other_data)
    (row,) = [row for row in found.funnel if row["source"] == "more"]
    assert row["reach"][0] is None and row["reach"][1]["read"][0] == 6
    assert found.recipe["sources.more.format"] == [None, "jsonl"]
    korean = {r["signal"]: r for r in found.drift if r["language"] == "ko"}["words"]
    assert korean["all"]["documents"][1] == korean["all"]["documents"][0] + 6
    assert korean["shared"]["documents"][0] == korean["shared"]["documents"][1]


def test_a_value_that_moved_is_the_reason_and_the_drift_shows_it(a: Path, other_text: Path) -> None:
    found = compared(a, other_text)
    why = reasons(found, "kept", "own.laughter")
    assert set(why) == {"the value moved"}
    (sample,) = why["the value moved"]["samples"]
    assert sample["url"] == "http://ko.example/웃음"
    assert sample["text_bytes"][1] - sample["text_bytes"][0] == 396 * 3
    assert sample["moved"].startswith("jamo_share 0.") and "keeps ≤ 0.1 in both" in sample["moved"]
    jamo = {r["signal"]: r for r in found.drift if r["language"] == "ko"}["jamo"]
    assert jamo["changed"] == 1
    n = jamo["shared"]["documents"][0]
    assert jamo["shared"]["kolmogorov_smirnov"] == pytest.approx(1 / n)


@pytest.fixture(scope="module")
def one(base: Path) -> Path:
    """The same data and rules in one partition, with another name of the tier."""
    return made(base, "one", rows_of_a(), partitions=1, tiers=[{"name": "rest"}])


def test_partitions_of_the_runs_do_not_matter(a: Path, one: Path, stricter: Path) -> None:
    first, second = compared(a, stricter), compared(one, stricter)
    assert first.changes == second.changes
    assert first.drift == second.drift
    assert first.funnel == second.funnel


def test_documents_that_change_tiers_are_counted(a: Path, one: Path) -> None:
    found = compared(a, one)
    assert found.changes == []
    kept = Counter(row["language"] for row in ledger(a).values() if row["verdict"] == "kept")
    assert {row["language"]: row["documents"] for row in found.tiers} == dict(kept)
    assert {tuple(row["tiers"]) for row in found.tiers} == {("all", "rest")}


def test_stretches_hold_every_document_of_both_runs_once_in_order(a: Path, stricter: Path) -> None:
    pieces = list(side_by_side(open_finished(str(a)), open_finished(str(stricter))))
    assert len(pieces) == 7  # 3 and 5 partitions begin together at 0
    for side, run in enumerate((a, stricter)):
        ids = [i for piece in pieces for i in piece[side]["id"].to_pylist()]
        assert ids == sorted(ledger(run))


def test_a_finished_run_is_asked_for(tmp_path: Path, a: Path) -> None:
    with pytest.raises(InputError, match="not a run directory"):
        compare(str(a), str(tmp_path))
    copy = tmp_path / "copy"
    shutil.copytree(a, copy)
    facts = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(facts | {"finished": False}))
    with pytest.raises(InputError, match="has not finished"):
        compare(str(copy), str(a))
    (copy / "run.json").write_text(json.dumps({"recipe": {"kind": "training"}, "finished": True}))
    with pytest.raises(InputError, match="not a curation run"):
        compare(str(a), str(copy))
    (copy / "run.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        compare(str(a), str(copy))


def test_runs_from_before_rules_told_their_signals_are_compared_too(
    tmp_path: Path, a: Path, stricter: Path
) -> None:
    old = tmp_path / "old"
    shutil.copytree(a, old)
    path = old / "report/metrics.json"
    metrics = json.loads(path.read_text("utf-8"))
    for rules in metrics["rules_applied"].values():
        for rule in rules:
            del rule["signal"], rule["op"]
    del metrics["signals"]
    path.write_text(json.dumps(metrics))
    found = compare(str(old), str(stricter))
    assert changes(found) == changes(compared(a, stricter))
    assert set(reasons(found, "kept", "gopher.min_words")) == {"the threshold moved"}


def test_the_page_tells_everything_and_runs_nothing(a: Path, stricter: Path) -> None:
    found = compared(a, stricter)
    hostile = json.loads(found.to_json().replace("http://en.example", "http://<script>alert(1)</script>"))
    page = render(Comparison(**hostile))
    assert "<script" not in page.lower()
    assert "&lt;script&gt;" in page
    for row in found.changes:
        for one in row["reasons"]:
            assert one["reason"] in page
    for row in found.rules:
        assert row["rule"] in page


@pytest.mark.parametrize(
    ("values", "thresholds", "broken", "reason"),
    [
        ((20, 20), (25, 15), (True, False), "the threshold moved"),
        ((20, 30), (25, 25), (True, False), "the value moved"),
        ((20, 30), (25, 27), (True, False), "the value moved"),
        ((20, 30), (25, 15), (True, False), "value and threshold moved"),  # either would do
        ((10, 20), (25, 15), (True, False), "value and threshold moved"),  # it takes both
        ((20, 20), (25, 25), (True, False), "the signal was formed otherwise"),
        ((20, 20), (15, 15), (True, False), "the signal was formed otherwise"),
    ],
)
def test_what_alone_turns_the_verdict_is_the_reason(
    values: tuple[int, int], thresholds: tuple[int, int], broken: tuple[bool, bool], reason: str
) -> None:
    sides = []
    for name, value, threshold, fell in zip("AB", values, thresholds, broken, strict=True):
        rule = {"name": "own.few", "signal": "words", "op": ">=", "threshold": threshold, "description": ""}
        run = FinishedRun(Storage(name), {}, {"rules_applied": {"ko": [rule]}}, [], [])
        failed = pa.array([["own.few"] if fell else []], pa.list_(pa.large_string()))
        rows = pa.table({"words": pa.array([value]), "ledger_failed_rules": failed})
        state, step = ("own.few", "rules") if fell else ("kept", "kept")
        sides.append(Side(run, "A" if name == "A" else "B", rows, state, step, "ko"))
    found = explain(*sides)
    assert found.reasons == [reason]
    assert found.tell(0).startswith("words ")


@given(st.lists(st.integers(0, 500), min_size=1), st.lists(st.integers(0, 500), min_size=1))
@settings(deadline=None)
def test_distances_are_those_of_the_exact_values(first: list[int], second: list[int]) -> None:
    a, b = (drift.counters(np.array(values, np.float64)) for values in (first, second))
    expected = max(abs(_reached(first, value) - _reached(second, value)) for value in {*first, *second})
    assert drift.kolmogorov_smirnov(a, b) == pytest.approx(expected)
    for share in (0.05, 0.5, 0.95):
        ordered = sorted(first)
        rank = max(1, int(np.ceil(share * len(ordered))))
        assert drift.quantile(a, share) == ordered[rank - 1]
    assert drift.stability_index(a, a) == pytest.approx(0.0)
    index = drift.stability_index(a, b)
    assert index is not None and index >= 0.0


def _reached(values: list[int], limit: int) -> float:
    return sum(value <= limit for value in values) / len(values)


def test_the_stability_index_is_the_sum_over_the_deciles_of_the_first_population() -> None:
    first = np.arange(1, 101, dtype=np.float64)
    second = np.concatenate([first, np.arange(1, 11)])
    expected = 0.0
    for low in range(0, 100, 10):
        x, y = (((v > low) & (v <= low + 10)).mean() for v in (first, second))
        expected += (y - x) * np.log(y / x)
    found = drift.stability_index(drift.counters(first), drift.counters(second))
    assert found == pytest.approx(expected)


@given(st.floats(1e-6, 1e12))
def test_a_value_is_known_to_four_per_mille(value: float) -> None:
    (place,) = drift.places(np.array([value]))
    assert drift.lower_edge(int(place)) <= value <= drift.lower_edge(int(place)) * (1 + 1 / 256)
