"""The order of samples: a function of the step, fair to every component, the same for any layout."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.errors import RecipeError
from hanji.training.data.blend import BLOCK, apportion, match_patterns
from hanji.training.data.order import SampleOrder, StagePlan
from hanji.training.data.permutation import Permutation

WINDOWS = {"en/web/high": 37, "ko/web/high": 101, "ko/web/low": 64}


def make_order(samples: int = 700, seed: int = 3) -> SampleOrder:
    broad = apportion("broad", {"en/web/high": 0.25, "ko/web/high": 0.5, "ko/web/low": 0.25})
    best = apportion("best", {"en/web/high": 1.0, "ko/web/high": 2.0})
    return SampleOrder([StagePlan(broad, samples), StagePlan(best, samples)], WINDOWS, seed)


@given(st.integers(1, 5000), st.text(max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_permutation_gives_each_number_once(size: int, key: str) -> None:
    assert np.array_equal(np.sort(Permutation(size, key)(np.arange(size))), np.arange(size))


def test_a_permutation_is_the_same_one_by_one_and_differs_by_key() -> None:
    whole = Permutation(1000, "a")(np.arange(1000))
    assert [int(Permutation(1000, "a")(np.array([i]))[0]) for i in (0, 1, 999)] == whole[[0, 1, 999]].tolist()
    assert not np.array_equal(whole, Permutation(1000, "b")(np.arange(1000)))
    # Neighbours do not stay neighbours.
    assert (np.abs(np.diff(whole)) == 1).mean() < 0.02
    with pytest.raises(ValueError, match="outside a permutation of 10"):
        Permutation(10, "a")(np.array([10]))


@given(st.integers(0, 1399), st.integers(1, 40))
@settings(max_examples=80, deadline=None)
def test_a_batch_computed_alone_is_the_batch_of_the_whole_run(first: int, count: int) -> None:
    order = make_order()
    stage, start = divmod(first, 700)
    count = min(count, 700 - start)
    whole, part = order.batch(stage, 0, 700), order.batch(stage, start, count)
    for field in ("component", "window", "epoch"):
        assert np.array_equal(getattr(part, field), getattr(whole, field)[start : start + count])


def test_every_window_comes_once_before_any_comes_twice_across_stages() -> None:
    order = make_order()
    drawn: dict[str, list[tuple[int, int]]] = {name: [] for name in WINDOWS}
    for stage in (0, 1):
        batch = order.batch(stage, 0, 700)
        for component, window, epoch in zip(batch.component, batch.window, batch.epoch, strict=True):
            drawn[batch.names[component]].append((int(epoch), int(window)))
    for name, pairs in drawn.items():
        assert [epoch for epoch, _ in pairs] == sorted(epoch for epoch, _ in pairs)
        counts = Counter(epoch for epoch, _ in pairs)
        assert len(set(pairs)) == len(pairs)
        assert all(counts[epoch] == WINDOWS[name] for epoch in list(counts)[:-1])
    assert {name: len(pairs) for name, pairs in drawn.items()} == order.consumed(2, 0)


@given(st.integers(0, 9000))
@settings(max_examples=60, deadline=None)
def test_what_was_consumed_is_what_was_drawn(samples: int) -> None:
    order = make_order(9000)
    batch = order.batch(0, 0, samples)
    counts = {
        name: int((batch.component == index).sum()) for index, name in enumerate(batch.names)
    } if samples else {}  # fmt: skip
    assert {name: order.consumed(0, samples)[name] for name in counts} == counts


def test_weights_are_met_in_every_stretch() -> None:
    order = make_order(BLOCK)
    batch = order.batch(0, 0, BLOCK)
    for start in range(0, BLOCK - 64, 61):
        share = (batch.component[start : start + 64] == batch.names.index("ko/web/high")).mean()
        assert abs(share - 0.5) < 0.1


def test_another_seed_gives_another_order() -> None:
    assert not np.array_equal(
        make_order(seed=3).batch(0, 0, 50).window, make_order(seed=4).batch(0, 0, 50).window
    )


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.floats(1e-9, 1e9), min_size=1, max_size=20))
def test_slots_sum_to_the_block_and_nobody_gets_none(weights: dict[str, float]) -> None:
    slots = apportion("s", weights).slots
    total = sum(weights.values())
    assert sum(slots.values()) == BLOCK and min(slots.values()) >= 1
    for name, weight in weights.items():
        assert abs(slots[name] / BLOCK - weight / total) <= (len(weights) + 1) / BLOCK


def test_the_most_specific_pattern_counts_and_shares_its_weight_by_tokens() -> None:
    tokens = {"ko/web/high": 300, "ko/web/low": 100, "en/web/high": 600}
    weights = match_patterns("s", {"ko/*/*": 0.4, "*/*/*": 0.6}, tokens)
    assert weights == pytest.approx({"ko/web/high": 0.3, "ko/web/low": 0.1, "en/web/high": 0.6})


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ({"ja/*/*": 1.0}, "'ja/\\*/\\*' matches no component .* there are: en/web/high, ko/web/high"),
        ({"ko/*/*": 1.0, "*/*/high": 1.0}, "equally specific and both match ko/web/high"),
    ],
)
def test_a_blend_that_cannot_be_names_its_field(patterns: dict[str, float], message: str) -> None:
    with pytest.raises(RecipeError, match=f"stages.s.blend: .*{message}"):
        match_patterns("s", patterns, {"ko/web/high": 300, "en/web/high": 600})
