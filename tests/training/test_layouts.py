"""Every layout of 2 and 4 ranks (8 with --slow) computes what one rank does; what does not fit is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from hanji.errors import RecipeError
from hanji.training import launch
from hanji.training.data.batches import ValidationBatches, context_part, document_numbers
from hanji.training.data.packing import Packing
from hanji.training.loop.layout import check_ranks
from hanji.training.loop.metrics import read_metrics
from hanji.training.parallel import ParallelSettings
from hanji.training.recipe import TrainingRecipe

Recipe = Callable[..., dict[str, Any]]
Figures = list[dict[str, Any]]

LOSS, GRADIENT, WEIGHT = 1e-6, 1e-5, 1e-6
"""The bars of docs/training.md, section Layouts, all relative."""


def measured(directory: Path, *worlds: int) -> Figures:
    """The figures of layout_ranks.py for these numbers of ranks."""
    script, figures = Path(__file__).parent / "layout_ranks.py", directory / "figures.json"
    done = subprocess.run(
        [sys.executable, str(script), *map(str, worlds), "--json", str(figures)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    print(done.stdout)
    entries: Figures = json.loads(figures.read_text("utf-8"))
    return entries


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    return measured(tmp_path_factory.mktemp("figures"), 2, 4)


def above(figures: Figures, field: str, bar: float, *, bf16: bool = False) -> list[str]:
    """The entries that are not below a bar, or are no numbers. Raises AssertionError where no entry has any."""
    figures = [entry for entry in figures if entry["variant"].endswith("bf16") == bf16]
    measured = [entry for entry in figures if entry[field] is not None]
    assert measured
    return [f"{e['layout']}, {e['variant']}: {field} {e[field]:.2e}" for e in measured if not e[field] <= bar]


def test_the_layouts_of_two_and_four_ranks_are_all_compared(figures: Figures) -> None:
    compared = {(entry["ranks"], entry["layout"]) for entry in figures}
    assert {name for ranks, name in compared if ranks == 2} == {
        "data 2", "context 2", "pipeline 2", "pipeline 2 (2 chunks)", "tensor 2", "tensor 2 + sequence",
    }  # fmt: skip
    four = {name for ranks, name in compared if ranks == 4}
    assert len(four) == 19
    assert {"tensor 2 + sequence × pipeline 2 (2 chunks)", "tensor 2 + sequence × context 2"} < four
    for name in {name for _, name in compared}:
        variants = {entry["variant"] for entry in figures if entry["layout"] == name}
        assert {variant.split(" ")[0] for variant in variants} == {"across", "within"}, name
        assert {"tied", "untied"} <= {variant.split(", ")[2] for variant in variants}, name


def test_the_loss_of_a_layout_is_that_of_one_rank(figures: Figures) -> None:
    assert not above(figures, "loss", LOSS)
    # Also by the schedule without a backward pass, which validation runs.
    assert not above(figures, "forward_loss", LOSS)


def test_the_gradients_of_a_layout_are_those_of_one_rank(figures: Figures) -> None:
    assert not above(figures, "gradient", GRADIENT)
    # Megatron's norm of all gradients, by which they are clipped, counts every weight once.
    assert not above(figures, "norm", GRADIENT)


def test_an_optimizer_step_in_a_layout_gives_the_weights_of_one_rank(figures: Figures) -> None:
    assert not above(figures, "weights", WEIGHT)


def test_ranks_that_hold_the_same_weights_and_gradients_hold_the_same_bits(figures: Figures) -> None:
    assert not above(figures, "spread", 0.0)


def test_attention_within_documents_is_another_loss_than_across_them(figures: Figures) -> None:
    # What makes the comparisons above worth something: a mask that is lost would show.
    same_model = [e for e in figures if e["layout"] == "data 2" and e["variant"].endswith(" untied")]
    answers = {entry["variant"].split(" ")[0]: entry["answer"] for entry in same_model}
    assert abs(answers["across"] / answers["within"] - 1) > 100 * LOSS


def test_layouts_in_bf16_differ_by_rounding_alone(figures: Figures) -> None:
    assert not above(figures, "loss", 1e-3, bf16=True)
    assert not above(figures, "gradient", 5e-2, bf16=True)
    assert not above(figures, "spread", 0.0, bf16=True)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_every_layout_of_eight_ranks_is_one_rank(tmp_path: Path) -> None:
    figures = measured(tmp_path, 8)
    assert "tensor 2 + sequence × pipeline 2 (2 chunks) × context 2" in {entry["layout"] for entry in figures}
    for field, bar in (
        ("loss", LOSS), ("forward_loss", LOSS), ("gradient", GRADIENT), ("norm", GRADIENT), ("weights", WEIGHT),
        ("spread", 0.0),
    ):  # fmt: skip
        assert not above(figures, field, bar)


def write(directory: Path, data: dict[str, Any]) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "recipe.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return directory / "recipe.yaml"


@pytest.mark.slow
def test_an_interleaved_run_goes_on_with_context_parallelism(recipe_data: Recipe, tmp_path: Path) -> None:
    common = {
        "model": {"preset": "tiny", "layers": 4},
        "attention": "within",
        "stages": [{"name": "one", "steps": 6, "blend": {"*/*/*": 1.0}}],
        "batch": {"global_size": 4, "micro_size": 1},
    }
    first, second = tmp_path / "first" / "run", tmp_path / "second" / "run"
    interleaved = {"pipeline": 2, "virtual_pipeline": 2}
    whole = launch.train(
        write(tmp_path / "first", recipe_data(run=str(first), parallel=interleaved, **common))
    )
    assert whole.finished and whole.step == 6
    shutil.copytree(first / "checkpoints/step-00000003", second / "checkpoints/step-00000003")
    resumed = launch.train(
        write(tmp_path / "second", recipe_data(run=str(second), parallel={"context": 2}, **common))
    )
    assert resumed.finished and resumed.resumed_from == 3

    def losses(run: Path) -> list[float]:
        entries = read_metrics(run / "metrics.jsonl")
        return [entry["loss"] for entry in entries if entry["kind"] == "step" and entry["step"] > 3]

    def parts(run: Path) -> dict[tuple[int, str], float]:
        """Loss by step and component, group of an axis or all together."""
        entries = [entry for entry in read_metrics(run / "metrics.jsonl") if entry["kind"] == "interval"]
        return {
            (entry["step"], name): loss
            for entry in entries
            if entry["step"] > 3
            for groups in (
                {name: cell["loss"] for name, cell in entry["components"].items() if cell["tokens"]},
                *entry["losses"].values(),
                {"all": entry["loss"]},
            )
            for name, loss in groups.items()
        }

    assert losses(second) == pytest.approx(losses(first), rel=1e-6)
    assert parts(second) == pytest.approx(parts(first), rel=1e-6) and len(parts(first)) > 3 * 6
    after = [summary.held_out[-1] for summary in (whole, resumed)]
    assert after[0].when == after[1].when == "after"
    assert after[1].components == pytest.approx(after[0].components, rel=1e-6)


@pytest.mark.parametrize(
    ("parallel", "changes", "message"),
    [
        ({"tensor": 3}, {}, "parallel.tensor: 3 ranks cannot share model.heads = 4 evenly"),
        ({"tensor": 4}, {}, "parallel.tensor: 4 ranks cannot share model.kv_heads = 2 evenly"),
        ({"sequence": True}, {}, "parallel.sequence: there is nothing to share with parallel.tensor = 1"),
        (
            {"tensor": 2, "sequence": True, "context": 3},
            {"model": {"preset": "tiny", "seq_length": 63}},
            "parallel.sequence: parallel.tensor × parallel.context = 2 × 3 ranks cannot share model.seq_length",
        ),
        (
            {"context": 3},
            {},
            "parallel.context: 3 ranks cut a sequence into 6 chunks, two for each rank, and model.seq_length = 64",
        ),
        ({"pipeline": 4}, {}, "parallel.pipeline: 4 ranks cannot share model.layers = 2 evenly"),
        ({"pipeline": 2, "virtual_pipeline": 2}, {},
         "parallel.virtual_pipeline: 2 ranks × 2 stretches cannot share model.layers = 2 evenly"),
        ({"virtual_pipeline": 2}, {},
         "parallel.virtual_pipeline: 2 stretches .* need parallel.pipeline of 2 or more"),
        (
            {"pipeline": 2, "virtual_pipeline": 2},
            {"model": {"preset": "tiny", "layers": 4}, "batch": {"global_size": 6, "micro_size": 2}},
            r"groups of parallel.pipeline = 2, .* = 6 / \(2 × 1\) = 3 is no multiple",
        ),
        ({"data": 3}, {}, r"batch.global_size: 4 is not a multiple of batch.micro_size × parallel.data = 2 × 3"),
        ({"context": 0}, {}, "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_a_layout_that_does_not_fit_is_refused(
    recipe_data: Recipe, parallel: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises((RecipeError, ValidationError), match=message):
        TrainingRecipe.model_validate(recipe_data(parallel=parallel, **changes))


def test_another_number_of_ranks_than_the_layout_needs_is_refused() -> None:
    parallel = ParallelSettings(tensor=2, pipeline=2, context=2)
    message = "tensor × pipeline × context × data = 2 × 2 × 2 × 1 needs 8 ranks, but 4 were started"
    with pytest.raises(RecipeError, match=message):
        check_ranks(parallel, 4)
    check_ranks(parallel, 8)


def test_an_eod_belongs_to_the_document_that_it_ends() -> None:
    tokens = np.array([[5, 9, 6, 7, 9, 9, 8], [9, 5, 5, 5, 5, 5, 9]])
    numbers = document_numbers(tokens, eod=9)
    assert numbers.dtype == np.int32
    assert numbers.tolist() == [[0, 0, 1, 1, 1, 2, 3], [0, 1, 1, 1, 1, 1, 1]]


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_context_ranks_hold_each_token_once_and_have_as_much_to_attend_to(ranks: int) -> None:
    row = np.arange(2 * 16).reshape(2, 16)
    parts = [context_part(row, rank, ranks) for rank in range(ranks)]
    assert all(part.shape == (2, 16 // ranks) for part in parts)
    assert np.array_equal(np.sort(np.concatenate(parts, axis=1)), row)
    # A token attends to itself and to those before it: position + 1 pairs.
    assert len({int((part[0] + 1).sum()) for part in parts}) == 1


class Stream:
    """Tokens that validation reads."""

    def __init__(self, tokens: np.ndarray) -> None:
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def read(self, start: int, count: int) -> np.ndarray:
        return self.tokens[start : start + count]

    def read_into(self, start: int, out: np.ndarray) -> None:
        out[:] = self.tokens[start : start + len(out)]


@pytest.mark.parametrize("group", [1, 2, 4])
def test_validation_fills_the_groups_of_an_interleaved_schedule_with_masked_rows(group: int) -> None:
    stream = Stream(np.arange(1, 101))
    batches = [
        ValidationBatches([stream], 0, Packing(0, within=True), 8, 2, rank, 2, group=group)  # type: ignore[list-item]
        for rank in range(2)
    ]
    assert len(batches[0]) == len(batches[1]) and len(batches[0]) % group == 0
    everything = [batch for rank in batches for batch in rank]
    assert sum(batch.mask.sum() for batch in everything) == 100
    seen = np.concatenate([batch.labels[batch.mask > 0] for batch in everything])
    assert sorted(seen.tolist()) == list(range(1, 101))
    # The EOD before the stream is a document of its own.
    assert batches[0][0].documents is not None and batches[0][0].documents[0].tolist() == [0] + 7 * [1]
