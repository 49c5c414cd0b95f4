"""Where a new run takes its weights from: the recipe's ``init_from``.

It names an imported model or a checkpoint of another run, written in any layout. Only weights are taken; the
optimizer, the step and the data start anew, and the family node names the checkpoint as the parent. A run
that has checkpoints of its own goes on from those and no longer reads ``init_from``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hanji.errors import InputError, RecipeError
from hanji.training.checkpoint.record import as_parent, find_checkpoint
from hanji.training.huggingface.records import StoredModel, open_checkpoint

if TYPE_CHECKING:
    from hanji.training.recipe import TrainingRecipe

SAME = ("layers", "hidden", "ffn", "heads", "kv_heads", "head_dim", "tied", "norm_eps")
"""What a model keeps from its origin. Sequence length and RoPE may change: that is how context grows."""


@dataclass(frozen=True)
class Origin:
    """The parents of a run's checkpoints, and the model to take weights from (None: nothing is to be taken)."""

    parents: tuple[dict[str, Any], ...] = ()
    model: StoredModel | None = None


def find_origin(recipe: TrainingRecipe, vocab_size: int) -> Origin:
    """What a run of this recipe starts from. ``vocab_size`` is that of its shards.

    Raises InputError when ``init_from`` is no checkpoint, RecipeError when it is of another model, or when the
    run has begun from another one. Needs no torch.
    """
    begun = _begun(recipe.run)
    if begun is None:
        if recipe.init_from is None:
            return Origin()
        model = open_checkpoint(Path(recipe.init_from))
        _check(recipe, model, vocab_size)
        return Origin((as_parent(model.directory, model.commit),), model)
    parents = tuple(begun.family.get("parents", ()))
    if recipe.init_from is not None:
        try:
            named = open_checkpoint(Path(recipe.init_from)).family.get("hash")
        except InputError:
            # It may have been moved or removed since: the run does not need it any more.
            return Origin(parents)
        if named not in [parent.get("hash") for parent in parents]:
            raise RecipeError(
                f"init_from: {recipe.init_from} is not what the run in {recipe.run} began with; name another run "
                "directory, or leave init_from out to go on with this one"
            )
    return Origin(parents)


def _begun(run: str) -> StoredModel | None:
    try:
        directory = find_checkpoint(Path(run))
    except InputError:
        return None
    return open_checkpoint(directory)


def _check(recipe: TrainingRecipe, model: StoredModel, vocab_size: int) -> None:
    shape = recipe.shape
    differing = [
        f"model.{name} is {getattr(shape, name)}, there {getattr(model.shape, name)}"
        for name in SAME
        if getattr(shape, name) != getattr(model.shape, name)
    ]
    if vocab_size != model.vocab_size:
        differing.append(f"the vocabulary of the shards has {vocab_size:,} ids, there {model.vocab_size:,}")
    if differing:
        raise RecipeError(
            f"init_from: {model.directory} holds another model: {'; '.join(differing)}; "
            "`hanji model inspect` prints the model field that fits it"
        )
