"""FP8: what Transformer Engine is asked for, what is refused, the emulated numbers, ranks, and the shadow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from hanji.errors import RecipeError
from hanji.training.gpu.setup import Fp8, OneRank, Training, one_rank, synthetic_batches
from hanji.training.loop.layout import Layout
from hanji.training.loop.metrics import read_metrics
from hanji.training.model.activation import swiglu
from hanji.training.model.fp8_cast import E4M3, E5M2, amax, cast, cast_blocks, cast_rows, product, underflow
from hanji.training.model.fp8_check import check_fp8
from hanji.training.model.shape import ModelShape
from hanji.training.parallel import ParallelSettings
from hanji.training.recipe import ShadowSettings, TrainingRecipe

Make = Callable[..., dict[str, Any]]
RECIPES: tuple[Any, ...] = ("delayed", "tensorwise", "blockwise")
VOCABULARY = 100
SHAPE = ModelShape(
    layers=3, hidden=64, ffn=128, heads=4, kv_heads=2, head_dim=16, tied=True, init_std=0.1, seq_length=64
)


@pytest.fixture(scope="module")
def layout() -> Iterator[Layout]:
    with one_rank() as place:
        yield place


def training(layout: Layout, fp8: Fp8 | None) -> Training:
    return Training(layout, SHAPE, VOCABULARY, bf16=True, fp8=fp8, rate=1e-3)


def batches(seed: int = 0, count: int = 2) -> Any:
    return synthetic_batches(SHAPE, VOCABULARY, count, 2, seed=seed)


def random(rows: int, columns: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator) * torch.rand(rows, 1, generator=generator)


# Transformer Engine is told through Megatron's configuration, which checks the fields itself.


@pytest.mark.parametrize("recipe", RECIPES)
def test_megatron_accepts_the_fields_of_each_recipe(layout: Layout, recipe: Any) -> None:
    from megatron.core.enums import Fp8Recipe
    from megatron.core.transformer.transformer_config import TransformerConfig

    from hanji.training.model.build import transformer_config
    from hanji.training.model.fp8 import engine_fields

    edge = 0 if recipe == "delayed" else 1
    fields = engine_fields(Fp8(recipe, first_last_bf16=edge))
    config = transformer_config(
        SHAPE, OneRank(), bf16=True, spec="transformer_engine", recompute="full", changes=fields
    )
    assert isinstance(config, TransformerConfig)
    assert config.fp8_recipe == Fp8Recipe[recipe] and config.fp8 in ("hybrid", "e4m3")
    assert config.first_last_layers_bf16 == bool(edge)
    if edge:
        assert config.num_layers_at_start_in_bf16 == config.num_layers_at_end_in_bf16 == edge


def test_megatron_too_refuses_delayed_scaling_with_layers_in_bf16(layout: Layout) -> None:
    from hanji.training.model.build import transformer_config
    from hanji.training.model.fp8 import engine_fields

    with pytest.raises(ValueError, match="Delayed scaling does not support"):
        transformer_config(
            SHAPE, OneRank(), bf16=True, changes=engine_fields(Fp8("delayed", first_last_bf16=1))
        )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"fp8": {"recipe": "delayed", "first_last_bf16": 1}}, "fp8.first_last_bf16"),
        ({"fp8": {"first_last_bf16": 1}}, "leave none of model.layers = 2"),
        ({"model": {"preset": "tiny", "seq_length": 72}}, "model.seq_length"),
        ({"model": {"preset": "tiny", "ffn": 136}}, "model.ffn"),
        ({"model": {"preset": "tiny", "ffn": 144}, "parallel": {"tensor": 2}}, "model.ffn"),
        ({"precision": "bf16", "shadow": {"every": 5}}, "shadow.every"),
        ({"fp8": {"recipe": "mxfp8"}}, "delayed"),
    ],
)
def test_a_recipe_that_cannot_compute_in_fp8_is_refused_by_name(
    recipe_data: Make, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises((RecipeError, ValidationError)) as error:
        TrainingRecipe.model_validate(recipe_data(**{"precision": "fp8", **changes}))
    assert named in str(error.value)


def test_a_sequence_that_ranks_share_is_a_multiple_of_16_on_each() -> None:
    shape = ModelShape(
        layers=2, hidden=64, ffn=128, heads=4, kv_heads=2, head_dim=16, tied=True, seq_length=80
    )
    check_fp8(Fp8(), shape, ParallelSettings(tensor=2))
    with pytest.raises(RecipeError, match="80 is not a multiple of 32"):
        check_fp8(Fp8(), shape, ParallelSettings(tensor=2, sequence=True))


def test_a_provider_that_is_not_there_or_does_not_go_with_the_layers_is_refused() -> None:
    from hanji.training.model.fp8 import engine_is_installed, model_arguments

    if engine_is_installed():
        pytest.skip("Transformer Engine is installed here")
    with pytest.raises(RecipeError, match=r"fp8\.provider: transformer_engine is not installed"):
        model_arguments(Fp8(provider="transformer_engine"), 2, "auto")
    with pytest.raises(RecipeError, match=r"model\.spec: transformer_engine does not go with"):
        model_arguments(Fp8(provider="auto"), 2, "transformer_engine")
    assert model_arguments(Fp8(provider="auto"), 2, "auto")["spec"] == "torch"


# Numbers.


@pytest.mark.parametrize(("dtype", "step"), [(E4M3, 2.0**-4), (E5M2, 2.0**-3)])
def test_a_cast_is_right_to_half_a_step_of_the_format(dtype: torch.dtype, step: float) -> None:
    x = random(96, 160)
    pair = cast(x, amax(x), dtype, transpose=True)
    assert pair.plain.values.float().abs().max() == torch.finfo(dtype).max
    # Subnormal numbers have a fixed step; all others a relative one.
    smallest = float(torch.finfo(dtype).tiny * pair.plain.scales)
    normal = x.abs() > smallest
    assert ((pair.plain.wide() - x).abs() <= step * x.abs() * 1.001)[normal].all()
    assert ((pair.plain.wide() - x).abs() <= smallest * step * 1.001)[~normal].all()
    assert pair.turned is not None and torch.equal(pair.turned.wide(), pair.plain.wide().t())


def test_blocks_have_scales_of_their_own() -> None:
    x = random(256, 384)
    x[:128, :128] *= 1e-5
    one, by_block = cast(x, amax(x), E4M3, transpose=False), cast_blocks(x, E4M3)
    by_row = cast_rows(x, E4M3, transpose=True)

    def error(wide: torch.Tensor) -> float:
        small = x[:128, :128]
        return float((wide[:128, :128] - small).norm() / small.norm())

    assert error(one.plain.wide()) > 0.2
    assert error(by_block.plain.wide()) < 0.05 and error(by_row.plain.wide()) < 0.04
    assert by_row.turned is not None and error(by_row.turned.wide().t()) < 0.05
    assert float(underflow(x, one.plain)) > 0.05 > float(underflow(x, by_block.plain))


def test_a_matrix_of_zeros_stays_one_and_what_is_no_number_stays_none() -> None:
    zeros = torch.zeros(32, 48)
    assert not cast(zeros, amax(zeros), E4M3, transpose=False).plain.wide().any()
    assert not cast_blocks(zeros, E4M3).plain.wide().any()
    broken = random(32, 48)
    broken[3, 5] = float("nan")
    assert cast(broken, torch.tensor([1.0]), E5M2, transpose=False).plain.wide()[3, 5].isnan()


@pytest.mark.parametrize("grain", ["tensor", "rows and blocks"])
def test_a_product_multiplies_what_the_numbers_stand_for(grain: str) -> None:
    a, b = random(64, 256), random(32, 256, seed=2)
    if grain == "tensor":
        left, right = (
            cast(a, amax(a), E4M3, transpose=False).plain,
            cast(b, amax(b), E4M3, transpose=False).plain,
        )
    else:
        left, right = cast_rows(a, E4M3, transpose=False).plain, cast_blocks(b, E4M3).plain
    result = product(left, right, torch.float32, fast=True)
    exact = a.double() @ b.double().t()
    assert torch.allclose(result.double(), left.wide().double() @ right.wide().double().t(), atol=1e-4)
    assert 1e-4 < float((result - exact).norm() / exact.norm()) < 0.05


# The model.


@pytest.mark.parametrize("recipe", RECIPES)
def test_gradients_in_fp8_are_near_those_in_bf16_and_not_the_same(layout: Layout, recipe: Any) -> None:
    answers = []
    for options in (None, Fp8(recipe)):
        model = training(layout, options)
        answers.append((float(model.forward_backward(batches())), model.gradients()))
        model.close()
    (loss, gradients), (fp8_loss, fp8_gradients) = answers
    assert 0 < abs(fp8_loss - loss) / loss < 0.02
    for name, value in gradients.items():
        error = float((fp8_gradients[name] - value).norm() / value.norm())
        assert 1e-4 < error < 0.35, name


def test_the_first_and_last_layers_stay_in_bf16_where_asked(layout: Layout) -> None:
    from hanji.training.loop.shadow import linears_by_layer

    model = training(layout, Fp8("tensorwise", first_last_bf16=1))
    assert {name.split(".")[0] for name in linears_by_layer(model.chunks)} == {"2"}
    assert len(linears_by_layer(model.chunks)) == 4
    model.close()


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_feed_forward_layer_as_one_operation_gives_the_numbers_of_its_parts(
    layout: Layout, recipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hanji.training.model.fp8_parallel import Fp8ColumnParallelLinear

    answers = []
    for joined in (True, False):
        if not joined:
            monkeypatch.setattr(Fp8ColumnParallelLinear, "with_swiglu", None)
        model = training(layout, Fp8(recipe))
        answers.append((float(model.forward_backward(batches())), model.gradients()))
        model.close()
    (loss, gradients), (other_loss, others) = answers
    assert loss == other_loss
    assert all(torch.equal(gradients[name], others[name]) for name in gradients)


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_recomputed_changes_no_bit(layout: Layout, recipe: Any) -> None:
    answers = []
    for recompute in ("none", "selective", "full"):
        model = Training(layout, SHAPE, VOCABULARY, bf16=True, fp8=Fp8(recipe), recompute=recompute)
        answers.append((float(model.forward_backward(batches())), model.gradients()))
        model.close()
    (loss, gradients), *others = answers
    for other_loss, other in others:
        assert loss == other_loss
        assert all(torch.equal(gradients[name], other[name]) for name in gradients)


def test_without_fp8_the_model_computes_what_a_bf16_model_does(layout: Layout) -> None:
    from hanji.training.model.fp8 import without_fp8

    plain, model = training(layout, None), training(layout, Fp8("blockwise"))
    expected = float(plain.forward_backward(batches(), forward_only=True))
    assert float(model.forward_backward(batches(), forward_only=True)) != expected
    with without_fp8(model.chunks):
        assert float(model.forward_backward(batches(), forward_only=True)) == expected
    plain.close()
    model.close()


def test_delayed_scaling_scales_by_earlier_steps(layout: Layout) -> None:
    from hanji.training.model.fp8_linear import Fp8Linear

    linear = Fp8Linear("delayed")
    x = random(32, 48)
    assert float(linear.input(x, None, transpose=False).plain.scales) == pytest.approx(float(amax(x)) / 448)
    assert linear.seen is not None
    linear.advance(linear.seen)
    later = linear.input(10 * x, None, transpose=False).plain
    assert float(later.scales) == pytest.approx(float(amax(x)) / 448)
    assert float(later.wide().abs().max()) == pytest.approx(float(amax(x)))
    linear.advance(linear.seen)
    largest = float(linear.input(x, None, transpose=False).plain.scales) * 448
    assert largest == pytest.approx(10 * float(amax(x)))


def test_a_run_with_delayed_scaling_goes_on_from_a_checkpoint_bit_for_bit(
    layout: Layout, tmp_path: Path
) -> None:
    from hanji.training.checkpoint.record import Commit
    from hanji.training.checkpoint.store import Checkpoints
    from hanji.training.recipe import CheckpointSettings

    commit = Commit(
        step=3, stage="one", stage_step=3, stage_end=False, consumed={}, recipe="", identity={},
        manifest_sha256="", ranks=1, family={},
    )  # fmt: skip
    checkpoints = Checkpoints(str(tmp_path), CheckpointSettings(asynchronous=False), layout)
    model = training(layout, Fp8("delayed"))
    for step in range(3):
        model.step(batches(step))
    checkpoints.save(commit, model.chunks, model.optimizer)
    expected = [float(model.step(batches(step))) for step in range(3, 6)]
    model.close()
    again = training(layout, Fp8("delayed"))
    checkpoints.load(checkpoints.committed()[0], again.chunks, again.optimizer)
    assert [float(again.step(batches(step))) for step in range(3, 6)] == expected
    again.close()
    # The history is what makes it so: a model that begins it anew computes other numbers.
    forgetful = training(layout, Fp8("delayed"))
    checkpoints.load(checkpoints.committed()[0], forgetful.chunks, forgetful.optimizer)
    for linear in (m.fp8 for m in forgetful.model.modules() if hasattr(m, "fp8") and hasattr(m.fp8, "seen")):
        linear.seen = linear.history = linear.largest = None
    assert [float(forgetful.step(batches(step))) for step in range(3, 6)] != expected
    forgetful.close()


# Ranks.


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = tmp_path_factory.mktemp("figures") / "figures.json"
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "fp8_ranks.py"), str(path)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return found


def test_two_tensor_ranks_round_as_one_does(figures: list[dict[str, Any]]) -> None:
    assert len(figures) == 6
    for entry in figures:
        # Sums in another order move a number over the edge of a rounding here and there. Scales of a rank's own
        # part alone would make gradients differ by a tenth.
        assert entry["loss"] < 1e-5 and entry["gradient"] < 1e-2, entry


def test_all_ranks_keep_the_history_of_one(figures: list[dict[str, Any]]) -> None:
    delayed = [entry for entry in figures if entry["recipe"] == "delayed"]
    assert len(delayed) == 2
    for entry in delayed:
        assert entry["histories"] == 4 and entry["amax"] < 1e-5, entry


def test_the_shadow_of_two_ranks_says_what_that_of_one_says(figures: list[dict[str, Any]]) -> None:
    for entry in figures:
        ours, alone = entry["shadow"], entry["shadow_alone"]
        assert ours["layers"] == alone["layers"] and len(alone["layers"]) == 4
        assert ours["difference"] == pytest.approx(alone["difference"], rel=0.02)


# The shadow.


def test_the_shadow_alarms_when_a_scale_is_spoiled_and_not_before(layout: Layout) -> None:
    from hanji.training.loop.forward import run_micro_batches
    from hanji.training.loop.shadow import Shadow, linears_by_layer
    from hanji.training.model.fp8 import weights_stay

    model = training(layout, Fp8("delayed"))
    for step in range(8):
        model.step(batches(step))
    shadow = Shadow(ShadowSettings(every=2, alarm=0.02), model.chunks, model.objective, layout)

    def look(step: int) -> dict[str, Any] | None:
        for chunk in model.chunks:
            chunk.zero_grad_buffer()
        with shadow.watching(step), weights_stay(model.chunks):
            results = run_micro_batches(model.chunks, model.objective, batches(9), layout, forward_only=False)
        shadow.compare(step, batches(9), results)
        return shadow.take()

    healthy = look(2)
    assert healthy is not None and not healthy["alarm"] and 0 < healthy["difference"] < 0.02
    assert "ALARM" not in shadow.text(healthy)
    cell = healthy["layers"]["2.mlp.linear_fc2"]
    assert set(cell) == {"input", "weight", "gradient"} and len(healthy["layers"]) == 12
    assert all(value["amax"] > 0 and value["underflow"] < 0.3 for value in cell.values())
    assert look(3) is None

    largest = linears_by_layer(model.chunks)["2.mlp.linear_fc2"].largest
    assert largest is not None
    largest[0] *= 1e6
    spoiled = look(4)
    assert spoiled is not None and spoiled["alarm"] and spoiled["difference"] > 0.02
    assert spoiled["layers"]["2.mlp.linear_fc2"]["input"]["underflow"] > 0.9
    said = shadow.text(spoiled)
    assert said.startswith("ALARM step 4") and "input of 2.mlp.linear_fc2" in said
    model.close()


def test_a_shadow_changes_nothing_in_the_training(layout: Layout) -> None:
    from hanji.training.loop.forward import run_micro_batches
    from hanji.training.loop.shadow import Shadow
    from hanji.training.model.fp8 import weights_stay

    gradients = []
    for every in (None, 1):
        model = training(layout, Fp8("delayed"))
        model.step(batches(1))
        shadow = Shadow(ShadowSettings(every=every), model.chunks, model.objective, layout)
        for chunk in model.chunks:
            chunk.zero_grad_buffer()
        with shadow.watching(1), weights_stay(model.chunks):
            results = run_micro_batches(model.chunks, model.objective, batches(), layout, forward_only=False)
        shadow.compare(1, batches(), results)
        gradients.append(model.gradients())
        model.close()
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])


def test_a_run_in_fp8_writes_its_shadows_and_tells_alarms(
    layout: Layout, recipe_data: Make, tmp_path: Path
) -> None:
    from hanji.training.data.plan import plan_data
    from hanji.training.loop.objective import NextToken
    from hanji.training.loop.trainer import Trainer
    from hanji.training.model.build import build_model
    from hanji.training.model.fp8 import model_arguments

    recipe = TrainingRecipe.model_validate(
        recipe_data(
            precision="fp8",
            fp8={"recipe": "delayed"},
            shadow={"every": 2, "alarm": 1e-9},
            stages=[{"name": "one", "steps": 4, "blend": {"*/*/*": 1.0}}],
        )
    )
    data = plan_data(recipe, check=True)
    size = data.manifest.tokenizer.vocab_size
    arguments = model_arguments(recipe.fp8_options, recipe.shape.layers, recipe.model.spec)
    model = build_model(recipe.shape, size, recipe.parallel, bf16=True, seed=1, **arguments)
    told: list[dict[str, Any]] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        outcome = Trainer(recipe, data, NextToken(size, 0.0), [model], layout, told.append).run()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert outcome.finished
    entries = read_metrics(tmp_path / "run" / "metrics.jsonl")
    shadows = [entry for entry in entries if entry["kind"] == "shadow"]
    assert [entry["step"] for entry in shadows] == [2, 4] and all(entry["alarm"] for entry in shadows)
    assert all(len(entry["layers"]) == 8 and 0 < entry["difference"] < 0.02 for entry in shadows)
    alarms = [event["text"] for event in told if event["kind"] == "alarm"]
    assert [text.split(":")[0] for text in alarms] == ["ALARM step 2", "ALARM step 4"]


def test_swiglu_is_differentiated_as_it_is_computed() -> None:
    from hanji.training.model.fp8_linear import swiglu_backward

    x, gradient = random(8, 32), random(8, 16, seed=2)
    gate, up = x.double().chunk(2, dim=-1)
    sigmoid = torch.sigmoid(gate)
    of_gate = gradient * up * sigmoid * (1 + gate * (1 - sigmoid))
    assert torch.allclose(swiglu(x).double(), gate * sigmoid * up, atol=1e-6)
    expected = torch.cat([of_gate, gradient * gate * sigmoid], dim=-1)
    assert torch.allclose(swiglu_backward(x, gradient).double(), expected, atol=1e-6)
