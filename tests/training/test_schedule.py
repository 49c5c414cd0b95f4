"""Learning rates at the boundaries of a run, as properties, and what a schedule in a recipe may not be."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.errors import RecipeError
from hanji.recipe import parse_recipe
from hanji.training.loop.schedule import DECAYS, Schedule
from hanji.training.recipe import TrainingRecipe

STAGES = (("broad", 900), ("best", 100))


def recipe(schedule: Any, stages: tuple[tuple[str, int], ...] = STAGES, *overrides: str) -> TrainingRecipe:
    data = {
        "name": "scheduled",
        "run": "run",
        "shards": "shards",
        "model": "tiny",
        "stages": [{"name": name, "steps": steps, "blend": {"*/*/*": 1}} for name, steps in stages],
        "schedule": schedule,
    }
    return parse_recipe(data, TrainingRecipe, overrides)


def rates(schedule: dict[str, Any], stages: tuple[tuple[str, int], ...] = STAGES) -> Schedule:
    return recipe(schedule, stages).learning_rates()


def test_the_warm_up_is_a_line_whose_last_step_has_the_peak() -> None:
    rate = rates({"peak_lr": 0.002, "warmup_steps": 20})
    assert [rate(0), rate(9), rate(19), rate(20)] == pytest.approx([0.0001, 0.001, 0.002, 0.002])
    assert rates({"peak_lr": 0.002, "warmup_steps": 0})(0) == 0.002


def test_a_recipe_without_a_kind_has_the_papers_steps() -> None:
    rate = rates({"peak_lr": 1.0, "warmup_steps": 20})
    assert [rate(step) for step in (20, 799, 800, 899, 900, 999)] == [1.0, 1.0, 0.316, 0.316, 0.1, 0.1]
    assert rate == rates({"kind": "multi_step", "peak_lr": 1.0, "warmup_steps": 20})


def test_a_drop_comes_at_the_decimal_that_is_written() -> None:
    # 0.07 · 100 and 0.29 · 100 are 7.000000000000001 and 28.999999999999996 in binary.
    drops = [{"at": 0.07, "to": 0.5}, {"at": 0.29, "to": 0.25}]
    rate = rates({"peak_lr": 1.0, "warmup_steps": 0, "drops": drops}, (("only", 100),))
    assert [rate(step) for step in (6, 7, 28, 29)] == [1.0, 0.5, 0.5, 0.25]


@pytest.mark.parametrize(
    ("decay", "first"),
    [({}, 900), ({"share": 0.2}, 800), ({"steps": 250}, 750), ({"from_stage": "best"}, 900)],
)
def test_a_wsd_schedule_is_constant_until_its_decay(decay: dict[str, Any], first: int) -> None:
    rate = rates({"kind": "wsd", "peak_lr": 1.0, "warmup_steps": 10, "decay": decay})
    assert {rate(step) for step in range(10, first + 1)} == {1.0}
    assert rate(first + 1) < 1.0
    assert rate(999) == pytest.approx(1 / (1000 - first))
    assert rate(1000) == 0.0


@pytest.mark.parametrize(("shape", "half"), [("linear", 0.5), ("cosine", 0.5), ("sqrt", 1 - math.sqrt(0.5))])
def test_half_way_through_a_decay_its_shape_is_what_its_formula_says(shape: str, half: float) -> None:
    rate = rates({"kind": "wsd", "peak_lr": 2.0, "warmup_steps": 10, "decay": {"shape": shape, "to": 0.1}})
    assert rate(950) == pytest.approx(2.0 * (0.1 + 0.9 * half))
    quarter = {"linear": 0.75, "cosine": (1 + math.sqrt(0.5)) / 2, "sqrt": 0.5}[shape]
    assert rate(925) == pytest.approx(2.0 * (0.1 + 0.9 * quarter))


def test_a_cosine_goes_from_the_end_of_the_warm_up_to_its_floor_at_the_end() -> None:
    rate = rates({"kind": "cosine", "peak_lr": 1.0, "warmup_steps": 100, "to": 0.2})
    assert rate(100) == 1.0
    assert rate(550) == pytest.approx(0.6)
    assert rate(1000) == pytest.approx(0.2)
    assert rate(999) == pytest.approx(0.2, abs=1e-5)


@st.composite
def schedules(draw: st.DrawFn) -> tuple[dict[str, Any], tuple[tuple[str, int], ...]]:
    stages = tuple((f"s{i}", draw(st.integers(1, 60))) for i in range(draw(st.integers(1, 3))))
    total = sum(steps for _, steps in stages)
    fields: dict[str, Any] = {
        "peak_lr": draw(st.floats(1e-6, 1.0)),
        "warmup_steps": draw(st.integers(0, max(0, total // 2 - 1))),
    }
    kind = draw(st.sampled_from(["multi_step", "wsd", "cosine"]))
    if kind == "wsd":
        length = draw(st.sampled_from([{}, {"share": 0.5}, {"share": 0.013}, {"steps": max(1, total // 2)}]))
        fields["decay"] = {
            **length,
            "shape": draw(st.sampled_from(list(DECAYS))),
            "to": draw(st.floats(0, 0.9)),
        }
    elif kind == "cosine":
        fields["to"] = draw(st.floats(0, 0.9))
    else:
        fields["drops"] = [{"at": 0.5, "to": 0.7}, {"at": 0.81, "to": 0.2}]
    return {"kind": kind, **fields}, stages


@settings(deadline=None)
@given(schedules())
def test_every_schedule_rises_to_its_peak_and_never_rises_again(drawn: Any) -> None:
    schedule, stages = drawn
    rate, total = rates(schedule, stages), sum(steps for _, steps in stages)
    values = [rate(step) for step in range(total)]
    peak, warmup = schedule["peak_lr"], schedule["warmup_steps"]
    assert max(values) == peak and all(0 < value <= peak for value in values)
    assert all(early < late for early, late in pairwise(values[:warmup]))
    assert values[max(0, warmup - 1)] == pytest.approx(peak)
    assert all(late <= early for early, late in pairwise(values[warmup:]))


@settings(deadline=None)
@given(schedules())
def test_a_run_taken_up_again_has_the_rates_of_one_that_was_not(drawn: Any) -> None:
    """The ranks read the recipe from JSON, and a resumed run asks for no step but the next."""
    schedule, stages = drawn
    first = recipe(schedule, stages)
    again = TrainingRecipe.model_validate_json(first.model_dump_json())
    assert again == first and again.identity() == first.identity()
    total = first.total_steps
    assert again.learning_rates()(total - 1) == first.learning_rates()(total - 1)
    whole = sum(steps for _, steps in stages)
    assert first.learning_rates() == rates(schedule, (("one", whole),))


def test_the_identity_of_a_run_holds_its_schedule() -> None:
    plain = recipe({"peak_lr": 0.001, "warmup_steps": 5}).identity()["schedule"]
    decayed = recipe({"kind": "wsd", "peak_lr": 0.001, "warmup_steps": 5}).identity()["schedule"]
    assert json.loads(json.dumps(plain)) == plain != decayed


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (3, "schedule: 3 is not allowed"),
        ({"kind": "wsd"}, "schedule.peak_lr: this field is required"),
        ({"peak_lr": 0}, "schedule.peak_lr: 0 is not allowed: input should be greater than 0"),
        ({"peak_lr": math.inf}, "schedule.peak_lr: inf is not allowed"),
        ({"peak_lr": 1, "kind": "cosin"}, "schedule.kind: 'cosin' is not allowed: kinds are multi_step, wsd"),
        ({"peak_lr": 1, "kind": ["wsd"]}, "schedule.kind: ['wsd'] is not allowed"),
        ({"peak_lr": 1, "kind": "wsd", "drops": []}, "schedule.drops: a schedule of kind wsd has no such field"),
        ({"peak_rl": 1}, "schedule.peak_rl: a schedule of kind multi_step has no such field; did you mean 'peak"),
        ({"peak_lr": 1, "kind": "wsd", "decay": {"shape": "exp"}}, "schedule.decay.shape: 'exp' is not allowed"),
        ({"peak_lr": 1, "kind": "wsd", "decay": {"shap": "sqrt"}}, "schedule.decay.shap: unknown field"),
        (
            {"peak_lr": 1, "kind": "wsd", "decay": {"steps": 5, "share": 0.1}},
            "schedule.decay: share and steps are given",
        ),
        (
            {"peak_lr": 1, "kind": "wsd", "warmup_steps": 5, "decay": {"from_stage": "last"}},
            "schedule.decay.from_stage: there is no stage 'last'; stages are broad, best",
        ),
        (
            {"peak_lr": 1, "kind": "wsd", "warmup_steps": 501, "decay": {"share": 0.5}},
            "schedule.decay.share: the decay would begin after 500 of 1000 steps, before the warm-up of 501",
        ),
        (
            {"peak_lr": 1, "kind": "wsd", "warmup_steps": 0, "decay": {"steps": 1001}},
            "schedule.decay.steps: the decay would begin after -1 of 1000 steps",
        ),
        ({"peak_lr": 1}, "schedule.warmup_steps: 2000 is not shorter than the run of 1000 steps"),
        (
            {"peak_lr": 1, "warmup_steps": 801},
            "schedule.drops: the first one, at 0.8 of 1000 steps, comes before the warm-up of 801 steps",
        ),
        (
            {"peak_lr": 1, "drops": [{"at": 0.9, "to": 0.1}, {"at": 0.8, "to": 0.3}]},
            "drops come in the order of `at`",
        ),
    ],
)  # fmt: skip
def test_a_schedule_that_cannot_be_is_refused_with_its_field(schedule: Any, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(schedule)
    assert message in str(caught.value)


def test_a_field_can_be_set_from_the_command_line() -> None:
    changed = recipe(
        {"peak_lr": 1, "warmup_steps": 5}, STAGES, "schedule.kind=wsd", "schedule.decay.from_stage=best"
    )
    assert changed.learning_rates()(999) == pytest.approx(0.01)
