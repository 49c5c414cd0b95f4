"""Histograms of signals: bins that follow from the value alone, and counts that are those of the ledger."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from curation_corpus import article, corpus_rows, make_recipe, write_rows
from hypothesis import given
from hypothesis import strategies as st

from hanji.curation.decisions.rules import Rule, preset_rules
from hanji.curation.pipeline import curate
from hanji.curation.report.histograms import (
    BINS,
    EDGES,
    bins,
    count_signals,
    dense,
    empty,
    merge_counts,
)
from hanji.curation.report.page import render
from hanji.curation.report.signals import axis_of, small_histogram
from hanji.curation.signals import ratios
from hanji.curation.work import newest_commits
from hanji.storage import Storage


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two sources, some of whose Korean texts fall to a rule of the recipe's own."""
    base = tmp_path_factory.mktemp("histograms")
    long = [{"id": f"긴 글 {n}", "text": article("ko", 200 + n, 60)} for n in range(7)]
    sources = [
        {"name": name, "format": "jsonl", "paths": [str(write_rows(base / f"{name}.jsonl", rows))]}
        for name, rows in (("small", corpus_rows()), ("long", long))
    ]
    rule = {"name": "size", "signal": "words", "keep": "<= 300", "why": "for this test"}
    curate(make_recipe(base / "run", [base], sources=sources, rules={"own": {"ko": [rule]}}))
    return base / "run"


@pytest.fixture(scope="module")
def metrics(run: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((run / "report/metrics.json").read_text("utf-8"))
    return loaded


@given(st.floats(0, 1e12))
def test_a_value_lies_between_the_edges_of_its_bin(value: float) -> None:
    (place,) = bins(np.array([value]))
    assert EDGES[place - 1] <= value and (place == BINS - 1 or value < EDGES[place])


def test_zero_has_a_bin_of_its_own_and_small_counts_have_too() -> None:
    values = np.array([0.0, 5e-324, *range(1, 21)])
    assert len(set(bins(values).tolist())) == len(values)
    assert bins(np.array([0.0, -0.0])).tolist() == [1, 1]


def test_thresholds_of_two_digits_are_edges_so_that_no_bin_lies_on_both_sides() -> None:
    for digits in range(1, 100):
        assert digits / 100 in EDGES
        assert all(digits * 10.0**power in EDGES for power in range(1, 6) if digits % 5 == 0 or digits <= 20)


def test_what_falls_by_source_is_what_the_ledger_says(run: Path, metrics: dict[str, Any]) -> None:
    ledger = pa.concat_tables(pq.read_table(path) for path in (run / "ledger").glob("*.parquet"))
    documents: Counter[tuple[str, str]] = Counter()
    falls: Counter[tuple[str, str, str]] = Counter()
    for row in ledger.to_pylist():
        if row["step"] in ("rules", "duplicates", "tiers"):
            documents[row["language"], row["source"]] += 1
            for rule in row["failed_rules"]:
                falls[row["language"], rule, row["source"]] += 1
    counted = metrics["signals"]
    assert _flat(counted["documents"]) == dict(documents)
    assert _flat(counted["falls"]) == dict(falls)
    assert falls["ko", "own.size", "long"] == 7 and falls["ko", "own.size", "small"] == 0


def _flat(counts: Any, *path: str) -> dict[tuple[str, ...], int]:
    if isinstance(counts, int):
        return {path: counts} if counts else {}
    found: dict[tuple[str, ...], int] = {}
    for name, inner in counts.items():
        found |= _flat(inner, *path, name)
    return found


def test_every_judged_signal_has_each_document_in_one_bin(metrics: dict[str, Any]) -> None:
    counted = metrics["signals"]
    assert counted["edges"] == list(EDGES)
    for language, rules in metrics["rules_applied"].items():
        assert set(counted["bins"][language]) >= {rule["signal"] for rule in rules} | {"language_score"}
        for of_signal in counted["bins"][language].values():
            for source, documents in counted["documents"][language].items():
                assert sum(of_signal[source].values()) == documents


def test_bins_hold_the_values_that_rules_see(run: Path, metrics: dict[str, Any]) -> None:
    storage = Storage(run)
    found = np.zeros(BINS, np.int64)
    for commit in newest_commits(storage, "gather"):
        facts = storage.read_table(commit.files["facts"].path)
        reached = pc.and_(pc.equal(facts["status"], "read"), pc.is_null(facts["verdict_status"]))
        for row in facts.filter(pc.and_(reached, pc.equal(facts["language"], "ko")))["words"].to_pylist():
            found[sum(edge <= row for edge in EDGES)] += 1
    assert found.tolist() == dense(metrics["signals"]["bins"]["ko"]["words"].values()).tolist()


@given(st.randoms(use_true_random=False), st.integers(1, 5))
def test_partial_counts_add_up_in_any_order(rng: random.Random, parts: int) -> None:
    words = [rng.choice([0, 1, 7, 300, 12_345]) for _ in range(30)]
    rule = {"ko": [Rule("own.words", "words", ">=", 7, "")]}

    def counted(rows: list[int]) -> dict[str, Any]:
        return count_signals(_facts([words[row] for row in rows], [f"s{row % 3}" for row in rows]), rule)

    whole = empty()
    merge_counts(whole, counted(list(range(30))))
    rows = list(range(30))
    rng.shuffle(rows)
    total = empty()
    for part in range(parts):
        merge_counts(total, counted(rows[part::parts]))
    assert json.dumps(total, sort_keys=True) == json.dumps(whole, sort_keys=True)
    assert sum(whole["falls"]["ko"]["own.words"].values()) == sum(n < 7 for n in words)


def _facts(words: list[int], sources: list[str]) -> Any:
    n = len(words)
    text = pa.large_string()
    columns = {name: pa.array([0] * n, pa.int64()) for name in ratios.names()}
    return pa.table(
        columns
        | {
            "words": pa.array(words, pa.int64()),
            "source": pa.array(sources, text),
            "language": pa.array(["ko"] * n, text),
            "status": pa.array(["read"] * n, text),
            "verdict_status": pa.array([None] * n, text),
        }
    )


def test_the_page_shows_each_rule_of_each_language_with_the_share_that_falls(metrics: dict[str, Any]) -> None:
    page = render(metrics)
    shown = page[page.index('<section id="signals">') :]
    shown = shown[: shown.index("</section>")]
    for language, rules in metrics["rules_applied"].items():
        total = sum(metrics["signals"]["documents"][language].values())
        for rule in rules:
            fallen = sum(metrics["signals"]["falls"][language][rule["name"]].values())
            assert f"{rule['name']} {'≥' if rule['op'] == '>=' else ''}" in shown
            assert f"{fallen} of {total} documents fall" in shown
    assert shown.count("<details>") >= 4  # a table and the sources, of two languages
    assert "<script" not in shown


def test_a_run_from_before_signals_were_counted_still_has_a_page(metrics: dict[str, Any]) -> None:
    assert "made before signals were counted" in render({**metrics, "signals": None})


@given(
    st.lists(st.one_of(st.just(0.0), st.floats(0, 1), st.floats(1, 1e7)), min_size=1), st.floats(0.001, 1e6)
)
def test_a_drawing_shows_all_documents_and_the_threshold(values: list[float], threshold: float) -> None:
    from hanji.curation.report.signals import _bars

    counts = np.bincount(bins(np.array(values)), minlength=BINS)
    axis = axis_of(counts, [threshold])
    assert axis.edges[-1] >= threshold
    assert sum(amount for *_, amount in _bars(counts, axis)) == len(values)
    drawn = str(small_histogram(counts, [{"op": ">=", "threshold": threshold}], "…"))
    assert 'class="mark"' in drawn and len(re.findall(r"M[\d.]", drawn)) >= 1


def test_the_rules_of_several_presets_are_counted_each() -> None:
    rules = [rule for name in ("gopher", "c4", "fineweb", "hanji_ko") for rule in preset_rules(name)]
    counted = count_signals(_facts([10, 20], ["a", "b"]), {"ko": rules})
    assert set(counted["falls"]["ko"]) == {rule.name for rule in rules}
    assert set(counted["bins"]["ko"]) >= {rule.signal for rule in rules}
