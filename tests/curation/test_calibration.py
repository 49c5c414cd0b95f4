"""Calibration: percentiles that keep what they say, documents measured as a run measures them, and a preset."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from curation_corpus import article, make_recipe, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.calibrating import Asked, Calibration, calibrate
from hanji.curation.calibrating.bounds import EVIDENCE, Bound, read_form
from hanji.curation.calibrating.calibration import samples
from hanji.curation.calibrating.chart import weighted_quantiles
from hanji.curation.calibrating.documents import Documents
from hanji.curation.calibrating.fitting import Aim, fit, losses
from hanji.curation.calibrating.page import render
from hanji.curation.calibrating.percentiles import (
    binomial_limits,
    document_weights,
    effective_documents,
    interval,
    joint_level,
    lost_at,
    outermost,
    plain,
    rounded,
    tails,
    worst_tails,
)
from hanji.curation.calibrating.preset import preset_yaml
from hanji.curation.calibrating.telling import printable, tell, width, wrapped
from hanji.curation.decisions.rules import preset_rules
from hanji.curation.pipeline import curate
from hanji.curation.recipe import Rule as RecipeRule
from hanji.curation.signals import morphemes
from hanji.errors import RecipeError

HOSTILE = "<script>alert(1)</script>"
WORDS = Bound("words", "words", "min", "too short")


def measured(*columns: np.ndarray, source: np.ndarray | None = None) -> Documents:
    """Documents with made-up numbers: signals s0, s1, … and hashes that count up."""
    rows = len(columns[0])
    place = np.zeros(rows, np.int32) if source is None else source.astype(np.int32)
    names = tuple(f"source{number}" for number in range(int(place.max(initial=0)) + 1))
    values = {f"s{at}": column.astype(np.float64) for at, column in enumerate(columns)}
    hashes = np.arange(rows, dtype=np.uint64)
    return Documents(names, place, hashes, np.full(rows, 10), values, {}, {})


def bound(signal: str, side: Any = "max", **changes: Any) -> Bound:
    return Bound(f"rule_{signal}_{side}", signal, side, "because", **changes)


# ── Percentiles ──────────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=80),
    st.floats(0.0, 0.6),
    st.sampled_from(["sources", "documents"]),
)
def test_a_threshold_loses_its_level_at_most_and_the_next_tighter_value_would_lose_more(
    rows: list[tuple[int, int]], level: float, weighting: Any
) -> None:
    values = np.array([value for value, _ in rows], np.float64)
    weights = document_weights(np.array([source for _, source in rows]), weighting, 5)
    tail = tails(values, weights)
    threshold = outermost(values, tail, level)
    assert weights[values > threshold].sum() <= level + 1e-6
    assert weights[values >= threshold].sum() > level
    np.testing.assert_array_equal(lost_at(tail, level), values > threshold)


@given(st.floats(-1e9, 1e9, allow_nan=False), st.sampled_from(["max", "min"]), st.integers(1, 6))
def test_rounding_never_loses_a_document_and_leaves_few_digits(value: float, side: Any, digits: int) -> None:
    value = 0.0 if abs(value) < 1e-12 else value
    found = rounded(value, side, digits)
    assert found >= value if side == "max" else found <= value
    assert abs(found - value) <= abs(value) * 10.0 ** (1 - digits)
    written = plain(found)
    assert float(written) == found
    assert len(written.lstrip("-").replace(".", "").strip("0")) <= digits
    rule = RecipeRule(name="a", signal="words", keep=f"<= {written}", why="w")
    assert float(rule.keep.split()[1]) == found


def test_what_few_digits_can_write_is_not_rounded() -> None:
    assert [rounded(0.1, "max"), rounded(0.1, "min"), rounded(25, "min"), rounded(0.0, "max")] == [
        *(0.1, 0.1, 25.0, 0.0)
    ]
    assert [rounded(5959, "max"), rounded(0.13101, "max"), rounded(2.7386, "min")] == [5960, 0.132, 2.73]


def test_each_source_counts_the_same_whatever_its_size() -> None:
    rng = np.random.default_rng(1)
    source = np.repeat([0, 1], [20_000, 1_000])
    values = np.where(source == 0, rng.normal(0, 1, 21_000), rng.normal(10, 1, 21_000))
    weights = document_weights(source, "sources", 200)
    assert weights[source == 0].sum() == pytest.approx(0.5)
    # 10 % of the mean over sources lie beyond what a fifth of the small source exceeds.
    found = outermost(values, tails(values, weights), 0.1)
    assert (values[source == 1] > found).mean() == pytest.approx(0.2, abs=0.001)
    assert not (values[source == 0] > found).any()


def test_a_source_too_small_to_speak_of_the_level_counts_in_proportion() -> None:
    source = np.repeat([0, 1, 2], [400, 200, 1])
    weights = document_weights(source, "sources", 200)
    assert weights[source == 0].sum() == pytest.approx(weights[source == 1].sum())
    assert weights[source == 2].sum() == pytest.approx(weights[source == 1][0])
    assert weights.max() <= 1 / 200


def test_the_worst_source_keeps_its_share_too() -> None:
    rng = np.random.default_rng(2)
    source = np.repeat([0, 1, 2], [3000, 1000, 5])
    values = np.concatenate([rng.normal(0, 1, 3000), rng.normal(3, 1, 1000), rng.normal(99, 1, 5)])
    threshold = outermost(values, worst_tails(values, source, 100), 0.02)
    shares = [(values[source == one] > threshold).mean() for one in (0, 1)]
    assert max(shares) == pytest.approx(0.02) and shares[1] == max(shares)
    assert (values[source == 2] > threshold).all(), "five documents do not set a percentile"


@pytest.mark.parametrize(("trials", "share"), [(10, 0.3), (200, 0.005), (57, 0.5), (1000, 0.01)])
def test_binomial_limits_are_those_of_the_distribution(trials: int, share: float) -> None:
    mass = [math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(trials + 1)]
    below = np.cumsum(mass)
    low, high = binomial_limits(trials, share)
    assert below[low] >= 0.025 and (low == 0 or below[low - 1] < 0.025)
    assert below[high] >= 0.975 and below[high - 1] < 0.975


def test_binomial_limits_of_millions_are_near_the_normal_ones() -> None:
    low, high = binomial_limits(5_000_000, 0.005)
    spread = 1.96 * math.sqrt(5_000_000 * 0.005 * 0.995)
    assert (low, high) == pytest.approx((25_000 - spread, 25_000 + spread), abs=3)


@pytest.mark.parametrize("sources", [1, 4])
def test_nineteen_of_twenty_intervals_hold_the_true_percentile(sources: int) -> None:
    rng = np.random.default_rng(3)
    true = -math.log(0.01)  # p99 of an exponential
    inside = 0
    for _ in range(400):
        source = np.sort(rng.integers(0, sources, 3000)) if sources > 1 else np.zeros(3000, int)
        values = rng.exponential(size=3000)
        weights = document_weights(source, "sources", 100)
        tail = tails(values, weights)
        worth = effective_documents(source, weights, lost_at(tail, 0.01))
        inner, outer = interval(values, tail, 0.01, worth)
        inside += inner <= true and (outer is None or true <= outer)
    assert 0.93 <= inside / 400 <= 1.0


def test_few_documents_leave_the_interval_open() -> None:
    values = np.arange(300.0)
    tail = tails(values, np.full(300, 1 / 300))
    assert interval(values, tail, 0.005, 300)[1] is None
    assert interval(values, tail, 0.05, 300)[1] is not None


def test_quantiles_shown_are_those_of_the_weights() -> None:
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([0.25, 0.5, 0.25])
    assert weighted_quantiles(values, weights, (0.005, 0.5, 0.51, 0.75, 0.995)).tolist() == [1, 1, 2, 2, 3]


def test_weights_cost_certainty() -> None:
    source = np.repeat([0, 1], [5000, 200])
    lost = np.zeros(5200, bool)
    equal = document_weights(source, "documents", 200)
    assert effective_documents(source, equal, lost) == pytest.approx(5200)
    assert effective_documents(source, document_weights(source, "sources", 200), lost) < 800


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.floats(0.01, 0.5), st.integers(1, 5))
def test_the_joint_level_is_the_one_that_bisection_finds(seed: int, most: float, rules: int) -> None:
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, 40, 120).astype(np.float64) for _ in range(rules)]
    weights = np.full(120, 1 / 120)
    each = [tails(column, weights) for column in columns]
    found = joint_level(np.min(each, axis=0), weights, most)

    def lost(level: float) -> float:
        return float(weights[np.any([lost_at(tail, level) for tail in each], axis=0)].sum())

    low, high = 0.0, 1.0
    if lost(low) > most:
        assert found == 0
        return
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if lost(middle) <= most + 1e-9 else (low, middle)
    assert lost(found) == pytest.approx(lost(low))


# ── Fitting ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_rule_keeps_its_share_on_its_own_side() -> None:
    rng = np.random.default_rng(4)
    documents = measured(rng.normal(0, 1, 5000), rng.integers(0, 900, 5000))
    bounds = [bound("s0", "min"), bound("s0", "max"), bound("s1", "max")]
    found = fit(bounds, documents, Aim(0.99))
    of = losses([one.rule for one in found.thresholds], documents, Aim(0.99))
    assert (of.alone <= 0.01).all() and (of.alone > 0.008).all()
    assert [one.rule.op for one in found.thresholds] == [">=", "<=", "<="]
    assert found.thresholds[0].value == pytest.approx(np.quantile(documents.values["s0"], 0.01), abs=0.03)
    for one in found.thresholds:
        assert one.inner is not None and one.outer is not None and one.value is not None
        assert min(one.inner, one.outer) <= one.value <= max(one.inner, one.outer)


def test_all_rules_together_lose_the_joint_share_at_most_and_hardly_less() -> None:
    rng = np.random.default_rng(5)
    documents = measured(*(rng.normal(0, 1, 4000) for _ in range(10)))
    bounds = [bound(f"s{at}") for at in range(10)]
    joint = Aim(None, 0.03)
    found = fit(bounds, documents, joint)
    together = losses([one.rule for one in found.thresholds], documents, joint).together
    assert 0.025 < together <= 0.03
    alone = losses([one.rule for one in fit(bounds, documents, Aim(0.995)).thresholds], documents, joint)
    assert alone.together > 0.04
    # With both, neither is broken.
    both = fit(bounds, documents, Aim(0.9995, 0.03))
    assert both.level == pytest.approx(0.0005) and found.level > both.level


def test_a_fixed_rule_keeps_its_threshold_and_counts_in_the_joint_share() -> None:
    rng = np.random.default_rng(6)
    documents = measured(rng.random(2000), rng.random(2000))
    fixed = bound("s1", "min", before=0.02, fixed=True, before_op=">")
    found = fit([bound("s0"), fixed], documents, Aim(None, 0.05))
    rules = [one.rule for one in found.thresholds]
    assert (rules[1].op, rules[1].threshold, found.thresholds[1].value) == (">", 0.02, None)
    assert 0.045 < losses(rules, documents, Aim(None, 0.05)).together <= 0.05
    with pytest.raises(RecipeError, match=r"--joint: 0.01 is not possible: the fixed rules alone lose 0.02"):
        fit([bound("s0"), fixed], documents, Aim(None, 0.01))


def test_a_threshold_near_one_has_the_digits_that_it_needs() -> None:
    values = 1 - np.random.default_rng(8).random(4000) / 1000
    (found,) = fit([bound("s0")], measured(values), Aim(0.98)).thresholds
    assert found.value is not None and found.value <= found.threshold < 1
    assert 0.018 <= (values > found.threshold).mean() <= 0.02


def test_a_form_is_only_loosened_where_that_is_asked() -> None:
    values = np.arange(1000.0)
    bounds = [
        *(bound("s0", "max", before=before, before_op="<") for before in (2000.0, 500.0)),
        *(bound("s0", "min", before=before, before_op=">=") for before in (0.0, 500.0)),
    ]
    found = fit(bounds, measured(values), Aim(0.99, only_loosen=True))
    assert [(one.rule.op, one.rule.threshold) for one in found.thresholds] == [
        *(("<", 2000), ("<=", 989), (">=", 0), (">=", 10)),
    ]
    assert found.thresholds[0].value == 989


@pytest.mark.parametrize(
    ("aim", "message"),
    [
        (Aim(0.999), "--keep: 0.999 cannot be told from 300 trusted documents .* keep 0.996"),
        (Aim(None, 0.003), "--joint: 0.003 is not possible with 2 rules and 300 trusted documents"),
    ],
)
def test_a_percentile_that_the_documents_cannot_support_is_refused(aim: Aim, message: str) -> None:
    rng = np.random.default_rng(7)
    with pytest.raises(RecipeError, match=message):
        fit([bound("s0"), bound("s1")], measured(rng.random(300), rng.random(300)), aim)


def test_losses_say_what_a_rule_drops_alone_first_and_with_no_other() -> None:
    documents = measured(np.array([9, 9, 0, 0]), np.array([9, 0, 9, 0]))
    rules = [bound("s0").rule(5), bound("s1").rule(5)]
    of = losses(rules, documents, Aim(weighting="documents"))
    assert (of.alone.tolist(), of.only.tolist(), of.first.tolist()) == ([0.5, 0.5], [0.25, 0.25], [0.5, 0.25])
    assert of.together == 0.75 and of.dropped.tolist() == [True, True, True, False]


# ── The form ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_preset_gives_rules_sides_and_reasons() -> None:
    bounds = read_form(["hanji_ko"], [], [])
    rules = preset_rules("hanji_ko")
    assert [one.signal for one in bounds] == [rule.signal for rule in rules]
    assert [one.side == "min" for one in bounds] == [rule.op in (">=", ">") for rule in rules]
    assert [one.before for one in bounds] == [rule.threshold for rule in rules]
    fewer = read_form(["hanji_ko"], [], fixed=[bounds[1].name], without=[bounds[0].name])
    assert [one.name for one in fewer] == [one.name for one in bounds[1:]] and fewer[0].fixed
    assert all(re.fullmatch("[a-z0-9_]+", one.name) and EVIDENCE not in one.reason for one in bounds)


def test_signals_can_be_bounded_on_either_side_or_both() -> None:
    bounds = read_form([], ["mean_word_length:both", "words:min", "digit_share"], [])
    assert [(one.name, one.side) for one in bounds] == [
        *(("min_mean_word_length", "min"), ("max_mean_word_length", "max")),
        *(("words", "min"), ("digit_share", "max")),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], ["digit_shar"], []), "--signals: 'digit_shar' is not a signal; did you mean 'digit_share'"),
        (([], ["words:up"], []), "--signals: 'words:up': 'up' is no side"),
        ((["hanji_ko"], [], ["min_word"]), "--fixed: 'min_word' is no rule of the form; did you mean"),
        ((["hanji_ko"], [], [], ["nothing"]), "--without: 'nothing' is no rule of the form"),
        (([], ["words"], [], ["words"]), "--without: no rule is left"),
        (([], ["words"], ["words"]), "--fixed: 'words' has no threshold to keep"),
        ((["gofer"], [], []), "'gofer' is not allowed: one of"),
        ((["hanji_ko", "hanji_ko"], [], []), "a rule's name may stand once; twice: "),
    ],
)
def test_a_form_that_cannot_be_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_form(*arguments)


# ── Whole calibrations ───────────────────────────────────────────────────────────────────────────────────────


def menu(number: int) -> str:
    """A Korean text that is no article: a list of short lines with figures."""
    rng = random.Random(number)
    return "\n".join(f"메뉴 {rng.randint(100, 999)} 원 {number}" for _ in range(rng.randint(20, 40)))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two trusted sources of articles, and one elsewhere of menus, some hostile, and a trusted article."""
    base = tmp_path_factory.mktemp("calibration")
    craft = [{"id": f"a{n}", "text": article("ko", n, 8 + n % 30)} for n in range(260)]
    craft += [{"text": "너무 짧다"}, {"text": article("en", 1)}, dict(craft[0])]
    notes = [{"text": article("ko", 1000 + n, 4 + n % 9)} for n in range(240)]
    rest = [{"id": f"m{n}", "text": menu(n)} for n in range(90)]
    rest += [
        {"id": "x", "text": f"{HOSTILE} {menu(1000)} 문의 010-2345-6789"},
        {"text": craft[5]["text"]},
    ]
    pq.write_table(pa.table({"text": [row["text"] for row in notes]}), base / "notes.parquet")
    return {
        "craft": write_rows(base / "craft.jsonl.gz", craft),
        "notes": base / "notes.parquet",
        "rest": write_rows(base / "rest.jsonl", rest),
    }


def ask(corpus: dict[str, Path], **changes: Any) -> Asked:
    asked = Asked(
        language="ko",
        trusted=(str(corpus["craft"]), str(corpus["notes"])),
        elsewhere=(str(corpus["rest"]),),
        signals=("words:min", "mean_word_length:both", "digit_share", "newlines_per_word"),
        aim=Aim(0.98),
    )
    return replace(asked, **changes)


@pytest.fixture(scope="module")
def calibration(corpus: dict[str, Path]) -> Calibration:
    return calibrate(ask(corpus))


def test_documents_are_counted_once_in_their_language_above_the_floor(calibration: Calibration) -> None:
    assert calibration.trusted.names == ("craft", "notes")
    assert calibration.trusted.count().tolist() == [260, 240]
    left_out = {name: dict(+counts) for name, counts in calibration.trusted.left_out.items()}
    assert left_out == {"craft": {"too short": 1, "another language": 1, "duplicates": 1}, "notes": {}}
    assert calibration.elsewhere is not None and len(calibration.elsewhere) == 91
    assert calibration.elsewhere.left_out["rest"]["trusted too"] == 1


def test_thresholds_keep_the_trusted_and_drop_what_is_unlike_them(calibration: Calibration) -> None:
    assert (calibration.fit_losses.alone <= 0.02).all()
    assert calibration.held_losses is not None and calibration.held_losses.together < 0.12
    assert (
        calibration.elsewhere_losses is not None
        and calibration.elsewhere_losses.together == pytest.approx(1.0)
    )
    names = [rule.name for rule in calibration.rules]
    assert calibration.elsewhere_losses.alone[names.index("digit_share")] == pytest.approx(1.0)


def test_the_result_is_the_same_however_the_documents_lie(corpus: dict[str, Path], tmp_path: Path) -> None:
    lines = (line for line in __import__("gzip").decompress(corpus["craft"].read_bytes()).splitlines())
    rows = [json.loads(line) for line in lines]
    random.Random(1).shuffle(rows)
    write_rows(tmp_path / "1.jsonl", rows[:100])
    write_rows(tmp_path / "2.jsonl.gz", rows[100:])
    spread = f"craft={tmp_path}/*.jsonl*"
    again = calibrate(ask(corpus, trusted=(str(corpus["notes"]), spread), workers=2))
    once = calibrate(ask(corpus))
    assert again.fit == once.fit
    assert again.trusted.names == once.trusted.names
    np.testing.assert_array_equal(again.fit_losses.alone, once.fit_losses.alone)


def test_the_most_documents_of_a_source_are_those_with_the_smallest_hashes(corpus: dict[str, Path]) -> None:
    whole = calibrate(ask(corpus))
    some = calibrate(ask(corpus, most=50, aim=Aim(0.9)))
    assert some.trusted.count().tolist() == [50, 50]
    for place in (0, 1):
        all_of = whole.trusted.hash[whole.trusted.source == place]
        assert sorted(all_of.tolist())[:50] == some.trusted.hash[some.trusted.source == place].tolist()


def test_documents_that_repeat_do_not_take_the_place_of_others(
    corpus: dict[str, Path], tmp_path: Path
) -> None:
    rows = [{"text": article("ko", number % 60)} for number in range(600)]
    path = write_rows(tmp_path / "often.jsonl", rows)
    asked = ask(corpus, trusted=(str(path),), elsewhere=(), aim=Aim(0.9), held_out=False)
    assert len(calibrate(replace(asked, most=50)).trusted) == 50
    assert len(calibrate(asked).trusted) == 60


def test_a_file_measured_here_has_the_numbers_of_a_run(corpus: dict[str, Path], tmp_path: Path) -> None:
    curate(
        make_recipe(
            tmp_path / "run", [corpus["craft"]], dedup={"exact": False, "minhash": {"enabled": False}}
        )
    )
    asked = ask(corpus, trusted=(f"{tmp_path}/run:s",), elsewhere=(), held_out=False)
    of_run = calibrate(asked)
    of_file = calibrate(replace(asked, trusted=(str(corpus["craft"]),)))
    for signal in of_file.trusted.values:
        np.testing.assert_array_equal(
            np.sort(of_run.trusted.values[signal])[-260:], np.sort(of_file.trusted.values[signal])[-260:]
        )
    assert (
        of_run.trusted.left_out["s"]["fell before the rules"]
        + of_run.trusted.left_out["s"]["another language"]
        == 2
    )
    row = samples(of_run.rules, 0, of_run.trusted, of_run.trusted_losses, 1)
    assert not row or row[0].excerpt.text


def test_rules_on_morphemes_have_them_measured(tmp_path: Path, corpus: dict[str, Path]) -> None:
    pytest.importorskip("kiwipiepy")
    texts = [article("ko", number, 4) for number in range(12)]
    path = write_rows(tmp_path / "some.jsonl", [{"text": text} for text in texts])
    asked = ask(corpus, trusted=(str(path),), elsewhere=(), signals=("kiwi_words:min",), aim=Aim(0.8))
    found = calibrate(replace(asked, held_out=False)).trusted.values["kiwi_words"]
    expected = morphemes.measure(pa.array(texts, pa.large_string()))["kiwi_words"]
    assert sorted(found.tolist()) == sorted(expected.to_pylist())


def test_near_duplicates_of_a_run_count_as_one_document(corpus: dict[str, Path], tmp_path: Path) -> None:
    rows = [{"id": f"{n}", "text": article("ko", n)} for n in range(30)]
    rows += [{"id": f"near{n}", "text": f"{article('ko', n)} 덧붙인다."} for n in range(10)]
    curate(make_recipe(tmp_path / "run", [write_rows(tmp_path / "rows.jsonl", rows)]))
    found = calibrate(ask(corpus, trusted=(f"{tmp_path}/run",), elsewhere=(), aim=Aim(0.9)))
    assert len(found.trusted) == 30 and found.trusted.left_out["s"]["duplicates"] == 10


def test_the_preset_loads_by_its_path_and_says_why(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "my_ko.yaml"
    text = preset_yaml(calibration, "my_ko", "hanji calibrate …", "2026-01-02", "1.0")
    path.write_text(text, encoding="utf-8")
    loaded = preset_rules(str(path))
    assert [(r.name, r.signal, r.op, r.threshold) for r in loaded] == [
        (f"my_ko.{r.name}", r.signal, r.op, r.threshold) for r in calibration.rules
    ]
    fitted = len(calibration.trusted) - int(calibration.held.sum())
    for place, rule in enumerate(loaded):
        share = 100 * (1 - calibration.fit_losses.alone[place])
        assert f"keeps {share:.2f} % of {fitted} trusted documents" in rule.description
        assert re.search(
            r"p(2|98) = [0-9.]+ \[[0-9.…]+, [0-9.…]+\]; .*drops [0-9.]+ % elsewhere", rule.description
        )
    data = yaml.safe_load(text)
    assert "2026-01-02" in data["source"] and "craft 260" in data["source"]
    # A second calibration in its form has the form's reasons, not the evidence of the first.
    assert [one.reason for one in read_form([str(path)], [], [])] == [
        r.description for r in calibration.rules
    ]


def test_the_terminal_shows_every_rule_and_obeys_no_document(calibration: Calibration) -> None:
    lines = tell(calibration, 2)
    text = "\n".join(lines)
    for rule in calibration.rules:
        assert re.search(rf"^{rule.name} +{rule.op} ", text, re.MULTILINE)
    assert "All rules together keep" in text and "they drop 100.00 % elsewhere" in text
    assert "left out of trusted: 1 " in text
    assert printable("메뉴\x1b[2J\u202e") == "메뉴 [2J "
    assert max(map(width, lines)) < 160


@given(st.text(alphabet="가나 다ab\u3000c", max_size=80), st.integers(2, 30))
def test_wrapped_lines_fit_and_lose_no_word(text: str, columns: int) -> None:
    lines = list(wrapped(" ".join(text.split()), columns))
    assert all(width(line) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(text.split())


def test_the_page_escapes_what_documents_say_and_masks_personal_data(calibration: Calibration) -> None:
    page = render(calibration, "my_ko", "hanji calibrate …", 200)
    assert "&lt;script&gt;alert(1)" in page and "<script" not in page
    assert "010-2345-6789" not in page and "010-2345-6789" not in "\n".join(tell(calibration, 200))
    assert page.count("<svg") == len(calibration.rules)


def test_another_preset_is_compared_on_the_same_documents(corpus: dict[str, Path]) -> None:
    found = calibrate(ask(corpus, compare=("hanji_ko",)))
    (other,) = found.comparisons
    assert other.rules == preset_rules("hanji_ko")
    assert other.elsewhere is not None and 0 <= other.trusted.together < other.elsewhere.together
    assert "hanji_ko" in "\n".join(tell(found, 0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trusted": ("nowhere.jsonl",)}, "--trusted: nowhere.jsonl: no such file"),
        ({"trusted": ("nothing-*.jsonl",)}, "--trusted: nothing-.*: the pattern matches no file"),
        ({"elsewhere": ("{base}",)}, "--elsewhere: .*: a directory that is no run"),
        ({"trusted": ("{base}/broken.jsonl",)}, "broken: 1 of 2 records cannot be read; the first: .*broken"),
        ({"trusted": ("{base}/text.txt",)}, "--trusted: .*text.txt: neither a run nor a file of texts"),
        ({"trusted": ("{base}/empty.jsonl",)}, "--trusted: empty: .* cannot be read; .*empty-file"),
        ({"language": "en", "trusted": ("{base}/rest.jsonl",)}, "rest: no document is in en; 9[0-9] are"),
        ({"trusted": ("{base}/short.jsonl",)}, "--trusted: no documents to learn from; 1 too short"),
        ({"text_field": "body"}, "craft: 263 of 263 records cannot be read; .*has no 'body'"),
        ({"signals": ("language_score",)}, "language_score: a file .* does not have it"),
    ],
)  # fmt: skip
def test_what_cannot_be_calibrated_is_refused_by_name(
    corpus: dict[str, Path], changes: dict[str, Any], message: str
) -> None:
    base = corpus["rest"].parent
    write_rows(base / "short.jsonl", [{"text": "짧다"}])
    (base / "broken.jsonl").write_text(json.dumps({"text": article("ko", 1)}) + "\n{", encoding="utf-8")
    (base / "text.txt").write_text("글", encoding="utf-8")
    (base / "empty.jsonl").write_text("", encoding="utf-8")
    filled = {
        name: tuple(one.format(base=base) for one in value) if isinstance(value, tuple) else value
        for name, value in changes.items()
    }
    with pytest.raises(RecipeError, match=message):
        calibrate(ask(corpus, **filled))


def test_a_run_is_refused_where_it_has_no_such_source_or_signal(
    corpus: dict[str, Path], tmp_path: Path
) -> None:
    curate(make_recipe(tmp_path / "run", [corpus["rest"]]))
    with pytest.raises(RecipeError, match=r"--trusted: .*run: 'news' is no source of the run; there are: s"):
        calibrate(ask(corpus, trusted=(f"{tmp_path}/run:news",)))
    (tmp_path / "half").mkdir()
    told = json.loads((tmp_path / "run/run.json").read_text()) | {"finished": False}
    (tmp_path / "half/run.json").write_text(json.dumps(told))
    with pytest.raises(RecipeError, match="half: the run has not finished"):
        calibrate(ask(corpus, trusted=(f"{tmp_path}/half",)))
