"""What a recipe that asks for FP8 can be refused for before anything is built. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from hanji.errors import RecipeError

if TYPE_CHECKING:
    from hanji.training.model.build import Parallel
    from hanji.training.model.shape import ModelShape

Recipe = Literal["delayed", "tensorwise", "blockwise"]
MULTIPLE = 16
"""Rows and columns of FP8 matrices are multiples of this (cuBLASLt)."""


class Fp8Options(Protocol):
    """What a recipe says of FP8 (``hanji.training.recipe.Fp8Settings``)."""

    @property
    def recipe(self) -> Recipe: ...
    @property
    def provider(self) -> Literal["auto", "transformer_engine", "torch"]: ...
    @property
    def first_last_bf16(self) -> int: ...
    @property
    def fast_gradients(self) -> bool: ...


def check_fp8(options: Fp8Options, shape: ModelShape, parallel: Parallel) -> None:
    """Raises RecipeError for options that exclude each other and for sizes that are no multiples of 16."""
    edge = options.first_last_bf16
    if options.recipe == "delayed" and edge:
        raise RecipeError(
            f"fp8.first_last_bf16: {edge} layers in BF16 do not go with fp8.recipe = delayed (Megatron-Core "
            "refuses it); let it be 0, or take tensorwise or blockwise"
        )
    if 2 * edge >= shape.layers:
        raise RecipeError(
            f"fp8.first_last_bf16: {edge} first and as many last layers leave none of model.layers = "
            f"{shape.layers} in FP8"
        )
    sharing = parallel.context * (parallel.tensor if parallel.sequence else 1)
    if shape.seq_length % (MULTIPLE * sharing):
        raise RecipeError(
            f"model.seq_length: with FP8 each of the {sharing} rank(s) that share a sequence holds a multiple of "
            f"{MULTIPLE} tokens; {shape.seq_length} is not a multiple of {MULTIPLE * sharing}"
        )
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    for field, width, ranks in (
        ("model.hidden", shape.hidden, 1),
        ("model.heads × model.head_dim", queries, parallel.tensor),
        ("(model.heads + 2 × model.kv_heads) × model.head_dim", queries + 2 * keys, parallel.tensor),
        ("model.ffn", shape.ffn, parallel.tensor),
    ):
        if width % (MULTIPLE * ranks):
            raise RecipeError(
                f"{field}: with FP8 a rank's part is a multiple of {MULTIPLE}; {width} among {ranks} tensor "
                f"rank(s) is not"
            )
