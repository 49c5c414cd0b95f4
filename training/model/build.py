"""Megatron-Core's GPTModel from a model's shape, with the local (pure torch) layer spec."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from hanji.training.model.initialise import initialise
from hanji.training.model.shape import ModelShape, padded_vocabulary
from hanji.training.recipe import ParallelSettings


def transformer_config(shape: ModelShape, parallel: ParallelSettings, *, bf16: bool) -> Any:
    """Megatron's TransformerConfig for a shape.

    ``calculate_per_token_loss`` makes the gradient that of the mean over all tokens of the global batch,
    however they are dealt to ranks and micro-batches. The fusions switched off are CUDA kernels.
    """
    from megatron.core.transformer.transformer_config import TransformerConfig

    cuda = torch.cuda.is_available()
    dtype = torch.bfloat16 if bf16 else torch.float32
    return TransformerConfig(
        num_layers=shape.layers,
        hidden_size=shape.hidden,
        ffn_hidden_size=shape.ffn,
        num_attention_heads=shape.heads,
        num_query_groups=shape.kv_heads,
        kv_channels=shape.head_dim,
        normalization="RMSNorm",
        layernorm_epsilon=shape.norm_eps,
        gated_linear_unit=True,
        activation_func=torch.nn.functional.silu,
        add_bias_linear=False,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        # hanji.training.model.initialise draws the weights. Megatron must still "initialise" them: that is
        # where it marks which are split, by which the gradient norm counts the others once.
        perform_initialization=True,
        init_method=_leave,
        output_layer_init_method=_leave,
        embedding_init_method=_leave,
        tensor_model_parallel_size=parallel.tensor,
        pipeline_model_parallel_size=parallel.pipeline,
        bf16=bf16,
        params_dtype=dtype,
        pipeline_dtype=dtype,
        calculate_per_token_loss=True,
        masked_softmax_fusion=False,
        bias_dropout_fusion=False,
        bias_activation_fusion=False,
        apply_rope_fusion=False,
        persist_layer_norm=False,
        gradient_accumulation_fusion=False,
        batch_p2p_comm=cuda,
    )


def _leave(tensor: torch.Tensor) -> None:
    return None


def build_model(
    shape: ModelShape, vocab_size: int, parallel: ParallelSettings, *, bf16: bool, seed: int
) -> torch.nn.Module:
    """This rank's part of the model, with initial weights that depend on the seed alone."""
    from megatron.core import parallel_state
    from megatron.core.models.gpt import GPTModel
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
    from megatron.core.transformer.module import Float16Module

    config = transformer_config(shape, parallel, bf16=bf16)
    model: torch.nn.Module = GPTModel(
        config=config,
        transformer_layer_spec=get_gpt_layer_local_spec(normalization="RMSNorm"),
        vocab_size=padded_vocabulary(vocab_size),
        max_sequence_length=shape.seq_length,
        pre_process=parallel_state.is_pipeline_first_stage(),
        post_process=parallel_state.is_pipeline_last_stage(),
        parallel_output=True,
        share_embeddings_and_output_weights=shape.tied,
        position_embedding_type="rope",
        rotary_base=shape.rope_theta,
    )
    initialise(model, std_by_key(shape), seed)
    if torch.cuda.is_available():
        model.cuda()
    return Float16Module(config, model) if bf16 else model


def std_by_key(shape: ModelShape) -> Callable[[str], float]:
    """Standard deviation of a weight's initial values by its checkpoint key.

    Outputs into the residual stream get std / sqrt(2·layers) (GPT-2, Radford et al. 2019; Megatron's
    default), so that the stream does not grow with depth.
    """

    def std(key: str) -> float:
        residual = key.endswith(("linear_proj.weight", "linear_fc2.weight"))
        return shape.init_std / math.sqrt(2 * shape.layers) if residual else shape.init_std

    return std
