"""FP8 behind one seam, with two providers.

*Transformer Engine*: the fields of Megatron's TransformerConfig say what it shall do
(:func:`engine_fields`). *torch*: linear layers of our own on torch's scaled matrix product
(:func:`linears_of`), for machines without Transformer Engine; on a CPU it is emulated. What the trainer needs
of either is the same: that weights stay for the micro-batches of a step (:func:`weights_stay`), and that one
pass can be made in BF16 (:func:`without_fp8`).

Embedding, output layer, norms and attention stay in BF16 in both, as do the first and last layers where asked
(Nemotron-H, arXiv 2504.03624, keeps some of both).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
import torch.distributed as dist

from hanji.errors import RecipeError
from hanji.training.model.fp8_linear import HISTORY, Fp8Linear, Recipe

if TYPE_CHECKING:
    from hanji.training.model.spec import Linears

Provider = Literal["transformer_engine", "torch"]
MULTIPLE = 16
"""Rows and columns of FP8 matrices are multiples of this (cuBLASLt)."""
FIRST_CUDA = (8, 9)
"""Compute capability of the first GPUs with FP8 (Ada; Hopper is 9.0, which blockwise scaling needs)."""


class Fp8Options(Protocol):
    """What a recipe says of FP8 (``hanji.training.recipe.Fp8Settings``)."""

    recipe: Recipe
    provider: Literal["auto", "transformer_engine", "torch"]
    first_last_bf16: int
    fast_gradients: bool


def engine_is_installed() -> bool:
    """Whether Transformer Engine can be imported."""
    return find_spec("transformer_engine") is not None


def provider_of(options: Fp8Options) -> Provider:
    """The provider to use. Raises RecipeError when Transformer Engine is asked for and absent."""
    if options.provider == "auto":
        return "transformer_engine" if engine_is_installed() else "torch"
    if options.provider == "transformer_engine" and not engine_is_installed():
        raise RecipeError(
            "fp8.provider: transformer_engine is not installed here; install it "
            "(pip install 'hanji[gpu]'), or let fp8.provider be torch or auto"
        )
    return options.provider


def check_options(
    options: Fp8Options, *, layers: int, seq_length: int, shared_by: int, widths: dict[str, int]
) -> None:
    """What a recipe can be refused for before anything is built. Raises RecipeError.

    ``shared_by``: ranks that share a sequence; ``widths``: sizes of the matrices on one rank by field name.
    """
    if options.recipe == "delayed" and options.first_last_bf16:
        raise RecipeError(
            f"fp8.first_last_bf16: {options.first_last_bf16} layers in BF16 do not go with fp8.recipe = "
            "delayed (Megatron-Core refuses it); let it be 0, or take tensorwise or blockwise"
        )
    if 2 * options.first_last_bf16 >= layers > 0:
        raise RecipeError(
            f"fp8.first_last_bf16: {options.first_last_bf16} first and as many last layers leave none of "
            f"model.layers = {layers} in FP8"
        )
    if seq_length % (MULTIPLE * shared_by):
        raise RecipeError(
            f"model.seq_length: with FP8 each of the {shared_by} rank(s) that share a sequence needs a "
            f"multiple of {MULTIPLE} tokens; {seq_length} is not a multiple of {MULTIPLE * shared_by}"
        )
    for field, width in widths.items():
        if width % MULTIPLE:
            raise RecipeError(
                f"{field}: with FP8 a rank's matrices have sizes that are multiples of {MULTIPLE}; "
                f"this one would be {width}"
            )


def engine_fields(options: Fp8Options) -> dict[str, Any]:
    """Fields of Megatron's TransformerConfig by which Transformer Engine computes in FP8.

    "hybrid" is E4M3 in the forward pass and E5M2 in the backward pass; blocks are E4M3 throughout.
    """
    fields: dict[str, Any] = {
        "fp8": "e4m3" if options.recipe == "blockwise" else "hybrid",
        "fp8_recipe": options.recipe,
        "fp8_margin": 0,
        "fp8_amax_history_len": HISTORY,
        "fp8_amax_compute_algo": "max",
        "fp8_param": False,
        "fp8_wgrad": True,
    }
    if options.first_last_bf16:
        fields |= {
            "first_last_layers_bf16": True,
            "num_layers_at_start_in_bf16": options.first_last_bf16,
            "num_layers_at_end_in_bf16": options.first_last_bf16,
        }
    return fields


def linears_of(options: Fp8Options, layers: int) -> Callable[[int], Linears]:
    """The torch provider's matrices of each layer of the model, by its number from 0.

    The first and last ``first_last_bf16`` of all ``layers`` get Megatron's own. Raises RecipeError when this
    GPU cannot multiply in FP8.
    """
    from hanji.training.model.fp8_parallel import Fp8ColumnParallelLinear, Fp8RowParallelLinear
    from hanji.training.model.spec import Linears

    _check_gpu(options.recipe)
    settings = {"recipe": options.recipe, "fast_gradients": options.fast_gradients}
    column = type("Fp8ColumnParallelLinear", (Fp8ColumnParallelLinear,), settings)
    row = type("Fp8RowParallelLinear", (Fp8RowParallelLinear,), settings)
    edge = options.first_last_bf16

    def choose(number: int) -> Linears:
        return Linears(column, row) if edge <= number < layers - edge else Linears()

    return choose


def _check_gpu(recipe: Recipe) -> None:
    if not torch.cuda.is_available():
        return
    capability = torch.cuda.get_device_capability()
    least = (9, 0) if recipe == "blockwise" else FIRST_CUDA
    if capability < least:
        raise RecipeError(
            f"precision: fp8 with fp8.recipe = {recipe} needs a GPU of compute capability "
            f"{least[0]}.{least[1]}; this one ({torch.cuda.get_device_name()}) has {capability[0]}.{capability[1]}"
        )


def fp8_linears(model: torch.nn.Module) -> dict[str, Fp8Linear]:
    """FP8 states of our linear layers by module name; empty when the provider is Transformer Engine."""
    found = {name: getattr(module, "fp8", None) for name, module in model.named_modules()}
    return {name: fp8 for name, fp8 in found.items() if isinstance(fp8, Fp8Linear)}


@contextmanager
def weights_stay(model: torch.nn.Module) -> Iterator[None]:
    """Inside the block no weight changes, so each is cast once for all micro-batches.

    At the end of the block delayed scaling ends its step: all ranks with the same layers take part.
    """
    linears = list(fp8_linears(model).values())
    for linear in linears:
        linear.reuse_weight = True
    try:
        yield
    finally:
        for linear in linears:
            linear.reuse_weight = False
            linear.forget_weight()
    _advance(linears)


@contextmanager
def without_fp8(model: torch.nn.Module) -> Iterator[None]:
    """Inside the block the same weights compute in BF16, with either provider."""
    linears = list(fp8_linears(model).values())
    configs = {id(m.config): m.config for m in model.modules() if getattr(m, "config", None) is not None}
    formats = {key: getattr(config, "fp8", None) for key, config in configs.items()}
    for linear in linears:
        linear.enabled = False
    for config in configs.values():
        config.fp8 = None
    try:
        yield
    finally:
        for linear in linears:
            linear.enabled = True
        for key, config in configs.items():
            config.fp8 = formats[key]


def _advance(linears: list[Fp8Linear]) -> None:
    delayed = [linear for linear in linears if linear.seen is not None]
    if not delayed:
        return
    seen = torch.stack([linear.seen for linear in delayed if linear.seen is not None])
    if dist.is_initialized():
        from megatron.core import parallel_state

        group = parallel_state.get_tensor_and_data_parallel_group(with_context_parallel=True)
        dist.all_reduce(seen, dist.ReduceOp.MAX, group=group)
    for linear, row in zip(delayed, seen.unbind(), strict=True):
        linear.advance(row)
