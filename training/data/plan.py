"""A recipe and the shards put together: streams, the order of samples, and what was left out and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hanji.errors import InputError, RecipeError
from hanji.fingerprint import file_sha256
from hanji.manifest import MANIFEST, Component, Manifest, read_manifest
from hanji.stages import matches
from hanji.storage import Storage
from hanji.training.data.checks import check_shards
from hanji.training.data.mixing import StageRequest, StreamFacts, mix
from hanji.training.data.order import SampleOrder
from hanji.training.data.packing import Packing, packing_of
from hanji.training.data.repeats import DocumentRuns, document_runs, stream_name, up_samplings
from hanji.training.data.stream import RepeatedStream, Stream, TokenStream
from hanji.training.recipe import TrainingRecipe
from hanji.training.stages import StageSettings, with_stages


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

    ``train`` are components by name. The order draws from ``facts``, streams by name: a component whose documents
    all stand once in an epoch is one stream of its own name. ``left_out`` says of which component or stream no
    sample comes, and why; ``notes`` what caps did to the blends.
    """

    manifest: Manifest
    storage: Storage
    manifest_sha256: str
    order: SampleOrder
    train: dict[str, Component]
    held_out: HeldOutText
    left_out: dict[str, str]
    facts: dict[str, StreamFacts]
    runs: dict[str, list[DocumentRuns]]
    epoch_windows: dict[str, int]
    packing: Packing
    notes: tuple[str, ...] = ()

    def stream(self, component: Component) -> TokenStream:
        """All tokens of a component."""
        return TokenStream(component, self.storage, self.manifest.dtype)

    def streams(self) -> dict[str, Stream]:
        """What the order's windows are windows of, by name."""
        whole = {name: self.stream(component) for name, component in self.train.items()}
        return {
            name: RepeatedStream(name, whole[one.component], self.runs[one.component][one.number])
            if one.component in self.runs
            else whole[one.component]
            for name, one in self.facts.items()
        }

    def components_of(self, streams: Sequence[str]) -> tuple[str, ...]:
        """The component of each stream."""
        return tuple(self.facts[name].component for name in streams)

    def by_component(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Sums over the streams of each component."""
        sums: dict[str, int] = {}
        for name, count in counts.items():
            component = self.facts[name].component
            sums[component] = sums.get(component, 0) + count
        return sums

    def blends(self) -> dict[str, dict[str, float]]:
        """Share of the samples of each stage by component."""
        shares: dict[str, dict[str, float]] = {}
        totals: dict[str, int] = {}
        for segment, start in zip(self.order.segments, self.order.starts, strict=False):
            before, after = (
                self.by_component(self.order.consumed(at)) for at in (start, start + segment.samples)
            )
            of_stage = shares.setdefault(segment.stage, {})
            for name in dict.fromkeys(self.components_of(tuple(segment.slots))):
                of_stage[name] = of_stage.get(name, 0) + after[name] - before[name]
            totals[segment.stage] = totals.get(segment.stage, 0) + segment.samples
        return {
            stage: {name: count / totals[stage] for name, count in of_stage.items()}
            for stage, of_stage in shares.items()
        }

    def epochs(self) -> dict[str, float]:
        """How often the whole run goes through each component.

        An epoch has every document as often as the last stage that reads the component repeats it.
        """
        done = self.by_component(self.order.consumed(self.order.samples))
        return {name: done[name] / windows for name, windows in self.epoch_windows.items()}


def windows_in(tokens: int, seq_length: int) -> int:
    """Samples in a stream: seq_length inputs and as many targets, one token shared with the next sample.

    What is left at the end (fewer than seq_length targets) is not trained on.
    """
    return max(0, (tokens - 1) // seq_length)


def plan_data(recipe: TrainingRecipe, *, check: bool = True) -> DataPlan:
    """Read the manifest, check the shards, resolve the blends.

    Raises InputError for shards that are not what the manifest says, RecipeError for blends that cannot be.
    """
    recipe = with_stages(recipe)
    manifest, storage = read_manifest(recipe.shards)
    assert storage.local is not None
    train = _by_name(manifest, "train")
    if not train:
        raise InputError(f"{storage.describe(MANIFEST)}: it has no train components")
    if check:
        check_shards(manifest, storage, hashes=recipe.check_shards, seed=recipe.seed)
    held_out = _held_out_text(recipe, manifest, storage, check=check)
    seq_length = recipe.shape.seq_length
    usable = [name for name, component in train.items() if windows_in(component.tokens, seq_length)]
    left_out = {
        name: f"{component.tokens} tokens give no sample of {seq_length}"
        if component.tokens
        else "it is empty"
        for name, component in train.items()
        if name not in usable
    }
    if not usable:
        raise RecipeError(
            f"model.seq_length: {seq_length} is too long for these shards; the largest component, "
            f"{max(train.values(), key=lambda c: c.tokens).name}, has "
            f"{max(component.tokens for component in train.values())} tokens"
        )
    _refuse_empty(recipe.stages, left_out, usable)
    repeated, which = up_samplings(recipe.stages, usable)
    tables = Path(recipe.tables or Path(recipe.run) / "tables")
    runs = {name: document_runs(train[name], storage, wanted, tables) for name, wanted in repeated.items()}
    facts = {}
    for name in usable:
        for one in _streams_of(train[name], runs.get(name), seq_length):
            if one.windows:
                facts[one.name] = one
            else:
                left_out[one.name] = f"{one.tokens} tokens give no sample of {seq_length}"
    manifest_sha256 = file_sha256(storage.local / MANIFEST)
    begun = _begun(recipe, manifest_sha256, facts)
    stages = [
        StageRequest(
            stage.name,
            recipe.planned_steps(stage) * recipe.batch.global_size,
            stage.blend or {},
            stage.at_cap == "redistribute",
            recipe.steps_of(stage) * recipe.batch.global_size,
        )
        for stage in recipe.stages
    ]
    mixture = mix(stages, list(facts.values()), which, recipe.seed, begun)
    windows = {name: one.windows for name, one in facts.items()}
    return DataPlan(
        manifest=manifest,
        storage=storage,
        manifest_sha256=manifest_sha256,
        order=SampleOrder(mixture.segments, windows, recipe.seed, begun),
        train=train,
        held_out=held_out,
        left_out=left_out,
        facts=facts,
        runs=runs,
        packing=packing_of(recipe, manifest.tokenizer),
        epoch_windows=_epoch_windows(recipe.stages, facts, which),
        notes=mixture.notes,
    )


def _streams_of(
    component: Component, runs: Sequence[DocumentRuns] | None, seq_length: int
) -> list[StreamFacts]:
    if runs is None:
        tokens = component.tokens
        return [StreamFacts(component.name, component.name, windows_in(tokens, seq_length), tokens)]
    return [
        StreamFacts(
            stream_name(component.name, one.repeats),
            component.name,
            windows_in(one.tokens, seq_length),
            one.tokens,
            one.repeats,
            number,
        )
        for number, one in enumerate(runs)
    ]


def _refuse_empty(
    stages: Sequence[StageSettings], left_out: Mapping[str, str], usable: Sequence[str]
) -> None:
    """A component that a blend names outright has to give samples, and so has one that a pattern matches."""
    for stage in stages:
        for pattern in stage.blend or {}:
            if pattern in left_out:
                raise RecipeError(f"stages.{stage.name}.blend: {pattern}: {left_out[pattern]}")
            empty = [name for name in left_out if matches(pattern, name)]
            if empty and not any(matches(pattern, name) for name in usable):
                raise RecipeError(
                    f"stages.{stage.name}.blend: {pattern!r} matches only what gives no sample: "
                    + "; ".join(f"{name}: {left_out[name]}" for name in empty[:4])
                )


def _begun(recipe: TrainingRecipe, manifest_sha256: str, facts: Mapping[str, StreamFacts]) -> dict[str, int]:
    """Windows by stream that were taken before the run's first step, by the run whose state it goes on from."""
    from hanji.training.loop.origin import begun_windows

    begun = begun_windows(recipe, manifest_sha256)
    unknown = sorted(name for name, count in begun.items() if count and name not in facts)
    if unknown:
        raise RecipeError(
            f"init_with: {recipe.init_from} was trained on {unknown[0]}, which is no stream here: its stages "
            "repeat documents otherwise (upsample), so its place in the data means nothing"
        )
    return {name: count for name, count in begun.items() if count}


def _epoch_windows(
    stages: Sequence[StageSettings], facts: Mapping[str, StreamFacts], which: Mapping[tuple[str, str], int]
) -> dict[str, int]:
    """Windows of an epoch of each component, its documents repeated as the last stage that reads it says."""
    sums: dict[str, int] = {}
    for one in facts.values():
        last = [which[key] for key in ((stage.name, one.component) for stage in stages) if key in which]
        repeats = one.repeats[last[-1]] if last else 1
        sums[one.component] = sums.get(one.component, 0) + repeats * one.windows
    return sums


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
            check_shards(manifest, storage, hashes=recipe.check_shards, seed=recipe.seed)
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
