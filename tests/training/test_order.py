"""The order of samples: a function of the step, fair to every component, the same for any layout."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.training.data.blend import BLOCK, apportion
from hanji.training.data.order import SampleBatch, SampleOrder, Segment
from hanji.training.data.permutation import Permutation

WINDOWS = {"en/web/high": 37, "ko/web/high": 101, "ko/web/low": 64}


def make_order(samples: int = 700, seed: int = 3) -> SampleOrder:
    broad = apportion("broad", {"en/web/high": 0.25, "ko/web/high": 0.5, "ko/web/low": 0.25})
    best = apportion("best", {"en/web/high": 1.0, "ko/web/high": 2.0})
    return SampleOrder([Segment("broad", broad, samples), Segment("best", best, samples)], WINDOWS, seed)


@given(st.integers(1, 5000), st.text(max_size=8))
@settings(max_examples=30, deadline=None)
def test_a_permutation_gives_each_number_once_and_its_inverse_gives_it_back(size: int, key: str) -> None:
    permutation, numbers = Permutation(size, key), np.arange(size)
    images = permutation(numbers)
    assert np.array_equal(np.sort(images), numbers)
    assert np.array_equal(permutation.inverse(images), numbers)


@given(st.integers(1, 2**40), st.data())
@settings(max_examples=40, deadline=None)
def test_a_large_permutation_is_inverted_without_a_table(size: int, data: st.DataObject) -> None:
    permutation = Permutation(size, "large")
    positions = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=20)), np.int64)
    assert np.array_equal(permutation.inverse(permutation(positions)), positions)


@pytest.mark.parametrize("size", [3, 8, 17])
def test_permutations_of_many_keys_put_every_number_everywhere_equally_often(size: int) -> None:
    keys = 600
    images = np.stack([Permutation(size, f"key {key}")(np.arange(size)) for key in range(keys)])
    counts = np.stack([np.bincount(images[:, place], minlength=size) for place in range(size)])
    # Of chi-square with (size - 1)^2 degrees of freedom, six deviations above its mean.
    chi_square = ((counts - keys / size) ** 2 / (keys / size)).sum()
    freedom = (size - 1) ** 2
    assert chi_square < freedom + 6 * np.sqrt(2 * freedom)
    # Where two neighbours go, too: a shift or a mirror image would keep their distance.
    steps = np.bincount((images[:, 1] - images[:, 0]) % size, minlength=size)[1:]
    expected = keys / (size - 1)
    assert ((steps - expected) ** 2 / expected).sum() < (size - 2) + 6 * np.sqrt(2 * (size - 2)) + 6


def test_a_permutation_is_the_same_one_by_one_and_differs_by_key() -> None:
    whole = Permutation(1000, "a")(np.arange(1000))
    assert [int(Permutation(1000, "a")(np.array([i]))[0]) for i in (0, 1, 999)] == whole[[0, 1, 999]].tolist()
    assert not np.array_equal(whole, Permutation(1000, "b")(np.arange(1000)))
    # Neighbours do not stay neighbours.
    assert (np.abs(np.diff(whole)) == 1).mean() < 0.02
    with pytest.raises(ValueError, match="outside a permutation of 10"):
        Permutation(10, "a")(np.array([10]))


@given(st.integers(0, 1399), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_a_batch_computed_alone_is_the_batch_of_the_whole_run(first: int, count: int) -> None:
    order = make_order()
    count = min(count, 1400 - first)
    whole, part = order.batch(0, 1400), order.batch(first, count)
    for field in ("component", "window", "epoch"):
        assert np.array_equal(getattr(part, field), getattr(whole, field)[first : first + count])


def drawn_windows(batch: SampleBatch) -> dict[str, list[tuple[int, int]]]:
    """(epoch, window) of each sample by stream, in order."""
    return {
        name: list(
            zip(
                batch.epoch[batch.component == index].tolist(),
                batch.window[batch.component == index].tolist(),
                strict=True,
            )
        )
        for index, name in enumerate(batch.names)
    }


def each_once_before_any_twice(pairs: list[tuple[int, int]], windows: int) -> bool:
    """Whether epochs follow each other, each but the last with every window exactly once."""
    counts = Counter(epoch for epoch, _ in pairs)
    return (
        [epoch for epoch, _ in pairs] == sorted(epoch for epoch, _ in pairs)
        and len(set(pairs)) == len(pairs)
        and all(0 <= window < windows for _, window in pairs)
        and list(counts) == list(range(len(counts)))
        and all(counts[epoch] == windows for epoch in list(counts)[:-1])
    )


def test_every_window_comes_once_before_any_comes_twice_across_stages() -> None:
    order = make_order()
    drawn = drawn_windows(order.batch(0, 1400))
    assert all(each_once_before_any_twice(pairs, WINDOWS[name]) for name, pairs in drawn.items())
    assert {name: len(pairs) for name, pairs in drawn.items()} == order.consumed(1400)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(sorted(WINDOWS)), st.floats(1e-4, 1e4), min_size=1),
            st.integers(1, 400),
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 2**32),
)
@settings(max_examples=30, deadline=None)
def test_a_window_is_found_at_every_sample_that_has_it_and_nowhere_else(
    stages: list[tuple[dict[str, float], int]], seed: int
) -> None:
    segments = [
        Segment(f"s{number}", apportion("s", weights), samples)
        for number, (weights, samples) in enumerate(stages)
    ]
    order = SampleOrder(segments, WINDOWS, seed)
    batch = order.batch(0, order.samples)
    for index, (name, windows) in enumerate(WINDOWS.items()):
        assert each_once_before_any_twice(drawn_windows(batch)[name], windows)
        draws = order.find(name, np.arange(windows))
        assert draws.sample.tolist() == np.flatnonzero(batch.component == index).tolist()
        assert np.array_equal(draws.window, batch.window[draws.sample])
        assert np.array_equal(draws.epoch, batch.epoch[draws.sample])


def test_a_window_of_a_run_of_three_trillion_tokens_is_found_at_once() -> None:
    windows = {"ko/web/high": 90_000_000, "en/web/high": 200_000_000}
    order = SampleOrder(
        [
            Segment("one", apportion("one", {"ko/web/high": 1, "en/web/high": 2}), 300_000_000),
            Segment("two", apportion("two", {"ko/web/high": 3, "en/web/high": 1}), 66_000_000),
        ],
        windows,
        1,
    )
    draws = order.find("ko/web/high", np.array([0, 12_345_678, 89_999_999]))
    assert len(draws.sample) >= 3
    for sample, window, epoch in zip(draws.sample, draws.window, draws.epoch, strict=True):
        found = order.batch(int(sample), 1)
        assert (found.names[found.component[0]], found.window[0], found.epoch[0]) == (
            "ko/web/high", window, epoch,
        )  # fmt: skip


@given(st.integers(0, 140_000))
@settings(max_examples=20, deadline=None)
def test_what_was_consumed_is_what_was_drawn(samples: int) -> None:
    order = make_order(70_000)
    batch = order.batch(0, samples)
    counts = np.bincount(batch.component, minlength=3).tolist()
    assert order.consumed(samples) == dict(zip(batch.names, counts, strict=True))


def test_what_comes_later_moves_no_sample_that_was_drawn() -> None:
    broad = {"en/web/high": 16384, "ko/web/high": 32768, "ko/web/low": 16384}
    best = apportion("best", {"en/web/high": 1.0, "ko/web/high": 2.0})
    whole = SampleOrder([Segment("broad", broad, 700)], WINDOWS, 3)
    cut = SampleOrder([Segment("broad", broad, 300), Segment("other", best, 500)], WINDOWS, 3)
    for field in ("component", "window", "epoch"):
        assert np.array_equal(getattr(whole.batch(0, 300), field), getattr(cut.batch(0, 300), field))
    assert whole.history(300) == cut.history(300) != whole.history(301)
    drawn = drawn_windows(cut.batch(0, 800))
    assert all(each_once_before_any_twice(pairs, WINDOWS[name]) for name, pairs in drawn.items())


def test_weights_are_met_in_every_stretch() -> None:
    order = make_order(BLOCK)
    batch = order.batch(0, BLOCK)
    for start in range(0, BLOCK - 64, 61):
        share = (batch.component[start : start + 64] == batch.names.index("ko/web/high")).mean()
        assert abs(share - 0.5) < 0.1


def test_another_seed_gives_another_order() -> None:
    assert not np.array_equal(make_order(seed=3).batch(0, 50).window, make_order(seed=4).batch(0, 50).window)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.floats(1e-9, 1e9), min_size=1, max_size=20))
def test_slots_sum_to_the_block_and_nobody_gets_none(weights: dict[str, float]) -> None:
    slots = apportion("s", weights)
    total = sum(weights.values())
    assert sum(slots.values()) == BLOCK and min(slots.values()) >= 1
    for name, weight in weights.items():
        assert abs(slots[name] / BLOCK - weight / total) <= (len(weights) + 1) / BLOCK
    assert apportion("s", slots) == slots


def test_a_run_that_goes_on_from_anothers_place_draws_what_that_one_has_not() -> None:
    slots = apportion("s", {"en/web/high": 1.0, "ko/web/high": 2.0})
    first = SampleOrder([Segment("s", slots, 150)], WINDOWS, 3)
    taken = first.consumed(150)
    second = SampleOrder([Segment("other", slots, 500)], WINDOWS, 3, begun=taken)
    drawn = drawn_windows(first.batch(0, 150)), drawn_windows(second.batch(0, 500))
    for index, name in enumerate(WINDOWS):
        assert each_once_before_any_twice(drawn[0][name] + drawn[1][name], WINDOWS[name])
        found = second.find(name, np.arange(WINDOWS[name]))
        assert found.sample.tolist() == np.flatnonzero(second.batch(0, 500).component == index).tolist()
    assert sum(second.consumed(500).values()) == 500
