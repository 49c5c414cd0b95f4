"""Costs, peaks and the laws that suggest a learning rate and a batch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hanji.errors import RecipeError
from hanji.jobs.cli import run
from hanji.jobs.commands.cost import parse_number
from hanji.jobs.commands.presets import short
from hanji.recipe import parse_recipe
from hanji.training.cost import PEAKS, FlopsPerToken, flops_per_token, mfu, mfu_by_convention, peak_of
from hanji.training.cost.peaks import CONVENTIONS
from hanji.training.cost.scaling import (
    LAWS,
    Budget,
    budget_of,
    budget_of_compute,
    flops_without_vocabulary,
    legal_batch,
    suggest,
)
from hanji.training.model.shape import ModelShape, parameter_count
from hanji.training.presets import PRESETS
from hanji.training.recipe import TrainingRecipe


@pytest.mark.parametrize(
    ("device", "name", "bf16"),
    [
        ("NVIDIA H100 80GB HBM3", "H100 SXM", 989.4e12),
        ("NVIDIA H100 PCIe", "H100 PCIe", 756.4e12),
        ("NVIDIA H100 NVL", "H100 NVL", 835.5e12),
        ("NVIDIA H200", "H200 SXM", 989.4e12),
        ("NVIDIA H200 NVL", "H200 NVL", 835.5e12),
        ("NVIDIA GH200 480GB", "GH200", 989.4e12),
        ("NVIDIA A100-SXM4-80GB", "A100", 312e12),
        ("NVIDIA B200", "B200", 2250e12),
        ("NVIDIA GB200", "GB200", 2500e12),
    ],
)
def test_a_device_is_known_by_the_name_that_torch_gives(device: str, name: str, bf16: float) -> None:
    peak = peak_of(device)
    assert peak is not None
    assert (peak.name, peak.rate("bf16")) == (name, bf16)


def test_a_device_that_is_not_in_the_table_has_no_peak() -> None:
    assert peak_of("Tesla V100-SXM2-32GB") is None
    assert peak_of("AMD EPYC 9654") is None


def test_fp8_is_twice_bf16_where_there_is_fp8_at_all() -> None:
    for peak in PEAKS:
        if peak.fp8 is not None:
            assert peak.rate("fp8") == pytest.approx(2 * peak.bf16, rel=0.02)
    a100 = peak_of("NVIDIA A100-SXM4-80GB")
    assert a100 is not None
    with pytest.raises(ValueError, match="A100 has no FP8"):
        a100.rate("fp8")


def test_mfu_is_the_work_done_over_the_work_that_was_possible() -> None:
    assert mfu(10_000, 4.5e10, 1e15) == pytest.approx(0.45)
    with pytest.raises(ValueError, match="not above 0"):
        mfu(10_000, 4.5e10, 0)


def test_flops_are_those_of_the_written_conventions() -> None:
    shape = PRESETS["kanana-2.1b"]
    flops = flops_per_token(shape, 128_256)
    width = shape.heads * shape.head_dim
    norms = shape.layers * 2 * shape.hidden + shape.hidden
    # The embedding is tied, so the output layer's weights are all that the vocabulary adds.
    weights = parameter_count(shape, 128_256) - norms
    scores = 12 * shape.layers * width * shape.seq_length
    assert flops.full_attention == pytest.approx(6 * weights + scores, rel=1e-12)
    halved = scores / 2 * (shape.seq_length + 1) / shape.seq_length
    assert flops.causal_attention == pytest.approx(6 * weights + halved, rel=1e-12)
    assert flops.six_n == 6 * parameter_count(shape, 128_256)


def test_mfu_is_given_under_every_convention_that_flops_are_counted_by() -> None:
    flops = flops_per_token(PRESETS["kanana-8b"], 128_256)
    shares = mfu_by_convention(9_000, flops, 989.4e12)
    assert set(shares) == set(CONVENTIONS) == set(FlopsPerToken.__dataclass_fields__)
    assert shares["six_n"] < shares["causal_attention"] < shares["full_attention"]
    assert shares["full_attention"] == pytest.approx(9_000 * flops.full_attention / 989.4e12)


def test_costs_and_presets_need_the_standard_library_alone() -> None:
    code = (
        "import sys; before = set(sys.modules);"
        "import hanji.training.cost.scaling, hanji.training.presets;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before} - {'hanji'};"
        "sys.exit(str(new - sys.stdlib_module_names) if new - sys.stdlib_module_names else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


DEEPSEEK_7B = ModelShape(
    layers=30, hidden=4096, ffn=11008, heads=32, kv_heads=32, head_dim=128, tied=False, seq_length=4096
)
DEEPSEEK_67B = replace(DEEPSEEK_7B, layers=95, hidden=8192, ffn=22016, heads=64, kv_heads=8)


def test_the_model_scale_is_deepseeks_formula_for_their_shape() -> None:
    theirs = 72 * 30 * 4096**2 + 12 * 30 * 4096 * 4096
    # Their formula takes the feed-forward as 8/3 of the width, 10,923; the model has 11,008.
    assert flops_without_vocabulary(DEEPSEEK_7B) == pytest.approx(theirs, rel=0.005)
    flops = flops_per_token(DEEPSEEK_7B, 102_400)
    assert flops_without_vocabulary(DEEPSEEK_7B) == flops.full_attention - 6 * 102_400 * 4096


@pytest.mark.parametrize(
    ("scale", "rate", "batch"),
    [
        (72 * 30 * 4096**2 + 12 * 30 * 4096 * 4096, 4.2e-4, 2304 * 4096),
        (72 * 95 * 8192**2 + 12 * 95 * 8192 * 4096, 3.2e-4, 4608 * 4096),
    ],
)
def test_deepseeks_own_models_were_trained_by_their_law(scale: float, rate: float, batch: int) -> None:
    """Table 2 of the paper: 7B and 67B, 2T tokens each."""
    law = LAWS["deepseek"]
    budget = Budget(None, scale, 2e12)
    assert law.peak_lr(budget) == pytest.approx(rate, rel=0.03)
    assert law.batch_tokens(budget) == pytest.approx(batch, rel=0.1)


def test_step_law_gives_its_published_formula() -> None:
    budget = Budget(10**9, 6e9, 1e11)
    assert LAWS["step"].peak_lr(budget) == pytest.approx(1.79 * 10 ** (9 * -0.713 + 11 * 0.307))
    assert LAWS["step"].batch_tokens(budget) == pytest.approx(0.58 * 10 ** (11 * 0.571))
    # The batch does not depend on the model.
    assert LAWS["step"].batch_tokens(replace(budget, parameters=10**8)) == LAWS["step"].batch_tokens(budget)


def test_the_best_split_of_a_compute_spends_it_all_by_deepseeks_exponents() -> None:
    budget = budget_of_compute(1e20)
    assert budget.compute == pytest.approx(1e20)
    # D = 5.8316 · C^0.4757, their other half.
    assert budget.tokens == pytest.approx(5.8316 * 1e20**0.4757, rel=0.01)


@given(st.floats(1, 1e9), st.integers(1, 16384), st.integers(1, 512))
def test_a_legal_batch_is_the_nearest_multiple_and_never_none(tokens: float, seq: int, multiple: int) -> None:
    size = legal_batch(tokens, seq, multiple)
    assert size >= multiple and size % multiple == 0
    assert size == multiple or abs(size * seq - tokens) <= seq * multiple / 2 * (1 + 1e-9)


def test_a_suggestion_fits_its_tokens_and_says_what_is_doubtful() -> None:
    shape = PRESETS["kanana-8b"]
    fine = suggest(LAWS["deepseek"], budget_of(shape, 3e12), shape.seq_length, 64)
    assert (fine.steps - 1) * fine.tokens_per_step < 3e12 <= fine.steps * fine.tokens_per_step
    assert fine.warmup_steps == 2000 and fine.notes == ()
    small = suggest(LAWS["deepseek"], budget_of(PRESETS["tiny"], 1e6), 64, 512)
    assert small.warmup_steps == small.steps // 10
    assert [note.split(" ")[-1] for note in small.notes] == ["begins", "rate", "much"]


def recipe_file(directory: Path, **changes: Any) -> Path:
    data = {
        "name": "asked",
        "run": "run",
        "shards": "shards",
        "model": "ten-million",
        "parallel": {"data": 2},
        "stages": [
            {"name": "broad", "tokens": 900_000_000, "blend": {"*/*/*": 1}},
            {"name": "best", "steps": 1000, "blend": {"*/*/high": 1}},
        ],
        "batch": {"global_size": 64, "micro_size": 8},
        **changes,
    }
    path = directory / "train.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def test_the_lines_for_a_recipe_without_a_schedule_make_it_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe_file(tmp_path)
    assert run(["cost", "suggest", str(path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["tokens"] == 900_000_000 + 1000 * 64 * 256
    law = answer["laws"]["deepseek"]
    assert law["global_size"] % 16 == 0 == answer["multiple"] % 16
    assert law["peak_lr"] == pytest.approx(0.3118 * answer["compute"] ** -0.125, rel=0.005)
    lines = yaml.safe_load("\n".join(answer["recipe_lines"]))
    recipe = parse_recipe({**yaml.safe_load(path.read_text()), **lines}, TrainingRecipe)
    assert recipe.schedule.peak_lr == law["peak_lr"]
    assert recipe.batch.global_size == law["global_size"]
    comment = answer["recipe_lines"][-1]
    steps = round(1000 * 64 / law["global_size"])
    assert comment == f"# stage best: steps: {steps} instead of 1000, for the same tokens"


def test_the_table_names_both_laws_and_the_recipe_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule = {"kind": "wsd", "peak_lr": 0.00123, "warmup_steps": 10}
    path = recipe_file(tmp_path, schedule=schedule)
    assert run(["cost", "suggest", str(path), "batch.micro_size=4", "--law", "step", "--tokens", "2B"]) == 0
    out = capsys.readouterr().out
    assert "arXiv 2401.02954" in out and "arXiv 2503.04715" in out and "2.00B tokens" in out
    row = next(line for line in out.splitlines() if "the recipe as it is" in line)
    assert "1.23e-03" in row
    assert "a multiple of the 8 samples" in out
    assert "by Step Law:" in out and "schedule: {kind: wsd, peak_lr: " in out
    # Its stages' steps are for its own tokens, not for these.
    assert "# stage" not in out
    assert run(["cost", "suggest", str(recipe_file(tmp_path))]) == 0
    assert "as it is" not in capsys.readouterr().out


def test_a_preset_and_a_compute_are_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cost", "suggest", "--preset", "kanana-8b", "--tokens", "3T", "--json"]) == 0
    by_tokens = json.loads(capsys.readouterr().out)
    compute = f"{by_tokens['compute']:.6e}"
    assert run(["cost", "suggest", "--preset", "kanana-8b", "--compute", compute, "--json"]) == 0
    by_compute = json.loads(capsys.readouterr().out)
    assert by_compute["tokens"] == pytest.approx(3e12, rel=1e-5)
    assert run(["cost", "suggest", "--compute", "1e21", "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert set(alone["laws"]) == {"deepseek"} and alone["parameters_without_embeddings"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a recipe, or --preset with --tokens or --compute, or --compute alone"),
        (["--preset", "kanana-8b"], "--preset kanana-8b: give --tokens"),
        (["--preset", "kanana-9b", "--tokens", "1B"], "--preset: 'kanana-9b' is not allowed: presets are"),
        (["--preset", "tiny", "--tokens", "much"], "--tokens: 'much' is not allowed: write a count such as"),
        (["--preset", "tiny", "--tokens", "0"], "--tokens: '0' is not allowed"),
        (["--preset", "tiny", "--tokens", "1B", "--compute", "1e18"], "--tokens and --compute are two ways"),
        (["--compute", "1e21", "--law", "step"], "--law step: this law needs a model"),
        (["no-such.yaml"], "no-such.yaml: there is no such recipe file"),
        (["no-such.yaml", "--preset", "tiny"], "are for a question without a recipe"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cost", "suggest", *arguments]) == 2
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_counts_are_read_and_written_with_units() -> None:
    assert parse_number("--tokens", "2.7T") == 2.7e12
    assert parse_number("--tokens", "1_000_000") == parse_number("--tokens", "1e6") == 1e6
    assert [short(value) for value in (3e12, 1.12e7, 943_000, 850)] == ["3.00T", "11.2M", "943k", "850"]
    for wrong in ("-3B", "nan", "1e999", "3X", ""):
        with pytest.raises(RecipeError, match="--tokens"):
            parse_number("--tokens", wrong)


def test_the_presets_have_the_sizes_that_their_models_are_named_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["cost", "presets", "--json"]) == 0
    rows = {row["preset"]: row for row in json.loads(capsys.readouterr().out)}
    for name, billions in (("2.1b", 2.087), ("8b", 8.03), ("9.8b", 9.775), ("4.5b", 4.513), ("635m", 0.6347)):
        assert rows[f"kanana-{name}"]["parameters"] == pytest.approx(billions * 1e9, rel=1e-3)
    assert run(["cost", "presets", "--vocabulary", "16384"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in PRESETS) and "inferred" in out
    line = next(line for line in out.splitlines() if line.strip().startswith("ten-million"))
    assert line.split()[-3:-1] == ["10.0M", "5.31M"]
