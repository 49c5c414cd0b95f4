"""Runs that begin with another run's whole state: weights, optimizer and place in the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hanji.errors import RecipeError
from hanji.training.checkpoint.record import COMMIT, Commit, directory_name
from hanji.training.data.plan import DataPlan, plan_data
from hanji.training.loop.lineage import family_node
from hanji.training.loop.origin import find_origin
from hanji.training.recipe import TrainingRecipe

Make = Callable[..., TrainingRecipe]


@pytest.fixture
def make(recipe_data: Callable[..., dict[str, Any]], tmp_path: Path) -> Make:
    """Makes a recipe of a run of its own directory; keyword arguments replace fields."""

    def made(run: str, **changes: Any) -> TrainingRecipe:
        return TrainingRecipe.model_validate(recipe_data(run=str(tmp_path / run), **changes))

    return made


def record(recipe: TrainingRecipe, step: int, **changes: Any) -> DataPlan:
    """Write the record of a checkpoint after ``step`` steps, without its tensors."""
    plan = plan_data(recipe)
    consumed = plan.order.consumed(step * recipe.batch.global_size)
    parents = find_origin(recipe, plan.manifest.tokenizer.vocab_size).parents
    fields: dict[str, Any] = {
        "step": step,
        "stage": recipe.stages[0].name,
        "stage_step": step,
        "stage_end": True,
        "consumed": consumed,
        "recipe": recipe.identity_fingerprint(),
        "identity": recipe.identity(),
        "manifest_sha256": plan.manifest_sha256,
        "ranks": 1,
        "family": family_node(recipe, plan, step, recipe.stages[0].name, consumed, parents),
        "optimizer_step": step,
        **changes,
    }
    directory = Path(recipe.run) / "checkpoints" / directory_name(step)
    directory.mkdir(parents=True)
    (directory / COMMIT).write_bytes(Commit(**fields).to_bytes())
    return plan


def windows(plan: DataPlan, samples: int) -> set[tuple[str, int, int]]:
    """Stream, window and epoch of the first samples of a run."""
    batch = plan.order.batch(0, samples)
    names = np.array(batch.names)[batch.component].tolist()
    return set(zip(names, batch.window.tolist(), batch.epoch.tolist(), strict=True))


def test_a_run_with_anothers_state_takes_windows_that_it_has_not_taken(make: Make) -> None:
    first = record(make("first"), 10)
    second = make("second", init_from=make("first").run, init_with="state")
    plan = record(second, 10)
    third = plan_data(make("third", init_from=second.run, init_with="state"))
    drawn = [windows(one, 40) for one in (first, plan, third)]
    assert [len(one) for one in drawn] == [40, 40, 40]
    assert len(set.union(*drawn)) == 120
    # The same run with the weights alone begins with what the first one began with.
    assert windows(plan_data(make("weights", init_from=make("first").run)), 40) == drawn[0]


def test_what_was_taken_before_is_not_counted_as_the_runs_own(make: Make) -> None:
    first = record(make("first"), 10)
    plan = plan_data(make("second", init_from=make("first").run, init_with="state"))
    assert plan.order.consumed(0) == dict.fromkeys(plan.order.names, 0)
    assert sum(plan.order.consumed(40).values()) == 40
    assert plan.epochs() != {} and sum(plan.epochs().values()) == pytest.approx(
        sum(first.epochs().values()), rel=0.1
    )


def test_a_run_that_has_begun_keeps_its_place_without_its_parent(make: Make, tmp_path: Path) -> None:
    record(make("first"), 10)
    second = make("second", init_from=make("first").run, init_with="state")
    before = record(second, 4)
    (tmp_path / "first").rename(tmp_path / "moved")
    assert windows(plan_data(second), 40) == windows(before, 40)
    assert windows(plan_data(make("second")), 40) == windows(before, 40)


def test_a_run_does_not_change_what_it_began_with(make: Make) -> None:
    record(make("first"), 10)
    record(make("second", init_from=make("first").run, init_with="state"), 4)
    with pytest.raises(RecipeError, match="has begun with state, not weights"):
        plan_data(make("second", init_from=make("first").run))
    record(make("other", init_from=make("first").run), 4)
    with pytest.raises(RecipeError, match="has begun with weights, not state"):
        plan_data(make("other", init_from=make("first").run, init_with="state"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 2}, "seed is 2 here, 1 there"),
        ({"precision": "bf16"}, "precision is bf16 here, fp32 there"),
        ({"model": {"preset": "tiny", "seq_length": 32}}, "model.seq_length is 32 here, 64 there"),
    ],
)
def test_a_state_of_other_data_or_another_precision_means_nothing(
    make: Make, changes: dict[str, Any], message: str
) -> None:
    record(make("first"), 10)
    with pytest.raises(RecipeError, match=message):
        plan_data(make("second", init_from=make("first").run, init_with="state", **changes))


def test_a_place_in_other_shards_means_nothing(make: Make, other_shards: Path) -> None:
    record(make("first"), 10)
    with pytest.raises(RecipeError, match="the manifest's sha256"):
        plan_data(make("second", init_from=make("first").run, init_with="state", shards=str(other_shards)))


def test_a_model_without_an_optimizers_state_gives_its_weights_alone(make: Make) -> None:
    record(make("first"), 10, optimizer_step=0)
    with pytest.raises(RecipeError, match="no state of an optimizer"):
        plan_data(make("second", init_from=make("first").run, init_with="state"))
    with pytest.raises(RecipeError, match="init_with: state needs init_from"):
        make("second", init_with="state")
