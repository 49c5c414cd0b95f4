"""A recipe and the shards put together: streams, the order of samples, and what was left out and why."""

from __future__ import annotations

from dataclasses import dataclass

from hanji.errors import InputError, RecipeError
from hanji.fingerprint import file_sha256
from hanji.manifest import MANIFEST, Component, Manifest, read_manifest
from hanji.storage import Storage
from hanji.training.data.blend import apportion, match_patterns
from hanji.training.data.order import SampleOrder, StagePlan
from hanji.training.data.stream import TokenStream, check_shards
from hanji.training.recipe import TrainingRecipe


@dataclass(frozen=True)
class DataPlan:
    """All that the loop needs to know of the data.

    ``train`` and ``valid`` are components by name; ``left_out`` says why a train component gives no sample.
    """

    manifest: Manifest
    storage: Storage
    manifest_sha256: str
    order: SampleOrder
    train: dict[str, Component]
    valid: dict[str, Component]
    left_out: dict[str, str]

    def stream(self, component: Component) -> TokenStream:
        return TokenStream(component, self.storage, self.manifest.dtype)

    def epochs(self) -> dict[str, float]:
        """How often the whole run goes through each component."""
        done = self.order.consumed(len(self.order.stages), 0)
        return {name: done[name] / windows for name, windows in self.order.windows.items()}


def windows_in(tokens: int, seq_length: int) -> int:
    """Samples in a stream: seq_length inputs and as many targets, one token shared with the next sample.

    What is left at the end (fewer than seq_length targets) is not trained on.
    """
    return max(0, (tokens - 1) // seq_length)


def plan_data(recipe: TrainingRecipe, *, check: bool = True) -> DataPlan:
    """Read the manifest, check the shards, resolve the blends.

    Raises InputError for shards that are not what the manifest says, RecipeError for blends that cannot be.
    """
    manifest, storage = read_manifest(recipe.shards)
    assert storage.local is not None
    train = _by_name(manifest, "train")
    valid = _by_name(manifest, "valid")
    if not train:
        raise InputError(f"{storage.describe(MANIFEST)}: it has no train components")
    if check:
        check_shards(manifest, storage, hashes=recipe.check_shards == "hashes")
    seq_length = recipe.shape.seq_length
    windows = {name: windows_in(component.tokens, seq_length) for name, component in train.items()}
    left_out = {
        name: f"{train[name].tokens} tokens give no sample of {seq_length}"
        for name, count in windows.items()
        if not count
    }
    usable = {name: component.tokens for name, component in train.items() if windows[name]}
    if not usable:
        raise RecipeError(
            f"model.seq_length: {seq_length} is too long for these shards; the largest component, "
            f"{max(train.values(), key=lambda c: c.tokens).name}, has "
            f"{max(component.tokens for component in train.values())} tokens"
        )
    stages = []
    for stage in recipe.stages:
        weights = match_patterns(stage.name, stage.blend, usable)
        samples = recipe.steps_of(stage) * recipe.batch.global_size
        stages.append(StagePlan(apportion(stage.name, weights), samples))
    order = SampleOrder(stages, {name: windows[name] for name in usable}, recipe.seed)
    return DataPlan(
        manifest=manifest,
        storage=storage,
        manifest_sha256=file_sha256(storage.local / MANIFEST),
        order=order,
        train=train,
        valid=valid,
        left_out=left_out,
    )


def _by_name(manifest: Manifest, split: str) -> dict[str, Component]:
    return {component.name: component for component in manifest.select(split)}
