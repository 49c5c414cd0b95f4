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

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.distributed as dist

from hanji.errors import RecipeError
from hanji.training.model.fp8_check import Fp8Options, Recipe
from hanji.training.model.fp8_linear import HISTORY, Fp8Linear

if TYPE_CHECKING:
    from hanji.training.model.spec import Linears

Provider = Literal["transformer_engine", "torch"]
FIRST_CUDA = (8, 9)
"""Compute capability of the first GPUs with FP8 (Ada; Hopper is 9.0, which blockwise scaling needs)."""


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


def model_arguments(options: Fp8Options | None, layers: int, spec: str) -> dict[str, Any]:
    """Arguments of ``build_model`` for these options: ``spec``, and what FP8 changes.

    ``spec`` is the recipe's ``model.spec``. Raises RecipeError when it does not go with the provider.
    """
    if options is None:
        return {"spec": spec}
    provider = provider_of(options)
    if spec not in ("auto", provider):
        raise RecipeError(
            f"model.spec: {spec} does not go with fp8.provider = {options.provider}"
            + (f" (which is {provider} here)" if options.provider == "auto" else "")
            + "; let both be the same, or auto"
        )
    if provider == "transformer_engine":
        return {"spec": provider, "changes": engine_fields(options)}
    return {"spec": provider, "linears_of": linears_of(options, layers)}


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


def fp8_linears(chunks: Iterable[torch.nn.Module]) -> dict[str, Fp8Linear]:
    """FP8 states of our matrices by module name; empty when the provider is Transformer Engine."""
    found = {}
    for number, chunk in enumerate(chunks):
        for name, module in chunk.named_modules():
            fp8 = getattr(module, "fp8", None)
            if isinstance(fp8, Fp8Linear):
                found[f"{number}.{name.replace('module.', '')}"] = fp8
    return found


@contextmanager
def weights_stay(chunks: Iterable[torch.nn.Module]) -> Iterator[None]:
    """Inside the block no weight changes, so each is cast once for all micro-batches.

    At the end of the block delayed scaling ends its step: all ranks with the same layers take part.
    """
    linears = list(fp8_linears(chunks).values())
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
def without_fp8(chunks: Sequence[torch.nn.Module]) -> Iterator[None]:
    """Inside the block the same weights compute in BF16, with either provider."""
    linears = list(fp8_linears(chunks).values())
    modules = [module for chunk in chunks for module in chunk.modules()]
    configs = {id(m.config): m.config for m in modules if getattr(m, "config", None) is not None}
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
