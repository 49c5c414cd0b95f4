"""Blends become segments: patterns, tokens, caps that hold to the window, streams of repeated documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.errors import RecipeError
from hanji.stages import BlendEntry
from hanji.training.data.blend import BLOCK
from hanji.training.data.mixing import Mixture, StageRequest, StreamFacts, entries_of, fill, mix
from hanji.training.data.order import SampleOrder

STREAMS = [
    StreamFacts("en/web/high", "en/web/high", 600, 60_000),
    StreamFacts("ko/web/high", "ko/web/high", 300, 30_000),
    StreamFacts("ko/web/low", "ko/web/low", 100, 10_000),
]
WINDOWS = {stream.name: stream.windows for stream in STREAMS}


def request(name: str, samples: int, blend: Mapping[str, Any], **options: Any) -> StageRequest:
    entries = {pattern: BlendEntry.model_validate(entry) for pattern, entry in blend.items()}
    return StageRequest(name, samples, entries, **options)


def mixed(*stages: StageRequest, begun: Mapping[str, int] | None = None) -> Mixture:
    return mix(stages, STREAMS, {}, 1, begun or {})


def drawn(mixture: Mixture, begun: Mapping[str, int] | None = None) -> dict[str, int]:
    order = SampleOrder(mixture.segments, WINDOWS, 1, begun)
    return order.consumed(order.samples)


def test_the_most_specific_pattern_counts_and_shares_its_weight_by_tokens() -> None:
    mixture = mixed(request("s", BLOCK, {"ko/*/*": 0.4, "*/*/*": 0.6}))
    shares = {name: count / BLOCK for name, count in drawn(mixture).items()}
    assert shares == pytest.approx({"en/web/high": 0.6, "ko/web/high": 0.3, "ko/web/low": 0.1}, abs=2 / BLOCK)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ({"ja/*/*": 1.0}, r"'ja/\*/\*' matches no component .* there are: en/web/high, ko/web/high"),
        ({"ko/*/*": 1.0, "*/*/high": 1.0}, "equally specific and both match ko/web/high"),
    ],
)
def test_a_blend_that_cannot_be_names_its_field(patterns: dict[str, float], message: str) -> None:
    with pytest.raises(RecipeError, match=f"stages.s.blend: .*{message}"):
        entries_of("s", patterns, ["ko/web/high", "en/web/high"])


def test_token_targets_are_met() -> None:
    mixture = mixed(request("s", 200, {"ko/*/*": {"tokens": 15_000}, "en/*/*": {"tokens": 5_000}}))
    found = drawn(mixture)
    assert found["en/web/high"] == pytest.approx(50, abs=2)
    assert found["ko/web/high"] == pytest.approx(150 * 3 / 4, abs=2)


def test_what_a_cap_holds_back_goes_to_the_others_in_proportion_and_is_told() -> None:
    blend = {"ko/*/low": {"weight": 2, "max_epochs": 2}, "ko/*/high": 1, "en/*/*": 3}
    mixture = mixed(request("s", 1000, blend))
    found = drawn(mixture)
    # 200 windows are all that it may give; the others share 800 as 1 to 3.
    assert found["ko/web/low"] == 200
    assert found["ko/web/high"] == pytest.approx(200, abs=6)
    assert found["en/web/high"] == pytest.approx(600, abs=6)
    assert mixture.notes == (
        "stage s: ko/web/low reaches max_epochs 2: 20.0% of the samples, not 33.3%; the rest goes to the others in "
        "proportion to their weights",
    )
    with pytest.raises(
        RecipeError, match=r"stages\.s\.blend: at_cap is refuse, and stage s: ko/web/low reaches"
    ):
        mixed(request("s", 1000, blend, redistribute=False))


def test_a_capped_component_is_spread_over_its_stage() -> None:
    mixture = mixed(request("s", 1000, {"ko/*/low": {"weight": 1, "max_epochs": 1}, "en/*/*": 1}))
    order = SampleOrder(mixture.segments, WINDOWS, 1)
    assert order.consumed(500)["ko/web/low"] == pytest.approx(50, abs=6)
    assert order.consumed(1000)["ko/web/low"] == 100


def test_a_cap_counts_the_stages_before_it_and_a_component_at_its_cap_is_left_out() -> None:
    first = request("one", 350, {"ko/*/low": {"weight": 1, "max_epochs": 1}, "ko/*/high": 1})
    second = request("two", 100, {"ko/*/*": {"weight": 1, "max_epochs": 1}, "en/*/*": 1})
    found = drawn(mixed(first, second))
    assert found["ko/web/low"] <= 100 and found["ko/web/high"] <= 300
    assert sum(found.values()) == 450


@pytest.mark.parametrize(
    ("blend", "samples", "message"),
    [
        ({"ko/*/*": {"weight": 1, "max_epochs": 1}}, 500, "max_epochs leave 400 samples for a stage of 500"),
        ({"ko/*/low": {"tokens": 30_000, "max_epochs": 1}, "en/*/*": {"tokens": 30_000}}, 600,
         r"'ko/\*/low' asks for 30,000 tokens, of which max_epochs 1 allows 33.3%"),
    ],
)  # fmt: skip
def test_a_stage_that_caps_make_impossible_is_refused(
    blend: dict[str, Any], samples: int, message: str
) -> None:
    with pytest.raises(RecipeError, match=f"stages.s.blend: {message}"):
        mixed(request("s", samples, blend))


def test_a_stage_that_stops_early_has_the_shares_of_the_whole_stage() -> None:
    blend = {
        "ko/*/low": {"weight": 1, "max_epochs": 1},
        "ko/*/high": {"weight": 1, "max_epochs": 1},
        "en/*/*": 1,
    }
    whole = mixed(request("s", 900, blend))
    assert len(whole.segments) > 1
    order = SampleOrder(whole.segments, WINDOWS, 1)
    for stop in (1, 400, 899, 900):
        cut = mixed(request("s", 900, blend, stop_after=stop), request("other", 50, {"en/*/*": 1}))
        assert SampleOrder(cut.segments, WINDOWS, 1).history(stop) == order.history(stop)
        assert sum(segment.samples for segment in cut.segments) == stop + 50


entries = st.fixed_dictionaries(
    {"weight": st.floats(0.01, 100)},
    optional={"max_epochs": st.floats(0.2, 3)},
)
blends = st.dictionaries(st.sampled_from(sorted(WINDOWS)), entries, min_size=1)


@given(st.lists(st.tuples(blends, st.integers(1, 700)), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_no_component_is_ever_beyond_its_cap_and_no_sample_is_missing(
    stages: list[tuple[dict[str, Any], int]],
) -> None:
    requests = [request(f"s{number}", samples, blend) for number, (blend, samples) in enumerate(stages)]
    try:
        mixture = mixed(*requests)
    except RecipeError as error:
        assert "max_epochs leave" in str(error)
        return
    order, end = SampleOrder(mixture.segments, WINDOWS, 1), 0
    for stage in requests:
        end += stage.samples
        consumed = order.consumed(end)
        for name, entry in stage.blend.items():
            if entry.max_epochs is not None:
                before = order.consumed(end - stage.samples)[name]
                assert consumed[name] <= max(int(entry.max_epochs * WINDOWS[name]), before)
    assert order.samples == end


def test_streams_of_repeated_documents_are_drawn_as_often_as_they_are_repeated() -> None:
    streams = [
        StreamFacts("ko/web/high@1", "ko/web/high", 300, 30_000, (1,), 0),
        StreamFacts("ko/web/high@3", "ko/web/high", 50, 5_000, (3,), 1),
        StreamFacts("en/web/high", "en/web/high", 900, 90_000),
    ]
    stage = request("s", 900, {"ko/*/*": {"weight": 1, "max_epochs": 1}, "en/*/*": 1})
    mixture = mix([stage], streams, {("s", "ko/web/high"): 0}, 1, {})
    order = SampleOrder(mixture.segments, {s.name: s.windows for s in streams}, 1)
    batch = order.batch(0, 900)
    counts = {
        name: np.bincount(batch.window[batch.component == index], minlength=streams[index].windows)
        for index, name in enumerate(batch.names)
    }
    # An epoch of the Korean component has 300 + 3 · 50 windows, half of the samples.
    assert counts["ko/web/high@1"].tolist() == [1] * 300
    assert counts["ko/web/high@3"].tolist() == [3] * 50


@given(
    st.floats(0, 1e6),
    st.lists(st.tuples(st.floats(0, 1e3), st.one_of(st.just(float("inf")), st.floats(0, 1e4))), min_size=1),
)
@settings(max_examples=50, deadline=None)
def test_filling_keeps_limits_and_loses_nothing_while_there_is_room(
    amount: float, parts: list[tuple[float, float]]
) -> None:
    weights, limits = np.array([w for w, _ in parts]), np.array([limit for _, limit in parts])
    result = fill(amount, weights, limits)
    assert (result <= limits * (1 + 1e-9)).all()
    room = limits[weights > 0].sum()
    assert result.sum() == pytest.approx(min(amount, room), rel=1e-6, abs=1e-6)
