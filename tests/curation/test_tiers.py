"""Tiers: exact shares, ties together, in any order of partitions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hanji.curation.decisions.tiers import histogram, merge_histograms, thresholds
from hanji.curation.recipe import Tier

TIERS = [Tier(name="high", top_share=0.3), Tier(name="medium", top_share=0.7), Tier(name="low")]


def assign(scores: list[float], tiers: list[Tier] = TIERS, cuts: int = 1) -> list[str]:
    array = np.array(scores, np.float64)
    merged = merge_histograms(histogram(array[i::cuts]) for i in range(cuts))
    return thresholds(tiers, merged).assign(array)


def test_shares_are_exact_when_scores_differ() -> None:
    tiers = assign([i / 100 for i in range(100)])
    assert [tiers.count(name) for name in ("high", "medium", "low")] == [30, 40, 30]
    assert tiers[99] == "high"
    assert tiers[0] == "low"


def test_equal_scores_share_a_tier() -> None:
    assert set(assign([0.5] * 10)) == {"high"}


def test_documents_without_a_score_take_the_last_tier() -> None:
    assert assign([0.9, float("nan"), 0.1, float("nan")])[1::2] == ["low", "low"]
    assert assign([float("nan")] * 3) == ["low"] * 3


def test_a_threshold_tier_takes_all_from_its_score_on() -> None:
    tiers = [Tier(name="good", min_score=0.5), Tier(name="rest")]
    assert assign([0.5, 0.499999, 0.6], tiers) == ["good", "rest", "good"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(1, 5))
def test_how_the_run_is_cut_does_not_move_a_threshold(scores: list[float], cuts: int) -> None:
    assert assign(scores, cuts=1) == assign(scores, cuts=cuts)
