"""Every window exactly once, over stages, edited weights, resumes and layouts; and what runs over shards refuse."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sidecars import write_sidecar

from hanji.errors import InputError, RecipeError
from hanji.stages import BlendEntry, StagePlan, write_stages
from hanji.storage import Storage
from hanji.training import launch
from hanji.training.checkpoint.record import read_commit
from hanji.training.data.batches import training_micro_batches
from hanji.training.data.mixing import StageRequest, StreamFacts, mix
from hanji.training.data.order import SampleOrder
from hanji.training.data.packing import Packing
from hanji.training.data.plan import DataPlan, plan_data
from hanji.training.loop.resume import check_commit
from hanji.training.recipe import TrainingRecipe

Recipe = Callable[..., dict[str, Any]]
LENGTH, BATCH = 4, 12
STREAMS = [
    StreamFacts("en/web/high", "en/web/high", 170, 0),
    StreamFacts("ko/web/high@1", "ko/web/high", 90, 0, (1,), 0),
    StreamFacts("ko/web/high@3", "ko/web/high", 40, 0, (3,), 1),
]
STREAMS = [replace(one, tokens=one.windows * LENGTH) for one in STREAMS]
LAYOUTS = [(1, 12), (2, 3), (3, 2), (4, 1), (6, 2), (12, 1)]
"""Data-parallel ranks and rows of a micro-batch."""


class Counting:
    """A stream whose tokens are their own places."""

    name = "counting"

    def __init__(self, windows: int) -> None:
        self.size = windows * LENGTH + 1

    def __len__(self) -> int:
        return self.size

    def read_into(self, start: int, out: np.ndarray) -> None:
        assert start >= 0 and start + len(out) <= self.size
        out[:] = np.arange(start, start + len(out))


def order_of(stages: list[tuple[dict[str, float], int]]) -> SampleOrder:
    requests = [
        StageRequest(f"s{number}", steps * BATCH, {p: BlendEntry(weight=w) for p, w in blend.items()})
        for number, (blend, steps) in enumerate(stages)
    ]
    mixture = mix(requests, STREAMS, {(r.name, "ko/web/high"): 0 for r in requests}, 7, {})
    return SampleOrder(mixture.segments, {one.name: one.windows for one in STREAMS}, 7)


def windows_of_steps(
    order: SampleOrder, first: int, last: int, layout: tuple[int, int]
) -> Iterator[tuple[str, int]]:
    """Stream and window of every row that the ranks of a layout compute in these steps, step after step."""
    ranks, micro = layout
    streams = {one.name: Counting(one.windows) for one in STREAMS}
    for step in range(first, last):
        samples = order.batch(step * BATCH, BATCH)
        for rank in range(ranks):
            batches = training_micro_batches(samples, streams, LENGTH, micro, rank, ranks, Packing(None))  # type: ignore[arg-type]
            for batch in batches:
                assert np.array_equal(batch.labels, batch.tokens + 1)
                windows = (batch.tokens[:, 0] // LENGTH).tolist()
                names = [samples.names[index] for index in batch.component.tolist()]
                yield from zip(names, windows, strict=True)


blends = st.dictionaries(st.sampled_from(["en/web/high", "ko/web/high"]), st.floats(0.05, 20), min_size=1)
stages = st.lists(st.tuples(blends, st.integers(1, 25)), min_size=1, max_size=4)


@given(stages, st.lists(st.tuples(st.integers(1, 30), stages, st.sampled_from(LAYOUTS)), max_size=3))
@settings(max_examples=20, deadline=None)
def test_every_window_of_an_epoch_is_seen_exactly_once_over_stages_edits_resumes_and_layouts(
    recipe: list[tuple[dict[str, float], int]],
    starts: list[tuple[int, list[tuple[dict[str, float], int]], tuple[int, int]]],
) -> None:
    """Each start trains some steps in a layout of its own; then the stages to come are edited, and it goes on."""
    seen: dict[str, list[int]] = {one.name: [] for one in STREAMS}
    step = 0
    for more, new_stages, layout in [*starts, (10**6, [], (1, 12))]:
        order = order_of(recipe)
        end = min(step + more, order.samples // BATCH)
        for name, window in windows_of_steps(order, step, end, layout):
            seen[name].append(window)
        done, edited = end, []
        for blend, steps in recipe:
            if done > 0:
                edited.append((blend, min(steps, done)))
                done -= steps
        if new_stages:
            history = order.history(end * BATCH)
            recipe = edited + new_stages
            assert order_of(recipe).history(end * BATCH) == history
        step = end
    for one in STREAMS:
        full, rest = divmod(len(seen[one.name]), one.windows)
        counts = np.bincount(np.array(seen[one.name], np.int64), minlength=one.windows)
        # Windows of a step may be dealt in any order; epochs are whole all the same.
        assert counts.sum() == full * one.windows + rest
        assert set(counts.tolist()) <= ({full, full + 1} if rest else {full})
    assert sum(map(len, seen.values())) == step * BATCH


@pytest.fixture
def repeated(shards: Path, tmp_path: Path) -> Path:
    """The shards, with sidecars in which every third document was found twice and every fifth nine times."""
    copy = tmp_path / "repeated"
    shutil.copytree(shards, copy)
    for path in copy.glob("*/*/*/*.docs.parquet"):
        table = pq.read_table(path)
        number = np.arange(table.num_rows)
        found = np.where(number % 5 == 0, 9, np.where(number % 3 == 0, 2, 1))
        column = table.schema.get_field_index("cluster_occurrences")
        write_sidecar(
            copy, path, table.set_column(column, "cluster_occurrences", pa.array(found, pa.int64()))
        )
    return copy


UPSAMPLE = {"table": {1: 1, 2: 2, 5: 4}}


def repeated_recipe(recipe_data: Recipe, shards: Path, steps: int = 6, **changes: Any) -> TrainingRecipe:
    blend = {"ko/web/high": {"weight": 3, "upsample": UPSAMPLE}, "en/*/*": 1}
    stages = [{"name": "one", "steps": steps, "blend": blend}]
    return TrainingRecipe.model_validate(recipe_data(shards=str(shards), stages=stages, **changes))


def documents(shards: Path, data: DataPlan, name: str) -> list[tuple[int, np.ndarray]]:
    """(occurrences, tokens) of each document of a component, in order."""
    component = data.train[name]
    whole, start, found = data.stream(component), 0, []
    for shard in component.shards:
        table = pq.read_table(shards / shard.docs.path)
        for count, tokens in zip(
            table["cluster_occurrences"].to_pylist(), table["tokens"].to_pylist(), strict=True
        ):
            found.append((count, whole.read(start, tokens)))
            start += tokens
    return found


def test_a_component_is_divided_into_streams_by_how_often_its_documents_stand_in_an_epoch(
    recipe_data: Recipe, repeated: Path
) -> None:
    data = plan_data(repeated_recipe(recipe_data, repeated))
    names = [name for name, one in data.facts.items() if one.component == "ko/web/high"]
    assert names == ["ko/web/high@1", "ko/web/high@2", "ko/web/high@4"]
    of = {1: "ko/web/high@1", 2: "ko/web/high@2", 9: "ko/web/high@4"}
    everything, streams = documents(repeated, data, "ko/web/high"), data.streams()
    for count, name in of.items():
        expected = np.concatenate([tokens for found, tokens in everything if found == count])
        stream = streams[name]
        assert np.array_equal(stream.read(0, len(stream)), expected)
        assert data.facts[name].tokens == len(expected)
        # Any stretch, and where it lies in the component.
        generator = np.random.default_rng(0)
        whole = data.stream(data.train["ko/web/high"])
        for start in generator.integers(0, len(stream) - 200, 20).tolist():
            assert np.array_equal(stream.read(start, 200), expected[start : start + 200])
            places, lengths = stream.pieces(start, 200)
            pieces = [whole.read(int(p), int(n)) for p, n in zip(places, lengths, strict=True)]
            assert np.array_equal(np.concatenate(pieces), expected[start : start + 200])
            first = np.concatenate(
                [np.arange(p, p + n) for p, n in zip(places.tolist(), lengths.tolist(), strict=True)]
            )
            assert stream.locate(first).tolist() == list(range(start, start + 200))
        with pytest.raises(IndexError):
            stream.read(len(stream) - 5, 6)
    # Every token of the component stands in one of the streams, and in one only.
    places = np.arange(data.train["ko/web/high"].tokens)
    assert (np.stack([streams[name].locate(places) for name in names]) >= 0).sum(axis=0).tolist() == [
        1
    ] * len(places)


def test_an_epoch_has_each_document_as_often_as_it_is_repeated(recipe_data: Recipe, repeated: Path) -> None:
    probe = plan_data(repeated_recipe(recipe_data, repeated))
    epoch = probe.epoch_windows["ko/web/high"]
    blend = {"ko/web/high": {"weight": 1, "upsample": UPSAMPLE, "max_epochs": 1}, "en/*/*": 1}
    stages = [{"name": "one", "steps": epoch // 2, "blend": blend}]
    data = plan_data(TrainingRecipe.model_validate(recipe_data(shards=str(repeated), stages=stages)))
    batch = data.order.batch(0, data.order.samples)
    for index, name in enumerate(batch.names):
        if name.startswith("ko/web/high@"):
            counts = np.bincount(batch.window[batch.component == index], minlength=data.facts[name].windows)
            assert counts.tolist() == [int(name[-1])] * data.facts[name].windows
    assert data.epochs()["ko/web/high"] == 1.0


def test_tables_of_repeated_documents_are_made_once_and_shared(
    recipe_data: Recipe, repeated: Path, tmp_path: Path
) -> None:
    first = plan_data(repeated_recipe(recipe_data, repeated, tables=str(tmp_path / "tables")))
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "tables").rglob("*") if path.is_file()}
    again = plan_data(
        repeated_recipe(recipe_data, repeated, tables=str(tmp_path / "tables"), run=str(tmp_path / "other"))
    )
    assert {path: path.stat().st_mtime_ns for path in made} == made and len(made) == 7
    assert first.order.history(24) == again.order.history(24)
    assert not (tmp_path / "other").exists()


def test_a_sidecar_that_does_not_fit_is_named(recipe_data: Recipe, repeated: Path) -> None:
    path = repeated / "ko/web/high/train-00001.docs.parquet"
    table = pq.read_table(path)
    write_sidecar(repeated, path, table.slice(0, table.num_rows - 1))
    with pytest.raises(InputError, match=r"train-00001.docs.parquet: its documents have \d+ tokens, but"):
        plan_data(repeated_recipe(recipe_data, repeated))
    write_sidecar(repeated, path, table.drop(["cluster_occurrences"]))
    with pytest.raises(InputError, match=r"train-00001.docs.parquet: has no column cluster_occurrences"):
        plan_data(repeated_recipe(recipe_data, repeated))


def test_a_recipe_takes_its_stages_from_the_shards(
    recipe_data: Recipe, repeated: Path, tmp_path: Path
) -> None:
    plan = {
        "stages": [
            {"name": "wide", "tokens": 2560, "blend": {"*/*/*": {"weight": 1, "max_epochs": 4}}},
            {"name": "good", "blend": {"ko/*/high": {"tokens": 1024}, "en/*/high": {"tokens": 512}}},
        ]
    }
    path = tmp_path / "recipe.yaml"

    def read(stages: list[dict[str, Any]]) -> TrainingRecipe:
        data = recipe_data(shards=str(repeated), stages=stages)
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return launch.read_recipe(path)

    with pytest.raises(
        RecipeError, match=r"stages: the recipe leaves them to .*stages.json, which is not there"
    ):
        read([])
    write_stages(Storage(repeated), StagePlan.model_validate(plan))
    recipe = read([])
    assert [(s.name, recipe.steps_of(s)) for s in recipe.stages] == [("wide", 10), ("good", 6)]
    assert recipe.stages[0].blend == {"*/*/*": BlendEntry(weight=1, max_epochs=4)}
    # A stage of the recipe may have another length; tokens of its entries are weights then.
    shorter = read([{"name": "good", "steps": 3}])
    assert shorter.steps_of(shorter.stages[0]) == 3
    assert shorter.stages[0].weights() == {"ko/*/high": 1024, "en/*/high": 512}
    assert plan_data(shorter).blends()["good"] == pytest.approx(
        {"ko/web/high": 2 / 3, "en/web/high": 1 / 3}, abs=0.1
    )
    with pytest.raises(RecipeError, match=r"stages.other: .*no stage 'other'; there are: wide, good"):
        read([{"name": "other", "steps": 3}])
    # Nothing of it is open: ranks that read the resolved recipe do not look for the file.
    again = TrainingRecipe.model_validate_json(recipe.model_dump_json())
    assert again == recipe and again.resolved


STAGES = [
    {"name": "one", "steps": 40, "blend": {"*/*/*": 1.0}},
    {"name": "two", "steps": 20, "blend": {"*/*/high": 1.0}},
]
"""Those of the fixture ``undisturbed``."""
UPSAMPLED = {"growth": "log2", "cap": 4}


def test_a_run_goes_on_with_other_weights_for_the_steps_to_come(
    undisturbed: Path, recipe_data: Recipe, tmp_path: Path
) -> None:
    kept = "checkpoints/step-00000040"
    shutil.copytree(undisturbed / kept, tmp_path / "run" / kept)
    edited = {"name": "three", "steps": 10, "blend": {"ko/*/*": 9.0, "en/web/high": 1.0}}
    planned = {**STAGES[0], "steps": 70, "stop_after": 40}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe_data(stages=[planned, edited])), encoding="utf-8")
    summary = launch.train(path)
    assert summary.finished and summary.resumed_from == 40
    order = read_commit(tmp_path / "run/checkpoints/step-00000050").family["order"]
    before = read_commit(undisturbed / kept).family["order"]
    assert order["segments"][:-1] == before["segments"] and order["segments"][-1]["samples"] == 40
    # A window that the first stage has given is not given again while its component has others.
    data = plan_data(TrainingRecipe.model_validate_json((tmp_path / "run/recipe.json").read_bytes()))
    batch = data.order.batch(0, data.order.samples)
    pairs = list(zip(batch.component.tolist(), batch.epoch.tolist(), batch.window.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs) == 200


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([{**STAGES[0], "blend": {"*/*/high": 1.0}}, STAGES[1]],
         r"after step 0: en/code/low 0.00% here, 14.\d+% there.*end its stage at this step"),
        ([{**STAGES[0], "steps": 70, "stop_after": 30}, {**STAGES[1], "steps": 30}],
         "after step 0: 30 steps here, 40 there"),
        ([STAGES[0], {**STAGES[1], "steps": 5}],
         "the schedule gives step 37 the rate 0.000948, but .* with 0.003;"),
        ([STAGES[0], {**STAGES[1], "blend": {"ko/web/high": {"weight": 1, "upsample": UPSAMPLED}}}],
         r"was trained on other streams .* \(.* here, .* there\); what `upsample` divides cannot change"),
    ],
)  # fmt: skip
def test_what_was_trained_has_to_stand_in_the_recipe_as_it_was(
    undisturbed: Path, recipe_data: Recipe, stages: list[dict[str, Any]], message: str
) -> None:
    commit = read_commit(undisturbed / "checkpoints/step-00000040")
    recipe = TrainingRecipe.model_validate(recipe_data(stages=stages))
    with pytest.raises(RecipeError, match=message):
        check_commit(recipe, plan_data(recipe), commit, "the checkpoint")
