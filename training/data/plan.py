"""A recipe and the shards put together: streams, the order of samples, and what was left out and why."""

from __future__ import annotations

from dataclasses import dataclass

from hanji.errors import InputError, RecipeError
from hanji.fingerprint import file_sha256
from hanji.manifest import MANIFEST, Component, Manifest, read_manifest
from hanji.storage import Storage
from hanji.training.data.blend import apportion, match_patterns
from hanji.training.data.order import SampleOrder, Segment
from hanji.training.data.patterns import matches
from hanji.training.data.stream import TokenStream, check_shards
from hanji.training.recipe import TrainingRecipe


@dataclass(frozen=True)
class HeldOutText:
    """Where the held-out text lies, its components by name, and ``without``: those that have none.

    Components are those that ``validation.components`` asks for.
    """

    directory: str
    manifest_sha256: str
    storage: Storage
    dtype: str
    components: dict[str, Component]
    without: tuple[str, ...]

    def stream(self, component: Component) -> TokenStream:
        return TokenStream(component, self.storage, self.dtype)


@dataclass(frozen=True)
class DataPlan:
    """All that the loop needs to know of the data.

    ``train`` are components by name; ``left_out`` says why a train component gives no sample.
    """

    manifest: Manifest
    storage: Storage
    manifest_sha256: str
    order: SampleOrder
    train: dict[str, Component]
    held_out: HeldOutText
    left_out: dict[str, str]

    def stream(self, component: Component) -> TokenStream:
        return TokenStream(component, self.storage, self.manifest.dtype)

    def blends(self) -> dict[str, dict[str, float]]:
        """Share of the samples of each stage by component."""
        return {segment.stage: segment.shares() for segment in self.order.segments}

    def epochs(self) -> dict[str, float]:
        """How often the whole run goes through each component."""
        done = self.order.consumed(self.order.samples)
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
    if not train:
        raise InputError(f"{storage.describe(MANIFEST)}: it has no train components")
    if check:
        check_shards(manifest, storage, hashes=recipe.check_shards == "hashes")
    held_out = _held_out_text(recipe, manifest, storage, check=check)
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
    segments = []
    for stage in recipe.stages:
        weights = match_patterns(stage.name, stage.blend, usable)
        samples = recipe.steps_of(stage) * recipe.batch.global_size
        segments.append(Segment(stage.name, apportion(stage.name, weights), samples))
    manifest_sha256 = file_sha256(storage.local / MANIFEST)
    order = SampleOrder(segments, {name: windows[name] for name in usable}, recipe.seed)
    return DataPlan(
        manifest=manifest,
        storage=storage,
        manifest_sha256=manifest_sha256,
        order=order,
        train=train,
        held_out=held_out,
        left_out=left_out,
    )


def _held_out_text(
    recipe: TrainingRecipe, manifest: Manifest, storage: Storage, *, check: bool
) -> HeldOutText:
    """The valid text of these shards, or of those that ``validation.shards`` names."""
    settings, expected = recipe.validation, _by_name(manifest, "train")
    if settings.shards is not None:
        tokenizer = manifest.tokenizer.sha256
        manifest, storage = read_manifest(settings.shards)
        if manifest.tokenizer.sha256 != tokenizer:
            raise RecipeError(
                f"validation.shards: {settings.shards} was made with another tokenizer than {recipe.shards} "
                "(their tokenizers' sha256 differ); curate one of them with the other's (shards.tokenizer.path)"
            )
        expected = {}
        if check:
            check_shards(manifest, storage, hashes=recipe.check_shards == "hashes")
    valid = _by_name(manifest, "valid")
    names = sorted(set(valid) | set(expected))
    for pattern in settings.components:
        if not any(matches(pattern, name) for name in names):
            raise RecipeError(
                f"validation.components: {pattern!r} matches no component; there are: {', '.join(names) or 'none'}"
            )
    if settings.components:
        names = [name for name in names if any(matches(pattern, name) for pattern in settings.components)]
    with_text = {
        name: valid[name] for name in names if name in valid and valid[name].tokens and valid[name].bytes
    }
    assert storage.local is not None
    return HeldOutText(
        directory=str(storage.local),
        manifest_sha256=file_sha256(storage.local / MANIFEST),
        storage=storage,
        dtype=manifest.dtype,
        components=with_text,
        without=tuple(name for name in names if name not in with_text),
    )


def _by_name(manifest: Manifest, split: str) -> dict[str, Component]:
    return {component.name: component for component in manifest.select(split)}
