"""Tiers: exact shares, buckets and quotas, ties together, in any order of partitions, against plain Python."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.decisions import cutting
from hanji.curation.decisions.cutting import Ask, Histograms, find_cuts
from hanji.curation.decisions.ensembles import bucket_edges, in_buckets
from hanji.curation.decisions.tiers import (
    MISSING,
    Candidates,
    TierCuts,
    candidates,
    cuts_of,
    largest_perplexity,
    perplexity_merits,
)
from hanji.curation.tier_recipe import Ensemble, Tier

TIERS = [Tier(name="high", top_share=0.3), Tier(name="medium", top_share=0.7), Tier(name="low")]
NAN = float("nan")


class InParts:
    """Counts documents part by part, a range of ids each, as the tasks of a run do."""

    def __init__(self, parts: Sequence[Candidates]) -> None:
        self.parts = parts

    def histograms(self, cuts: TierCuts, asks: Sequence[Ask]) -> Histograms:
        tables = [cutting.count(part, cuts, asks) for part in self.parts]
        return cutting.read_histograms(cutting.added(pa.concat_tables(tables[::-1])))

    def boundaries(
        self, cuts: TierCuts, ask: Ask, points: Mapping[str, tuple[int, int]]
    ) -> Mapping[str, tuple[str, int, int]]:
        merits = {group: merit for group, (merit, _) in points.items()}
        tied = [cutting.tied_at(part, cuts, ask, merits) for part in self.parts]

        def last(wanted: Mapping[int, Mapping[str, tuple[int, int]]]) -> dict[str, tuple[str, int, int]]:
            found: dict[str, tuple[str, int, int]] = {}
            for number, mine in wanted.items():
                found |= cutting.last_of(self.parts[number], cuts, ask, mine)
            return found

        return cutting.crossings(tied, points, last)


def table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Ledger rows with these fields, the others as they are without anything."""
    plain = {"language": "ko", "domain": "web", "source": "s", "score": None, "cluster_size": 1}
    filled = [
        plain | {"id": f"{place:032x}", "cluster_occurrences": 1} | dict(row)
        for place, row in enumerate(rows)
    ]
    names = list(
        dict.fromkeys([*plain, "id", "cluster_occurrences", *(name for row in filled for name in row)])
    )
    names = [name for name in names if name != "tokens"]
    kinds = {name: pa.large_string() for name in ("id", "language", "domain", "source")}
    kinds |= {"cluster_size": pa.int64(), "cluster_occurrences": pa.int64()}
    columns = {
        name: pa.array([row.get(name) for row in filled], kinds.get(name, pa.float64())) for name in names
    }
    return pa.table(columns)


def assign(
    rows: Sequence[Mapping[str, Any]],
    tiers: Sequence[Tier],
    cuts: int = 1,
    models: Mapping[str, Sequence[str]] | None = None,
    ensembles: Mapping[str, Ensemble] | None = None,
) -> tuple[list[str], TierCuts]:
    """The tier of each row, decided from ``cuts`` ranges of ids."""
    whole = table(rows)
    tokens = np.array([row.get("tokens", 1) for row in rows], np.int64)
    bounds = [len(rows) * k // cuts for k in range(cuts + 1)]
    parts = [candidates(whole.slice(low, high - low), tokens[low:high]) for low, high in pairwise(bounds)]
    found = find_cuts(tiers, models or {}, ensembles or {}, InParts(parts))
    again = cuts_of(tiers, found.ensembles, found.facts())
    places = [
        place
        for part in parts
        for place in again.places(part.ensemble(found.edges, found.ensembles)).tolist()
    ]
    return [tiers[place].name for place in places], found


def scored(scores: Sequence[float], tiers: Sequence[Tier] = TIERS, cuts: int = 1) -> list[str]:
    return assign([{"score": None if math.isnan(score) else score} for score in scores], tiers, cuts)[0]


# -- shares and thresholds ---------------------------------------------------------------------------------


def test_shares_are_exact_when_scores_differ() -> None:
    tiers = scored([i / 100 for i in range(100)])
    assert [tiers.count(name) for name in ("high", "medium", "low")] == [30, 40, 30]
    assert tiers[99] == "high"
    assert tiers[0] == "low"


def test_a_share_is_that_of_its_decimals() -> None:
    # In floating point 0.29 of 100 is 28.999….
    tiers = scored([i / 100 for i in range(100)], [Tier(name="high", top_share=0.29), Tier(name="low")])
    assert tiers.count("high") == 29


def test_equal_scores_share_a_tier() -> None:
    assert set(scored([0.5] * 10)) == {"high"}


def test_documents_without_a_score_take_the_last_tier() -> None:
    assert scored([0.9, NAN, 0.1, NAN])[1::2] == ["low", "low"]
    assert scored([NAN] * 3) == ["low"] * 3
    assert scored([]) == []


def test_a_threshold_tier_takes_all_from_its_score_on() -> None:
    tiers = [Tier(name="good", min_score=0.5), Tier(name="rest")]
    assert scored([0.5, 0.499999, 0.6], tiers) == ["good", "rest", "good"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(1, 5))
def test_how_the_run_is_cut_does_not_move_a_threshold(scores: list[float], cuts: int) -> None:
    assert scored(scores, cuts=1) == scored(scores, cuts=cuts)


def test_head_middle_and_tail_are_shares_of_the_lowest_perplexity() -> None:
    tiers = [
        Tier(name="head", best_perplexity_share=0.3),
        Tier(name="middle", best_perplexity_share=0.6),
        Tier(name="tail"),
    ]
    rows: list[dict[str, Any]] = [
        {"perplexity": value} for value in (900, 20.5, 350, 410, NAN, 77, 5000, 120, 333, 60)
    ]
    names, _ = assign(rows, tiers, cuts=3)
    by_tier = {
        name: [row["perplexity"] for row, tier in zip(rows, names, strict=True) if tier == name]
        for name in ("head", "middle", "tail")
    }
    assert by_tier["head"] == [20.5, 77, 60]
    assert by_tier["middle"] == [350, 120, 333]
    assert [value for value in by_tier["tail"] if value == value] == [900, 410, 5000]


@settings(deadline=None)
@given(st.lists(st.floats(1e-3, 1e12), min_size=2, max_size=2))
def test_merits_of_perplexities_keep_their_order(pair: list[float]) -> None:
    low, high = sorted(pair)
    merits = perplexity_merits(np.array([low, high])).tolist()
    assert merits[0] >= merits[1]
    if high > low * (1 + 2**-15):
        assert merits[0] > merits[1]
    assert largest_perplexity(merits[0]) >= low
    assert perplexity_merits(np.array([NAN, 0.0])).tolist() == [MISSING, MISSING]


def test_all_conditions_of_a_tier_hold_together() -> None:
    tiers = [
        Tier(name="best", min_score=0.5, max_perplexity=300, min_cluster_size=2, max_cluster_size=9),
        Tier(name="law", sources=["law"]),
        Tier(name="rest"),
    ]
    good: dict[str, Any] = {"score": 0.7, "perplexity": 200.0, "cluster_size": 3}
    rows: list[dict[str, Any]] = [
        good,
        good | {"score": 0.4},
        good | {"perplexity": 301.0},
        good | {"perplexity": NAN},
        good | {"cluster_size": 1, "source": "law"},
        good | {"cluster_size": 10},
    ]
    assert assign(rows, tiers)[0] == ["best", "rest", "rest", "rest", "law", "rest"]


def test_shares_count_within_the_scope_and_for_each_group() -> None:
    tiers = [Tier(name="high", sources=["a", "b"], per="source", top_share=0.5), Tier(name="low")]
    rows = [
        {"source": source, "score": score}
        for source, score in (("a", 0.9), ("a", 0.8), ("b", 0.2), ("b", 0.1), ("c", 1.0), ("c", 0.95))
    ]
    assert assign(rows, tiers, cuts=2)[0] == ["high", "low", "high", "low", "low", "low"]


# -- quotas ------------------------------------------------------------------------------------------------


def by_hand(rows: Sequence[Mapping[str, Any]], quota: int, taken: Sequence[bool]) -> list[bool]:
    """The best documents, one after another, until there are as many tokens."""
    order = sorted(
        (place for place, row in enumerate(rows) if not taken[place] and row["score"] is not None),
        key=lambda place: (-round(rows[place]["score"] * 1_000_000), place),
    )
    chosen, tokens = [False] * len(rows), 0
    for place in order:
        if tokens >= quota:
            break
        chosen[place] = True
        tokens += rows[place]["tokens"]
    return chosen


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "score": st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]), st.floats(0, 1)),
            "tokens": st.integers(0, 50),
        }
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(1, 400), st.integers(1, 400), st.integers(1, 6))
def test_a_quota_takes_the_best_documents_until_it_is_reached(
    rows: list[dict[str, Any]], first: int, second: int, cuts: int
) -> None:
    tiers = [Tier(name="a", tokens=first), Tier(name="b", tokens=second), Tier(name="rest")]
    names, found = assign(rows, tiers, cuts)
    a = by_hand(rows, first, [False] * len(rows))
    b = by_hand(rows, second, a)
    assert names == ["a" if x else "b" if y else "rest" for x, y in zip(a, b, strict=True)]
    for place, (name, wanted) in enumerate((("a", first), ("b", second))):
        mine = [row["tokens"] for row, tier in zip(rows, names, strict=True) if tier == name]
        cut = found.quotas[place].get("ko")
        assert (cut is None and not mine) or (
            cut is not None and (cut.tokens, cut.documents) == (sum(mine), len(mine))
        )
        if cut is not None:
            # More than the quota by less than one document, or all there was.
            assert cut.met == (sum(mine) >= wanted)
            assert not cut.met or sum(mine) - max(mine) < wanted


def test_a_quota_larger_than_the_data_takes_all_that_has_a_score_and_is_not_met() -> None:
    rows: list[dict[str, Any]] = [
        {"score": 0.5, "tokens": 10},
        {"score": None, "tokens": 10},
        {"score": 0.1, "tokens": 10},
    ]
    names, found = assign(rows, [Tier(name="all", tokens="1T"), Tier(name="rest")])
    assert names == ["all", "rest", "all"]
    assert (found.quotas[0]["ko"].tokens, found.quotas[0]["ko"].met) == (20, False)


def test_quotas_count_for_each_language_and_domain() -> None:
    rows: list[dict[str, Any]] = [
        {"language": language, "domain": domain, "score": score, "tokens": 10}
        for language, domain in (("ko", "web"), ("ko", "law"), ("en", "web"))
        for score in (0.9, 0.8, 0.7)
    ]
    each, _ = assign(rows, [Tier(name="best", per="domain", tokens=20), Tier(name="rest")], cuts=4)
    assert each == ["best", "best", "rest"] * 3
    of_language, _ = assign(rows, [Tier(name="best", languages=["ko"], tokens=20), Tier(name="rest")], cuts=4)
    assert [place for place, name in enumerate(of_language) if name == "best"] == [0, 3]


def test_a_quota_may_be_filled_by_the_lowest_perplexity() -> None:
    rows = [{"perplexity": value, "tokens": 10} for value in (300.0, 100.0, NAN, 200.0)]
    tiers = [Tier(name="best", tokens=11, best_by="perplexity"), Tier(name="rest")]
    assert assign(rows, tiers, cuts=2)[0] == ["rest", "best", "rest", "best"]


# -- ensembles ---------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.integers(-1, 40), min_size=1, max_size=80), st.integers(2, 25))
def test_buckets_hold_equally_many_and_equals_share_that_of_the_best(values: list[int], buckets: int) -> None:
    merit, documents = np.unique(np.array(values), return_counts=True)
    found = in_buckets(np.array(values), bucket_edges(merit, documents, buckets)).tolist()
    for value, bucket in zip(values, found, strict=True):
        upto = sum(other <= value for other in values)
        assert bucket == buckets * (upto - 1) // len(values)
    if len(set(values)) == len(values):
        sizes = np.bincount(found, minlength=buckets)
        assert sizes.max() - sizes.min() <= 1


def ensemble_by_hand(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], settings: Ensemble
) -> list[Fraction]:
    found = []
    for row in rows:
        buckets = []
        for name in names:
            upto = sum(round(o[name] * 1_000_000) <= round(row[name] * 1_000_000) for o in rows)
            buckets.append(settings.buckets * (upto - 1) // len(rows))
        if settings.method == "max":
            found.append(Fraction(max(buckets)))
        else:
            weights = [
                Fraction((settings.weights or {}).get(name.removeprefix("score_"), 1)) for name in names
            ]
            found.append(sum(w * b for w, b in zip(weights, buckets, strict=True)) / sum(weights))
    return found


SCORES = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
SETTINGS = st.sampled_from(
    [
        Ensemble(),
        Ensemble(buckets=7),
        Ensemble(method="mean"),
        Ensemble(method="mean", weights={"edu": 3, "web": 1}),
    ]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=40), SETTINGS, st.integers(1, 4))
def test_an_ensemble_is_the_best_or_mean_bucket_of_its_models(
    pairs: list[tuple[float, float]], how: Ensemble, cuts: int
) -> None:
    rows = [{"score": (a + b) / 2, "score_edu": a, "score_web": b} for a, b in pairs]
    tiers = [Tier(name=f"b{low}", min_bucket=low) for low in reversed(range(1, how.buckets))] + [
        Tier(name="b0")
    ]
    names, _ = assign(rows, tiers, cuts, {"ko": ["edu", "web"]}, {"ko": how})
    wanted = ensemble_by_hand(rows, ["score_edu", "score_web"], how)
    assert names == [f"b{math.floor(value)}" for value in wanted]


def test_an_ensemble_of_one_language_leaves_the_scores_of_another_alone() -> None:
    rows: list[dict[str, Any]] = [
        {"score": 0.2, "score_edu": 0.1, "score_web": 0.3},
        {"score": 0.5, "score_edu": 0.9, "score_web": 0.1},
        {"language": "en", "score": 0.018},
        {"language": "en", "score": 0.02},
    ]
    tiers = [
        Tier(name="high", languages=["en"], min_score=0.018112),
        Tier(name="high", languages=["ko"], min_bucket=1),
        Tier(name="low"),
    ]
    how = {"ko": Ensemble(buckets=2)}
    assert assign(rows, tiers, 2, {"ko": ["edu", "web"]}, how)[0] == ["high", "high", "low", "high"]


# -- recipes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tokens": 0}, "greater than 0"),
        ({"tokens": "many"}, "300B"),
        ({"tokens": "1.5"}, "no whole number"),
        ({"best_by": "perplexity"}, "give tokens too"),
        ({"per": "domain", "min_score": 0.5}, "how shares and quotas are counted"),
        ({"tokens": "9999999T"}, "less than or equal to"),
        ({"min_score": float("nan")}, "finite number"),
        ({"min_score": -0.1}, "greater than or equal to 0"),
        ({"min_score": float("inf")}, "finite number"),
        ({"min_score": 18}, "less than or equal to 1"),
        ({"min_cluster_size": 3, "max_cluster_size": 2}, "above max_cluster_size"),
        ({"languages": []}, "at least 1"),
        ({"languages": ["ko", "ko"], "min_score": 0.1}, "may stand once"),
    ],
)
def test_a_tier_that_cannot_be_meant_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tier(name="t", **fields)
