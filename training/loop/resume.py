"""Whether a run may go on from a checkpoint."""

from __future__ import annotations

from hanji.errors import RecipeError, RunError
from hanji.storage import Storage
from hanji.training.checkpoint.record import Commit, differences
from hanji.training.data.plan import DataPlan
from hanji.training.recipe import TrainingRecipe


def check_commit(recipe: TrainingRecipe, data: DataPlan, commit: Commit, where: str) -> None:
    """Raise RecipeError unless the checkpoint at ``where`` is one of this recipe on these shards.

    RunError where its position in the data is not what this version computes for its step.
    """
    if changed := differences(recipe.identity(), commit.identity):
        raise RecipeError(
            f"run: {recipe.run} holds checkpoints of another recipe ({'; '.join(changed)}); name another "
            f"run directory, or remove {Storage(recipe.run).sub('checkpoints').root}"
        )
    if commit.manifest_sha256 != data.manifest_sha256:
        raise RecipeError(
            f"shards: {recipe.shards} is not what {where} was trained on (its manifest has another "
            "sha256); name the shards that it began with, or another run directory"
        )
    position = data.order.consumed(commit.step * recipe.batch.global_size)
    if position != commit.consumed:
        raise RunError(
            f"{where}: its position in the data is not the one that this version computes for step "
            f"{commit.step}; it was written by another version of the order"
        )
