"""The torch layer specification against Megatron's local one, and its parts against plain formulas."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist

from hanji.errors import RecipeError
from hanji.training.cpu import prepare_import, without_cuda
from hanji.training.model.documents import find_runs
from hanji.training.model.shape import ModelShape, RopeScaling, layer_parameters, padded_vocabulary
from hanji.training.presets import BASIS, PRESETS, TABLE_16

VOCABULARY = 300
ONE_RANK = SimpleNamespace(tensor=1, sequence=False, pipeline=1, virtual_pipeline=1, context=1, data=1)
SHAPE = PRESETS["tiny"]
SCALING = RopeScaling(
    factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32
)


@pytest.fixture(scope="module", autouse=True)
def one_rank() -> Iterator[None]:
    prepare_import()
    with without_cuda():
        from megatron.core import parallel_state, tensor_parallel

        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        parallel_state.initialize_model_parallel()
        tensor_parallel.model_parallel_cuda_manual_seed(1)
        yield
        parallel_state.destroy_model_parallel()
        dist.destroy_process_group()


def ours(shape: ModelShape = SHAPE, **options: Any) -> Any:
    from hanji.training.model.build import build_model

    return build_model(shape, VOCABULARY, ONE_RANK, bf16=False, seed=7, spec="torch", **options)


def megatrons(shape: ModelShape = SHAPE, **options: Any) -> Any:
    """GPTModel with Megatron's local specification and rotary positions, and the same initial weights."""
    from megatron.core.models.gpt import GPTModel
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec

    from hanji.training.model.build import std_by_key, transformer_config
    from hanji.training.model.initialise import initialise

    model = GPTModel(
        config=transformer_config(shape, ONE_RANK, bf16=False),
        transformer_layer_spec=get_gpt_layer_local_spec(normalization="RMSNorm"),
        vocab_size=padded_vocabulary(VOCABULARY),
        max_sequence_length=shape.seq_length,
        share_embeddings_and_output_weights=shape.tied,
        position_embedding_type="rope",
        rotary_base=shape.rope_theta,
        **options,
    )
    initialise(model, std_by_key(shape), 7)
    return model


def sample(rows: int = 2, length: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    tokens = torch.randint(0, VOCABULARY, (rows, length), generator=generator)
    return tokens, torch.arange(length).expand(rows, length)


def loss_and_gradients(
    model: Any, tokens: torch.Tensor, positions: torch.Tensor, documents: torch.Tensor | None = None
) -> tuple[float, dict[str, torch.Tensor]]:
    """Mean next-token loss (of the same token, which is as good here) and all gradients."""
    model.zero_grad()
    logits = model(tokens, positions, documents).float()
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten())
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in model.named_parameters()}


def assert_equal_models(
    one: Any, other: Any, *inputs: torch.Tensor, documents: torch.Tensor | None = None
) -> None:
    loss, gradients = loss_and_gradients(one, *inputs, documents)
    expected, expected_gradients = loss_and_gradients(other, *inputs, None)
    assert loss == pytest.approx(expected, rel=1e-6)
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in gradients.items():
        difference = (gradient - expected_gradients[name]).norm() / expected_gradients[name].norm()
        assert difference <= 1e-5, name


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("tied", [True, False])
def test_our_layers_are_megatrons_in_loss_and_gradients(kv_heads: int, tied: bool) -> None:
    shape = replace(SHAPE, kv_heads=kv_heads, tied=tied)
    assert_equal_models(ours(shape), megatrons(shape), *sample())


def test_our_scaled_positions_are_megatrons_where_it_has_the_parameters() -> None:
    # Megatron knows the factor; the other three are fixed there at 1, 4 and 8192.
    scaling = RopeScaling(factor=8.0, original_max_position_embeddings=8192)
    shape = replace(SHAPE, rope_theta=10_000.0, rope_scaling=scaling, head_dim=64)
    theirs = megatrons(shape, rope_scaling=True, rope_scaling_factor=8.0)
    assert_equal_models(ours(shape), theirs, *sample())


@pytest.mark.parametrize("recompute", ["selective", "full"])
def test_recomputed_activations_change_nothing(recompute: str) -> None:
    tokens, positions = sample()
    model = ours(recompute=recompute)
    model.train()
    loss, gradients = loss_and_gradients(model, tokens, positions)
    expected, expected_gradients = loss_and_gradients(ours(), tokens, positions)
    assert loss == expected
    for name, gradient in gradients.items():
        assert torch.equal(gradient, expected_gradients[name]), name


def test_documents_in_a_row_are_as_each_alone() -> None:
    lengths = (5, 1, 30, 28)
    tokens, positions = sample(rows=1)
    documents = torch.repeat_interleave(torch.arange(4, dtype=torch.int32), torch.tensor(lengths))[None]
    model = ours()
    packed = model(tokens, positions, documents)
    across = model(tokens, positions, None)
    first = 0
    for length in lengths:
        here = slice(first, first + length)
        alone = model(tokens[:, here], positions[:, :length], None)
        assert torch.allclose(packed[:, here], alone, atol=2e-6)
        first += length
    assert not torch.allclose(packed[:, 5:], across[:, 5:], atol=1e-3)


def test_documents_in_rows_of_a_batch_are_apart() -> None:
    tokens, positions = sample(rows=2)
    documents = torch.zeros(2, 64, dtype=torch.int32)
    documents[0, 10:] = 1
    documents[1, 40:] = 1
    model = ours()
    both = model(tokens, positions, documents)
    for row in range(2):
        alone = model(tokens[row : row + 1], positions[:1], documents[row : row + 1])
        assert torch.allclose(both[row : row + 1], alone, atol=2e-6)


def test_documents_of_another_length_are_refused() -> None:
    tokens, positions = sample()
    with pytest.raises(ValueError, match=r"documents are \(2, 32\), but the rows are \(2, 64\)"):
        ours()(tokens, positions, torch.zeros(2, 32, dtype=torch.int32))


def checkpoint_keys(model: Any) -> dict[str, tuple[int, ...]]:
    from megatron.core.dist_checkpointing.dict_utils import nested_values
    from megatron.core.dist_checkpointing.mapping import ShardedTensorFactory

    described = {}
    for value in nested_values(model.sharded_state_dict()):
        parts = value.build() if isinstance(value, ShardedTensorFactory) else [value]
        for part in nested_values(parts):
            described[part.key] = tuple(part.global_shape)
    return described


def test_checkpoint_keys_are_megatrons_and_hold_norms_where_transformer_engine_does() -> None:
    keys = checkpoint_keys(ours())
    assert keys == checkpoint_keys(megatrons())
    assert keys["decoder.layers.self_attention.linear_qkv.layer_norm_weight"] == (2, 64)
    assert keys["decoder.layers.mlp.linear_fc1.layer_norm_weight"] == (2, 64)
    assert "decoder.final_layernorm.weight" in keys


def test_weights_depend_on_the_seed_and_not_on_the_specification() -> None:
    one, other = ours().state_dict(), megatrons().state_dict()
    weights = [name for name, value in one.items() if torch.is_tensor(value)]
    assert len(weights) == 2 * 6 + 2
    for name in weights:
        assert torch.equal(one[name], other[name]), name
        if "norm" in name:
            assert torch.equal(one[name], torch.ones(64)), name
    assert one["decoder.layers.0.mlp.linear_fc1.weight"].std() == pytest.approx(0.02, rel=0.05)


def test_a_norm_is_marked_for_sequence_parallelism_when_the_config_says_so() -> None:
    from hanji.training.model.norm import RMSNorm

    for marked in (True, False):
        config = SimpleNamespace(
            sequence_parallel=marked, params_dtype=torch.float32, use_cpu_initialization=True
        )
        assert RMSNorm(config, 8).weight.sequence_parallel is marked


def test_the_fused_and_the_eager_norm_are_the_same_function() -> None:
    from hanji.training.model.norm import rms_norm

    hidden = 3 * torch.randn(4, 5, 64, generator=torch.Generator().manual_seed(1))
    weight = torch.linspace(0.5, 2, 64)
    expected = torch.nn.functional.rms_norm(hidden, (64,), weight, 1e-5)
    assert torch.allclose(rms_norm(hidden, weight, 1e-5), expected, atol=1e-6)
    half = rms_norm(hidden.bfloat16(), weight.bfloat16(), 1e-5)
    assert half.dtype == torch.bfloat16
    assert torch.allclose(half.float(), expected, rtol=2e-2, atol=2e-2)


def test_half_precision_leaves_logits_in_half_precision_and_frequencies_in_single() -> None:
    from hanji.training.model.build import build_model

    model = build_model(SHAPE, VOCABULARY, ONE_RANK, bf16=True, seed=7, spec="torch")
    tokens, positions = sample()
    logits = model(tokens, positions, None)
    assert logits.dtype == torch.bfloat16
    assert model.module.rotary_pos_emb(64).dtype == torch.float32
    expected = ours()(tokens, positions, None)
    assert (logits.float() - expected).norm() / expected.norm() < 0.02


def test_frequencies_follow_llama_3s_rule() -> None:
    """Against the rule written out for one frequency at a time, in double precision."""
    from hanji.training.model.rope import inverse_frequencies

    scaling = RopeScaling(
        factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192
    )
    seen = set()
    for index, frequency in enumerate(inverse_frequencies(128, 500_000.0, scaling).tolist()):
        plain = 500_000.0 ** (-2 * index / 128)
        wavelength = 2 * math.pi / plain
        if wavelength < 8192 / 4.0:
            expected, case = plain, "kept"
        elif wavelength > 8192 / 1.0:
            expected, case = plain / 32.0, "stretched"
        else:
            smooth = (8192 / wavelength - 1.0) / (4.0 - 1.0)
            expected, case = (1 - smooth) * plain / 32.0 + smooth * plain, "between"
        assert frequency == pytest.approx(expected, rel=1e-6)
        seen.add(case)
    assert seen == {"kept", "stretched", "between"}


def test_rotation_turns_halves_of_a_head_by_position_times_frequency() -> None:
    from hanji.training.model.rope import rotate

    head = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    angles = torch.tensor([[0.5, 0.25]])
    turned = rotate(head, angles.cos(), angles.sin())[0, 0].tolist()
    first = complex(1, 3) * complex(math.cos(0.5), math.sin(0.5))
    second = complex(2, 4) * complex(math.cos(0.25), math.sin(0.25))
    assert turned == pytest.approx([first.real, second.real, first.imag, second.imag], rel=1e-6)


@pytest.mark.parametrize("name", ["norm", "swiglu", "split and rotate"])
def test_fused_functions_are_one_graph_and_the_same_when_compiled(name: str) -> None:
    """Traced forward and backward as for CUDA, run without generating code: a break in the graph would fail."""
    from hanji.training.model.activation import swiglu
    from hanji.training.model.norm import rms_norm
    from hanji.training.model.rope import split_and_rotate

    generator = torch.Generator().manual_seed(2)

    def values(*sizes: int) -> torch.Tensor:
        return torch.randn(*sizes, generator=generator)

    table = values(2, 16, 8)
    function, inputs = {
        "norm": (lambda x, w: (rms_norm(x, w, 1e-5),), [values(16, 2, 64), values(64)]),
        "swiglu": (lambda x: (swiglu(x),), [values(16, 2, 128)]),
        "split and rotate": (lambda x: split_and_rotate(x, table, 2, 16), [values(16, 2, 2 * 5 * 16)]),
    }[name]
    results = []
    for run in (function, torch.compile(function, backend="aot_eager", fullgraph=True, dynamic=False)):
        given = [x.bfloat16().requires_grad_() for x in inputs]
        outputs = run(*given)
        sum((output.float() ** 2).sum() for output in outputs).backward()
        results.append([*outputs, *(x.grad for x in given)])
    for eager, compiled in zip(*results, strict=True):
        assert eager.dtype == torch.bfloat16
        assert torch.equal(eager, compiled)


def test_runs_describe_the_dense_mask() -> None:
    """What the variable-length kernel may see, spelled out, is what the mask allows: the CPU checks CUDA's path."""
    from hanji.training.model.documents import dense_mask

    generator = np.random.default_rng(5)
    for _ in range(20):
        documents = np.sort(generator.integers(0, 6, (2, 32)), axis=1).astype(np.int32)
        chunks = ((4, 8), (24, 28)) if generator.integers(2) else ((0, 32),)
        runs = find_runs(documents, 2, chunks, torch.device("cpu"))
        queries, keys = runs.query_starts.tolist(), runs.key_starts.tolist()
        places = [(row, place) for row, first, end in runs.key_slices for place in range(first, end)]
        asked = [(row, place) for row in range(2) for first, end in chunks for place in range(first, end)]
        assert keys[-1] == len(places)
        assert queries[-1] == len(asked)
        seen = torch.zeros(2, 32, 32, dtype=torch.bool)
        for run in range(len(queries) - 1):
            missing = (keys[run + 1] - keys[run]) - (queries[run + 1] - queries[run])
            for number, query in enumerate(range(queries[run], queries[run + 1])):
                row, place = asked[query]
                for key in range(keys[run], keys[run] + missing + number + 1):
                    assert places[key][0] == row
                    seen[row, place, places[key][1]] = True
        for first, end in chunks:
            allowed = dense_mask(torch.from_numpy(documents), first, end, 32, torch.device("cpu"))
            assert torch.equal(seen[:, first:end], allowed[:, 0])


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_accumulated_in_the_product_are_autograds(
    tied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The product that adds to fp32 needs CUDA; a plain one in its place shows that nothing is lost or doubled."""
    from hanji.training.model import linear
    from hanji.training.model.build import build_model

    assert not linear.can_accumulate(torch.device("cpu"))

    def add_product(total: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
        total += left.float() @ right.float()

    def after_backward(name: str, weight: Any) -> torch.Tensor:
        """What Megatron's DistributedDataParallel does with a gradient when it is ready."""
        added = getattr(weight, "grad_added_to_main_grad", False)
        assert added == (name.endswith("weight") and "norm" not in name and (tied or "embedding" not in name))
        if not added or getattr(weight, "zero_out_wgrad", False):
            weight.main_grad += weight.grad.float()
        gradient: torch.Tensor = weight.main_grad
        return gradient

    monkeypatch.setattr(linear, "_add_product", add_product)
    shape = replace(SHAPE, tied=tied)
    model, plain = (
        build_model(shape, VOCABULARY, ONE_RANK, bf16=True, seed=7, spec="torch").module for _ in range(2)
    )
    assert linear.accumulate_in_product(model) == 2 * 4 + 1
    for weight in model.parameters():
        weight.main_grad = torch.zeros_like(weight, dtype=torch.float32)
    tokens, positions = sample()
    for each in (model, plain):
        torch.nn.functional.cross_entropy(
            each(tokens, positions, None).float().flatten(0, 1), tokens.flatten()
        ).backward()
    for (name, weight), expected in zip(model.named_parameters(), plain.parameters(), strict=True):
        difference = after_backward(name, weight) - expected.grad.float()
        assert difference.norm() / expected.grad.float().norm() < 0.01, name


def test_context_ranks_attend_as_one_rank_does(tmp_path: Path) -> None:
    program = Path(__file__).with_name("context_rank.py")
    findings = tmp_path / "findings.json"
    ranks = [
        subprocess.Popen([sys.executable, program, tmp_path / "store", str(rank), findings])
        for rank in range(4)
    ]
    assert [rank.wait(timeout=240) for rank in ranks] == [0, 0, 0, 0]
    found = json.loads(findings.read_text(encoding="utf-8"))
    assert len(found) == 3 * 7
    for case, differences in found.items():
        assert max(differences) <= (2e-2 if "half" in case else 1e-6), case


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": 0}, "model.layers: 0 is not allowed"),
        ({"hidden": 2.5}, "model.hidden: 2.5 is not a whole number"),
        ({"kv_heads": 3}, "model.kv_heads: 3 does not divide the 4 query heads"),
        ({"head_dim": 15}, "model.head_dim: 15 is odd"),
        ({"rope_theta": float("nan")}, "model.rope_theta: nan is not allowed"),
        ({"tied": 1}, "model.tied: 1 is neither"),
        ({"rope_scaling": {"factor": 0.5}}, "model.rope_scaling.factor: 0.5 is less than 1"),
        ({"rope_scaling": {"high_freq_factor": 1.0}}, "high_freq_factor: 1.0 is not greater"),
        ({"rope_scaling": {"beta": 1}}, "model.rope_scaling: "),
        ({"width": 1}, "model: unknown fields width"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message.replace("(", r"\(")):
        ModelShape.from_dict({**SHAPE.as_dict(), **change})


def test_a_shape_survives_its_dictionary() -> None:
    shape = replace(SHAPE, rope_scaling=SCALING)
    assert ModelShape.from_dict(shape.as_dict()) == shape


def test_an_unknown_specification_is_refused() -> None:
    from hanji.training.model.spec import chosen_spec

    assert chosen_spec("auto") == "torch"
    with pytest.raises(RecipeError, match=r"model\.spec: 'flash' is not allowed: auto, torch"):
        chosen_spec("flash")
    with pytest.raises(RecipeError, match=r"model\.spec: transformer_engine needs CUDA"):
        chosen_spec("transformer_engine")


def test_every_preset_says_where_its_numbers_come_from() -> None:
    assert PRESETS.keys() == BASIS.keys()


def test_presets_of_table_16_have_the_parameters_that_it_states() -> None:
    for (hidden, ffn, heads), stated in TABLE_16.items():
        shape = PRESETS[f"kanana-{hidden}-{ffn}-{heads}"]
        unit = {"B": 1e9, "M": 1e6}[stated[-1]]
        decimals = len(stated[:-1].partition(".")[2])
        beside_embedding = (shape.layers * layer_parameters(shape) + hidden) / unit
        assert beside_embedding == pytest.approx(float(stated[:-1]), abs=10**-decimals)
