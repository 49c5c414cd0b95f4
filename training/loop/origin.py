"""Where a new run takes its weights from: the recipe's ``init_from``.

It names an imported model or a checkpoint of another run, written in any layout. With ``init_with: weights`` the
optimizer, the step and the data start anew; with ``init_with: state`` the optimizer keeps its moments and each
component of the data goes on after the windows that the other run has taken. The step starts anew either way, and
the family node names the checkpoint as the parent. A run that has checkpoints of its own goes on from those and no
longer reads ``init_from``.
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


POSITION = "position"
"""Field of a family node's parent: windows by component that were taken before, where the state was taken too."""


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
        parent = as_parent(model.directory, model.commit)
        if recipe.init_with == "state":
            parent[POSITION] = _position(model)
        return Origin((parent,), model)
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


def begun_windows(recipe: TrainingRecipe, manifest_sha256: str) -> dict[str, int]:
    """Windows of each component that were taken before the first step of a run with ``init_with: state``; else {}.

    ``manifest_sha256`` is that of its shards. Raises InputError when ``init_from`` is no checkpoint, RecipeError
    when it has no state to go on from, or was trained with another seed or sequence length, on other shards, or in
    fp32 where this run is not, or the other way round.
    """
    begun = _begun(recipe.run)
    if begun is not None:
        parents = begun.family.get("parents", ())
        position = parents[0].get(POSITION) if parents else None
        if recipe.init_from is not None and (recipe.init_with == "state") != (position is not None):
            raise RecipeError(
                f"init_with: the run in {recipe.run} has begun with {'state' if position else 'weights'}, not "
                f"{recipe.init_with}; name another run directory"
            )
        return dict(position or {})
    if recipe.init_with != "state":
        return {}
    assert recipe.init_from is not None
    model = open_checkpoint(Path(recipe.init_from))
    identity = model.commit.identity
    if not model.commit.optimizer_step:
        raise RecipeError(
            f"init_with: {model.directory} holds weights and no state of an optimizer, as imported models do; "
            "take its weights alone (init_with: weights)"
        )
    if (recipe.precision == "fp32") != (identity.get("precision") == "fp32"):
        raise RecipeError(
            f"init_with: precision is {recipe.precision} here, {identity.get('precision')} there: fp32 keeps no "
            f"weights beside the model's, so the state of {model.directory} does not fit; keep the precision, or "
            "take its weights alone (init_with: weights)"
        )
    differing = [
        f"{name} is {ours} here, {theirs} there"
        for name, ours, theirs in (
            ("seed", recipe.seed, identity.get("seed")),
            ("model.seq_length", recipe.shape.seq_length, identity.get("model", {}).get("seq_length")),
            ("the manifest's sha256", manifest_sha256, model.commit.manifest_sha256),
        )
        if ours != theirs
    ]
    if differing:
        raise RecipeError(
            f"init_with: the place in the data of {model.directory} means nothing here: {'; '.join(differing)}"
        )
    return _position(model)


def _position(model: StoredModel) -> dict[str, int]:
    """Windows taken of each component, by the checkpoint's run and by those whose state it went on from."""
    parents = model.family.get("parents", ())
    taken = dict(parents[0].get(POSITION, {})) if parents else {}
    for name, count in model.commit.consumed.items():
        taken[name] = taken.get(name, 0) + count
    return taken


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
