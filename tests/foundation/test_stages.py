"""Stages beside shards: amounts of tokens, up-sampling, patterns, the file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanji.amounts import parse_amount, shown_amount
from hanji.errors import InputError
from hanji.stages import BlendEntry, Stage, StagePlan, Upsampling, pattern_of, read_stages, write_stages
from hanji.storage import Storage


@given(st.integers(1, 10**14))
def test_an_amount_is_read_as_it_is_shown(tokens: int) -> None:
    assert parse_amount(shown_amount(tokens)) == tokens


@pytest.mark.parametrize(
    ("written", "tokens"),
    [
        ("300B", 300 * 10**9),
        ("2.7T", 2_700 * 10**9),
        ("64k", 64_000),
        ("4_096", 4096),
        ("1.5 M", 1_500_000),
        (7, 7),
    ],
)
def test_amounts_may_be_written_with_a_unit(written: Any, tokens: int) -> None:
    assert parse_amount(written) == tokens


@pytest.mark.parametrize("written", ["", "-3", "3B4", "1.5", "0.0001k", "B", "1e9"])
def test_what_is_no_whole_amount_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="tokens"):
        parse_amount(written)


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=20), st.integers(1, 1000))
def test_growth_gives_the_whole_part_of_its_function_up_to_the_cap(counts: list[int], cap: int) -> None:
    functions = {"log2": lambda n: n.bit_length(), "sqrt": math.isqrt, "linear": lambda n: n}
    for growth, function in functions.items():
        found = Upsampling.model_validate({"growth": growth, "cap": cap}).repeats(np.array(counts))
        assert found.tolist() == [min(cap, function(max(1, n))) for n in counts]


@given(
    st.dictionaries(st.integers(2, 50), st.integers(1, 9), max_size=5),
    st.lists(st.integers(0, 60), min_size=1, max_size=20),
)
def test_a_table_holds_from_each_value_on(table: dict[int, int], counts: list[int]) -> None:
    table |= {1: 1}
    found = Upsampling(table=table).repeats(np.array(counts))
    assert found.tolist() == [table[max(start for start in table if start <= max(1, n))] for n in counts]


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (Upsampling, {}, "table or growth"),
        (Upsampling, {"growth": "log2"}, "needs a cap"),
        (Upsampling, {"table": {1: 1}, "cap": 3}, "belongs to growth"),
        (Upsampling, {"table": {2: 2}}, "found once"),
        (Upsampling, {"table": {1: 0}}, "1 to 1000 times"),
        (BlendEntry, {}, "weight or tokens"),
        (BlendEntry, {"weight": 0}, "greater than 0"),
        (Stage, {"name": "a", "blend": {"ko/high": 1}}, "no pattern"),
        (Stage, {"name": "a", "blend": {"a/b/c": 1, "a/b/d": {"tokens": 2}}}, "one kind"),
        (Stage, {"name": "a", "tokens": 3, "blend": {"a/b/d": {"tokens": 2}}}, "leave out tokens"),
        (StagePlan, {"stages": []}, "at least 1"),
        (StagePlan, {"stages": [{"name": "a", "blend": {"a/b/c": 1}}] * 2}, "may stand once"),
    ],
)
def test_a_stage_that_cannot_be_meant_is_refused(kind: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind.model_validate(fields)


def test_the_most_specific_pattern_counts_and_rivals_are_a_mistake() -> None:
    patterns = {"*/*/*": 1, "ko/*/high": 2, "ko/web/*": 3}
    assert pattern_of("en/web/low", patterns) == "*/*/*"
    assert pattern_of("ko/law/high", patterns) == "ko/*/high"
    assert pattern_of("en/web/low", {"ko/*/*": 1}) is None
    with pytest.raises(ValueError, match=r"equally specific and both match ko/web/high"):
        pattern_of("ko/web/high", patterns)


def test_a_plan_is_read_as_it_was_written_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    shards = Storage(str(tmp_path))
    assert read_stages(shards) is None
    entry = {"weight": 2, "max_epochs": 4, "upsample": {"growth": "sqrt", "cap": 5}}
    plan = StagePlan.model_validate(
        {"stages": [{"name": "s", "tokens": "3B", "blend": {"*/*/*": entry, "ko/*/a": 1}}]}
    )
    write_stages(shards, plan)
    assert read_stages(shards) == plan
    with pytest.raises(InputError, match="no stage 't'; there are: s"):
        plan.stage("t")
    (tmp_path / "stages.json").write_text('{"stages": [{"name": "s", "blend": {"*/*/*": {"wieght": 1}}}]}')
    with pytest.raises(InputError, match=r"stages\.json: field stages\.0\.blend.*wieght"):
        read_stages(shards)
