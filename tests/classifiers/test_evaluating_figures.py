"""Figures of an evaluation are exact: each is compared with a plain count over made-up scores, ties among them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.classifiers.evaluating.calibration import calibration
from hanji.classifiers.evaluating.curves import curves
from hanji.classifiers.evaluating.examples import mistakes
from hanji.classifiers.evaluating.groups import LENGTHS, auc_of_like_length, by_length, confusion
from hanji.classifiers.evaluating.intervals import intervals
from hanji.classifiers.evaluating.sides import agreements, furthest, rank_correlation, ranks
from hanji.classifiers.evaluating.thresholds import threshold_table, top_share
from hanji.classifiers.evaluating.variants import behaviour
from hanji.classifiers.figures import roc_auc
from hanji.errors import InputError

# Few values, so that most texts share theirs with another.
SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.75, 0.9, 1.0])
LABELLED = st.lists(st.tuples(st.booleans(), SCORES), min_size=2, max_size=40).filter(
    lambda rows: len({good for good, _ in rows}) == 2
)
PAIRS = st.lists(st.tuples(SCORES, SCORES), min_size=2, max_size=30)


def apart(rows: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([good for good, _ in rows]), np.array([score for _, score in rows])


@settings(max_examples=60, deadline=None)
@given(LABELLED)
def test_the_area_is_the_share_of_pairs_in_the_right_order_ties_half(rows: list[tuple[bool, float]]) -> None:
    good = [score for label, score in rows if label]
    other = [score for label, score in rows if not label]
    won = sum((a > b) + (a == b) / 2 for a, b in itertools.product(good, other))
    truth, scores = apart(rows)
    assert curves(truth, scores).roc_auc() == pytest.approx(won / (len(good) * len(other)), abs=1e-12)
    assert roc_auc(truth, scores) == pytest.approx(won / (len(good) * len(other)), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(LABELLED)
def test_average_precision_and_points_of_the_curve_are_counted_at_every_distinct_score(
    rows: list[tuple[bool, float]],
) -> None:
    truth, scores = apart(rows)
    found = curves(truth, scores)
    average, before, points = 0.0, 0.0, []
    for threshold in sorted(set(scores.tolist()), reverse=True):
        kept = [label for label, score in rows if score >= threshold]
        precision, recall = sum(kept) / len(kept), sum(kept) / truth.sum()
        average += (recall - before) * precision
        before = recall
        points.append((threshold, precision, recall, (len(kept) - sum(kept)) / (~truth).sum()))
    assert found.average_precision() == pytest.approx(average, abs=1e-12)
    mine = np.stack([found.thresholds, found.precision, found.recall, found.false_alarms], axis=1)
    assert np.allclose(mine, points)
    fitting = [
        (recall, threshold) for threshold, precision, recall, _ in points if precision >= 0.6 and recall
    ]
    best = found.recall_at_precision(0.6)
    assert (best is None) == (not fitting)
    if best is not None:
        assert best[0] == pytest.approx(max(fitting)[0])
    reached = next((p, t) for t, p, r, _ in points if r >= 0.7 - 1e-12)
    assert found.precision_at_recall(0.7) == pytest.approx(reached)
    f1 = max(2 * p * r / (p + r) if p + r else 0.0 for _, p, r, _ in points)
    assert found.best_f1()[0] == pytest.approx(f1)


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_ranks_share_their_mean_where_scores_are_equal_and_correlate_as_numbers_do(
    pairs: list[tuple[float, float]],
) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    by_hand = [
        np.array([(side < one).sum() + ((side == one).sum() + 1) / 2 for one in side]) for side in (a, b)
    ]
    assert np.array_equal(ranks(a), by_hand[0])
    if len(set(a.tolist())) > 1 and len(set(b.tolist())) > 1:
        assert rank_correlation(a, b) == pytest.approx(np.corrcoef(*by_hand)[0, 1], abs=1e-9)


def test_a_drawn_curve_keeps_its_ends_and_its_area() -> None:
    draw = np.random.default_rng(0)
    truth = draw.random(20_000) < 0.2
    whole = curves(truth, draw.normal(size=20_000) + truth)
    drawn = whole.drawn()
    assert len(drawn["recall"]) <= 202 and drawn["recall"][-1] == drawn["false_alarms"][-1] == 1
    area = np.trapezoid([0.0, *drawn["recall"]], [0.0, *drawn["false_alarms"]])
    assert area == pytest.approx(whole.roc_auc(), abs=2e-4)


@settings(max_examples=50, deadline=None)
@given(LABELLED)
def test_calibration_is_counted_bin_by_bin(rows: list[tuple[bool, float]]) -> None:
    truth, scores = apart(rows)
    found = calibration(truth, scores, bins=4)
    errors = []
    for one in range(4):
        mine = [(label, s) for label, s in rows if one == min(int(s * 4), 3)]
        row = found["bins"][one]
        assert row["texts"] == len(mine)
        if mine:
            share, mean = sum(g for g, _ in mine) / len(mine), sum(s for _, s in mine) / len(mine)
            assert (row["share_good"], row["mean_score"]) == pytest.approx((share, mean))
            errors.append((len(mine), abs(share - mean)))
    assert found["expected_error"] == pytest.approx(sum(n * e for n, e in errors) / len(rows))
    assert found["largest_error"] == pytest.approx(max(e for _, e in errors))
    assert found["brier"] == pytest.approx(sum((s - g) ** 2 for g, s in rows) / len(rows))


@pytest.mark.parametrize("figures", [curves, calibration, lambda t, s: intervals(t, s, np.arange(len(t)))])
@pytest.mark.parametrize(
    ("truth", "scores", "message"),
    [
        ([True, True], [0.1, 0.2], "there are 2 good ones and 0 others"),
        ([False], [0.1], "there are 0 good ones and 1 others"),
        ([], [], "there are 0 good ones and 0 others"),
        ([True, False, False], [0.1, float("nan"), 0.3], "1 of 3 are not numbers, the first that of text 2"),
        ([True, False], [float("inf"), float("nan")], "2 of 2 are not numbers"),
    ],
)
def test_a_kind_that_is_missing_and_scores_that_are_no_numbers_are_refused(
    figures: object, truth: list[bool], scores: list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        figures(np.array(truth, bool), np.array(scores))  # type: ignore[operator]


def test_intervals_are_over_sites_and_the_same_every_time() -> None:
    draw = np.random.default_rng(1)
    sites = np.repeat(np.arange(20), 30)
    of_site = draw.normal(size=20)  # what texts of a site share
    truth = sites % 2 == 0
    scores = 1 / (1 + np.exp(-(truth + of_site[sites] + draw.normal(size=600))))
    by_site, alone = intervals(truth, scores, sites), intervals(truth, scores, np.arange(600))
    assert by_site == intervals(truth, scores, sites)
    for name, exact in (
        ("roc_auc", curves(truth, scores).roc_auc()),
        ("average_precision", curves(truth, scores).average_precision()),
    ):
        wide, narrow = by_site[name], alone[name]
        assert wide is not None and narrow is not None
        assert wide[0] < exact < wide[1] and wide[1] - wide[0] > narrow[1] - narrow[0]
    one = np.where(truth, 0, np.arange(600))
    assert intervals(truth, scores, one) == {"roc_auc": None, "average_precision": None}


def test_a_bootstrap_that_draws_each_site_once_gives_the_exact_figures() -> None:
    from hanji.classifiers.evaluating.intervals import _figures

    draw = np.random.default_rng(5)
    truth, scores = draw.random(200) < 0.4, draw.integers(0, 12, 200) / 11
    distinct, place = np.unique(-scores, return_inverse=True)
    good, other = (np.bincount(place, kind, len(distinct)) for kind in (truth, ~truth))
    exact = curves(truth, scores)
    assert _figures(good, other) == pytest.approx((exact.roc_auc(), exact.average_precision()))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=40), st.sampled_from([0.01, 0.33, 0.5, 1.0]))
def test_a_top_share_is_its_floor_of_texts_but_at_least_one_and_ties(values: list[int], share: float) -> None:
    wanted = max(1, int(share * len(values)))
    assert top_share(np.array(values, np.int64), share) == sorted(values, reverse=True)[wanted - 1]


def test_a_threshold_table_adds_up_documents_bytes_and_tokens() -> None:
    pool = np.array([0.9, 0.5, 0.5, 0.2, 0.1])
    size, tokens = np.array([100, 10, 20, 3, 4]), np.array([50, 5, 6, 1, 2])
    labelled = (np.array([True, True, False]), np.array([0.95, 0.3, 0.5]))
    rows = threshold_table(pool, size, tokens, labelled, shares=(0.4,), values=(0.15, 0.9))
    assert [(row["share"], row["threshold"]) for row in rows] == [(None, 0.9), (0.4, 0.5), (None, 0.15)]
    assert [row["documents"] for row in rows] == [
        1,
        3,
        4,
    ]  # two fifths are two texts, and a third has the same score
    assert [row["bytes"] for row in rows] == [100, 130, 133]
    assert [row["tokens"] for row in rows] == [50, 61, 62]
    assert rows[1]["tokens_share"] == 61 / 64 and rows[1]["documents_share"] == 0.6
    assert [(row["precision"], row["recall"]) for row in rows] == [(1.0, 0.5), (0.5, 0.5), (2 / 3, 1.0)]
    bare = threshold_table(pool, size, None, None, shares=(), values=(1.0,))
    assert bare[0]["tokens"] is None and bare[0]["documents"] == 0 and "precision" not in bare[0]


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_agreement_of_two_models_is_counted_text_by_text(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    (row,) = agreements(a, b, [], [(0.3, 0.5)])
    kept = [(x >= 0.3, y >= 0.5) for x, y in pairs]
    assert [row[name] for name in ("both", "only_a", "only_b", "neither")] == [
        kept.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))
    ]
    share_a, share_b = (sum(side) / len(kept) for side in zip(*kept, strict=True))
    agreed = sum(x == y for x, y in kept) / len(kept)
    chance = share_a * share_b + (1 - share_a) * (1 - share_b)
    assert row["kappa"] == (None if chance == 1 else pytest.approx((agreed - chance) / (1 - chance)))
    up, down, difference = furthest(a, b, 3)
    assert np.array_equal(difference, (ranks(a) - ranks(b)) / len(a))
    assert all(difference[up] > 0) and all(difference[down] < 0)
    assert sorted(difference[up], reverse=True) == sorted((d for d in difference if d > 0), reverse=True)[:3]


def test_a_model_agrees_with_itself_and_two_that_never_vary_have_no_correlation() -> None:
    a = np.array([0.1, 0.4, 0.4, 0.8])
    (row,) = agreements(a, a, [0.25], [])
    assert row["kappa"] == row["overlap"] == 1.0 and row["thresholds"] == [0.8, 0.8]
    assert rank_correlation(a, a) == pytest.approx(1.0) and rank_correlation(a, 0 * a) is None
    assert rank_correlation(a, -a) == pytest.approx(-1.0)


def test_confusion_names_the_groups_with_most_mistakes_first() -> None:
    group = np.array([0, 0, 1, 1, 1, 2])
    truth = np.array([True, True, False, False, True, False])
    scores = np.array([0.9, 0.2, 0.8, 0.7, 0.6, 0.1])
    rows = confusion(["b", "c", "a"], group, truth, scores, 0.5)
    assert [row["name"] for row in rows] == ["c", "b", "a"]
    assert [rows[0][name] for name in ("hits", "missed", "wrong", "right")] == [1, 0, 2, 0]
    assert rows[0]["roc_auc"] == 0.0 and rows[1]["roc_auc"] is None and rows[1]["recall"] == 0.5
    many = confusion([str(n) for n in range(100)], np.arange(100), np.ones(100, bool), np.ones(100), 0.5)
    assert len(many) == 61 and many[-1]["name"] == "… 40 others" and many[-1]["hits"] == 40


@settings(max_examples=50, deadline=None)
@given(LABELLED, st.randoms(use_true_random=False))
def test_the_area_among_texts_of_like_length_counts_pairs_of_one_bin(
    rows: list[tuple[bool, float]], rng: Any
) -> None:
    lengths = [rng.choice([5, 99, 100, 250, 5000]) for _ in rows]
    bins = [sum(length >= bound for bound in LENGTHS) for length in lengths]
    won = [
        (a > b) + (a == b) / 2
        for (good, a), mine in zip(rows, bins, strict=True)
        for (other, b), theirs in zip(rows, bins, strict=True)
        if good and not other and mine == theirs
    ]
    found = auc_of_like_length(np.array(lengths), *apart(rows))
    assert found == (pytest.approx(sum(won) / len(won)) if won else None)


def test_a_model_that_goes_by_length_alone_has_half_the_area_among_texts_of_like_length() -> None:
    draw = np.random.default_rng(2)
    truth = np.arange(2000) % 2 == 0
    lengths = np.where(draw.random(2000) < 0.9, truth, ~truth) * 2000 + draw.integers(310, 900, 2000)
    scores = (lengths > 1000) + 0.001 * draw.random(2000)
    assert roc_auc(truth, scores) > 0.85
    assert auc_of_like_length(lengths, truth, scores) == pytest.approx(0.5, abs=0.06)


def test_lengths_variants_and_mistakes_are_told_of_the_texts_that_they_are_of() -> None:
    characters = np.array([0, 99, 100, 299, 20_000])
    truth, scores = np.array([True, False, True, False, True]), np.array([0.9, 0.2, 0.4, 0.6, 0.8])
    bins = by_length(characters, truth, scores, 0.5)
    assert [(row["from"], row["texts"], row["kept_share"]) for row in bins] == [
        (0, 2, 0.5),
        (100, 2, 0.5),
        (10_000, 1, 1.0),
    ]
    assert [row["roc_auc"] for row in bins] == [1.0, 0.0, None] and bins[-1]["to"] is None
    (row,) = behaviour(truth, scores, {"first": np.array([0.1, 0.2, 0.4, 0.6, 0.8])}, 0.5)
    assert row["crossing"] == 0.2 and row["mean_change"] == pytest.approx(-0.16)
    assert row["roc_auc_lost"] == pytest.approx(roc_auc(truth, scores) - row["roc_auc"])
    assert {name: rows.tolist() for name, rows in mistakes(truth, scores, 0.5, 3).items()} == {
        "wrong": [3],
        "missed": [2],
    }
