"""Megatron layer specifications: this project's torch layers, and Transformer Engine's matrices under them.

Both hold the same parameters under the same checkpoint keys. Transformer Engine joins a norm to the matrix
after it and saves its weight as ``linear_qkv.layer_norm_weight``; the map of keys below, Megatron's own for
its local spec, saves ``input_layernorm.weight`` there too. Attention, rotary positions and the last norm are
this project's in both, so that documents and context parallelism mean the same.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.tensor_parallel.layers import ColumnParallelLinear, RowParallelLinear
from megatron.core.transformer.attention import SelfAttentionSubmodules
from megatron.core.transformer.enums import AttnMaskType
from megatron.core.transformer.identity_op import IdentityOp
from megatron.core.transformer.spec_utils import ModuleSpec
from megatron.core.transformer.transformer_block import TransformerBlockSubmodules, get_num_layers_to_build
from megatron.core.transformer.transformer_layer import (
    TransformerLayer,
    TransformerLayerSubmodules,
    get_transformer_layer_offset,
)

from hanji.errors import RecipeError
from hanji.training.model.layers import CoreAttention, SelfAttention, feed_forward
from hanji.training.model.norm import RMSNorm

SPECS = ("auto", "torch", "transformer_engine")


@dataclass(frozen=True)
class Linears:
    """The classes of a layer's matrices, built like Megatron's: split by columns, and by rows."""

    column: type = ColumnParallelLinear
    row: type = RowParallelLinear


def chosen_spec(name: str) -> str:
    """``torch`` or ``transformer_engine`` for a name of SPECS. Raises RecipeError for one not installed."""
    if name not in SPECS:
        raise RecipeError(f"model.spec: {name!r} is not allowed: {', '.join(SPECS)}")
    installed = torch.cuda.is_available() and importlib.util.find_spec("transformer_engine") is not None
    if name == "transformer_engine" and not installed:
        raise RecipeError(
            "model.spec: transformer_engine needs CUDA and the package transformer-engine (pip install "
            "'hanji[gpu]'); torch, or auto, runs the same model without it"
        )
    return "transformer_engine" if installed and name != "torch" else "torch"


def torch_layer_spec(linears: Linears | None = None) -> ModuleSpec:
    """A transformer layer of torch: RMSNorm, attention, SwiGLU, with the given matrices (Megatron's by default)."""
    chosen = linears or Linears()
    return ModuleSpec(
        module=TransformerLayer,
        submodules=TransformerLayerSubmodules(
            input_layernorm=RMSNorm,
            self_attention=_attention(chosen.column, chosen.row),
            self_attn_bda=residual_add,
            pre_mlp_layernorm=RMSNorm,
            mlp=feed_forward(chosen.column, chosen.row),
            mlp_bda=residual_add,
            sharded_state_dict_keys_map={
                "input_layernorm.": "self_attention.linear_qkv.layer_norm_",
                "pre_mlp_layernorm.": "mlp.linear_fc1.layer_norm_",
            },
        ),
    )


def transformer_engine_layer_spec() -> ModuleSpec:
    """Megatron's layer of Transformer Engine (matrices in BF16 or FP8, norms joined to them), attention ours."""
    from megatron.core.extensions.transformer_engine_spec_provider import TESpecProvider
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_with_transformer_engine_spec

    provider = TESpecProvider()
    spec = get_gpt_layer_with_transformer_engine_spec()
    spec.submodules.self_attention = _attention(
        provider.column_parallel_layer_norm_linear(), provider.row_parallel_linear()
    )
    return spec


def block_spec(
    config: Any,
    spec: str,
    vp_stage: int | None = None,
    linears_of: Callable[[int], Linears] | None = None,
) -> TransformerBlockSubmodules:
    """The layers of this pipeline rank's chunk, and the last norm.

    ``spec`` is ``torch`` or ``transformer_engine``; ``linears_of`` gives the matrices of a layer by its number in
    the model, from 0 (torch only).
    """
    rank = parallel_state.get_pipeline_model_parallel_rank()
    count = get_num_layers_to_build(config, vp_stage, rank)
    if spec == "transformer_engine":
        layers = [transformer_engine_layer_spec()] * count
    elif linears_of is None:
        layers = [torch_layer_spec()] * count
    else:
        first = get_transformer_layer_offset(config, vp_stage, rank)
        layers = [torch_layer_spec(linears_of(first + number)) for number in range(count)]
    return TransformerBlockSubmodules(layer_specs=layers, layer_norm=RMSNorm)


def _attention(column: Any, row: Any) -> ModuleSpec:
    return ModuleSpec(
        module=SelfAttention,
        params={"attn_mask_type": AttnMaskType.causal},
        submodules=SelfAttentionSubmodules(
            linear_qkv=column,
            core_attention=CoreAttention,
            linear_proj=row,
            q_layernorm=IdentityOp,
            k_layernorm=IdentityOp,
        ),
    )


def residual_add(training: bool, fused: bool) -> Callable[..., torch.Tensor]:
    """In place of Megatron's bias, dropout and add: there is no bias and no dropout."""
    return _add


def _add(
    output_and_bias: tuple[torch.Tensor, torch.Tensor | None], residual: torch.Tensor, dropout: float
) -> torch.Tensor:
    output, bias = output_and_bias
    assert bias is None and dropout == 0
    return residual + output
