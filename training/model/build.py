"""Megatron-Core's GPTModel from a model's shape: configuration, layers, rotary positions and initial weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import torch

from hanji.errors import RecipeError
from hanji.training.model.initialise import initialise
from hanji.training.model.shape import ModelShape, padded_vocabulary

if TYPE_CHECKING:
    from hanji.training.model.spec import Linears

RECOMPUTE = ("none", "selective", "full")
"""What the backward pass computes again instead of keeping it: nothing, SwiGLU's product, or whole layers."""


class Parallel(Protocol):
    """The sizes that a model is built by; hanji.training.recipe's ParallelSettings has them."""

    @property
    def tensor(self) -> int: ...
    @property
    def sequence(self) -> bool: ...
    @property
    def pipeline(self) -> int: ...
    @property
    def virtual_pipeline(self) -> int: ...
    @property
    def context(self) -> int: ...


def transformer_config(
    shape: ModelShape,
    parallel: Parallel,
    *,
    bf16: bool,
    spec: str = "torch",
    recompute: str = "none",
    deterministic: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> Any:
    """Megatron's TransformerConfig for a shape; ``changes`` are further fields (FP8).

    ``calculate_per_token_loss`` makes the gradient that of the mean over all tokens of the global batch,
    however they are dealt to ranks and micro-batches. Fusions are those of Megatron's own layers, of which only
    Transformer Engine's spec has any left.
    """
    from megatron.core.transformer.transformer_config import TransformerConfig

    if recompute not in RECOMPUTE:
        raise RecipeError(f"recompute: {recompute!r} is not allowed: {', '.join(RECOMPUTE)}")
    cuda = torch.cuda.is_available()
    engine = spec == "transformer_engine"
    dtype = torch.bfloat16 if bf16 else torch.float32
    fields: dict[str, Any] = {
        "num_layers": shape.layers,
        "hidden_size": shape.hidden,
        "ffn_hidden_size": shape.ffn,
        "num_attention_heads": shape.heads,
        "num_query_groups": shape.kv_heads,
        "kv_channels": shape.head_dim,
        "normalization": "RMSNorm",
        "layernorm_epsilon": shape.norm_eps,
        "gated_linear_unit": True,
        "activation_func": torch.nn.functional.silu,
        "add_bias_linear": False,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        # hanji.training.model.initialise draws the weights. Megatron must still "initialise" them: that is
        # where it marks which are split, by which the gradient norm counts the others once.
        "perform_initialization": True,
        "init_method": _leave,
        "output_layer_init_method": _leave,
        "embedding_init_method": _leave,
        "tensor_model_parallel_size": parallel.tensor,
        "sequence_parallel": parallel.sequence,
        "pipeline_model_parallel_size": parallel.pipeline,
        "virtual_pipeline_model_parallel_size": parallel.virtual_pipeline
        if parallel.virtual_pipeline > 1
        else None,
        "context_parallel_size": parallel.context,
        "bf16": bf16,
        "params_dtype": dtype,
        "pipeline_dtype": dtype,
        "calculate_per_token_loss": True,
        "masked_softmax_fusion": False,
        "bias_dropout_fusion": engine,
        "bias_activation_fusion": engine,
        "apply_rope_fusion": False,
        "persist_layer_norm": False,
        "gradient_accumulation_fusion": engine and _has_accumulation_extension(),
        "deterministic_mode": deterministic,
        # Chunks of the model talk to the same neighbour in both directions at once: one NCCL batch would not tell
        # two messages between the same two ranks apart. Megatron-LM's own choice for its interleaved schedule.
        "batch_p2p_comm": cuda and parallel.virtual_pipeline == 1,
        "overlap_p2p_comm": parallel.virtual_pipeline > 1,
        **_recomputing(recompute, engine),
    }
    config = TransformerConfig(**{**fields, **(changes or {})})
    config.recompute_activation = recompute == "selective" and not engine
    return config


def _recomputing(recompute: str, engine: bool) -> dict[str, Any]:
    if recompute == "full":
        return {
            "recompute_granularity": "full",
            "recompute_method": "uniform",
            "recompute_num_layers": 1,
        }
    if recompute == "selective" and engine:
        # Transformer Engine has no such seam in Megatron-Core 0.16.1: the feed-forward layer as a whole.
        return {"recompute_granularity": "selective", "recompute_modules": ["mlp"]}
    return {}


def _has_accumulation_extension() -> bool:
    from importlib.util import find_spec

    return find_spec("fused_weight_gradient_mlp_cuda") is not None


def _leave(tensor: torch.Tensor) -> None:
    return None


def build_model(
    shape: ModelShape,
    vocab_size: int,
    parallel: Parallel,
    *,
    bf16: bool,
    seed: int,
    vp_stage: int | None = None,
    spec: str = "auto",
    recompute: str = "none",
    deterministic: bool = False,
    changes: Mapping[str, Any] | None = None,
    linears_of: Callable[[int], Linears] | None = None,
    draw_on: str | torch.device = "cpu",
) -> torch.nn.Module:
    """This rank's part of the model, with initial weights that depend on the seed alone.

    ``vp_stage`` is the chunk of a virtual pipeline (None without one). ``spec`` is a name of
    hanji.training.model.spec.SPECS, ``recompute`` one of RECOMPUTE; ``changes`` and ``linears_of`` are the seams
    for FP8: fields of the configuration, and the matrices of each layer by number. ``draw_on`` is the device
    that draws the initial weights: they differ between CPU and CUDA, and training draws on the CPU.
    """
    from megatron.core import parallel_state
    from megatron.core.models.gpt import GPTModel

    from hanji.training.model.kernels import kernels
    from hanji.training.model.linear import accumulate_in_product, can_accumulate
    from hanji.training.model.rope import RotaryEmbedding
    from hanji.training.model.spec import block_spec, chosen_spec

    chosen = chosen_spec(spec)
    config = transformer_config(
        shape,
        parallel,
        bf16=bf16,
        spec=chosen,
        recompute=recompute,
        deterministic=deterministic,
        changes=changes,
    )
    ignore_virtual = vp_stage is None
    model: torch.nn.Module = GPTModel(
        config=config,
        transformer_layer_spec=block_spec(config, chosen, vp_stage, linears_of),
        vocab_size=padded_vocabulary(vocab_size),
        max_sequence_length=shape.seq_length,
        pre_process=parallel_state.is_pipeline_first_stage(ignore_virtual=ignore_virtual, vp_stage=vp_stage),
        post_process=parallel_state.is_pipeline_last_stage(ignore_virtual=ignore_virtual, vp_stage=vp_stage),
        parallel_output=True,
        share_embeddings_and_output_weights=shape.tied,
        position_embedding_type="rope",
        rotary_base=shape.rope_theta,
        vp_stage=vp_stage,
    )
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
    model.rotary_pos_emb = RotaryEmbedding(shape, parallel_state.get_context_parallel_group(), device)
    initialise(model, std_by_key(shape), seed, draw_on=draw_on)
    if cuda:
        model.cuda()
    if bf16 and cuda and kernels().accumulate and can_accumulate(device):
        accumulate_in_product(model)
    return _half_precision(config, model) if bf16 else model


def _half_precision(config: Any, model: torch.nn.Module) -> torch.nn.Module:
    """Megatron's Float16Module, with logits left in bf16: the cross entropy widens them itself, once."""
    from megatron.core.transformer.module import Float16Module

    class HalfPrecision(Float16Module):  # type: ignore[misc]
        def forward(self, *inputs: Any, fp32_output: bool = False, **options: Any) -> Any:
            return super().forward(*inputs, fp32_output=fp32_output, **options)

    wrapped: torch.nn.Module = HalfPrecision(config, model)
    return wrapped


def std_by_key(shape: ModelShape) -> Callable[[str], float]:
    """Standard deviation of a weight's initial values by its checkpoint key.

    Outputs into the residual stream get std / sqrt(2·layers) (GPT-2, Radford et al. 2019; Megatron's
    default), so that the stream does not grow with depth.
    """

    def std(key: str) -> float:
        residual = key.endswith(("linear_proj.weight", "linear_fc2.weight"))
        return shape.init_std / math.sqrt(2 * shape.layers) if residual else shape.init_std

    return std
