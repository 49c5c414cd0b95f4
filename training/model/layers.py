"""Megatron's attention and feed-forward modules with this project's functions inside.

Parameters, their split among tensor ranks and their checkpoint keys stay Megatron's; what runs between the
matrices is ours.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.tensor_parallel.random import CheckpointWithoutOutput
from megatron.core.transformer.attention import SelfAttention as MegatronSelfAttention
from megatron.core.transformer.mlp import MLP, MLPSubmodules
from megatron.core.transformer.module import MegatronModule

from hanji.training.model.activation import fused_swiglu
from hanji.training.model.attention import attend
from hanji.training.model.rope import fused_split_and_rotate


class SelfAttention(MegatronSelfAttention):  # type: ignore[misc]
    """Megatron's self-attention (its parameters and checkpoint keys) for training: no inference, no biases."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        rotary_pos_emb: torch.Tensor | None = None,
        **options: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """hidden_states [s, b, hidden], documents or None, the table of RotaryEmbedding → [s, b, hidden], None."""
        given = [name for name, value in options.items() if value is not None]
        if given:
            raise ValueError(f"this attention is for training; it does not know {', '.join(given)}")
        assert rotary_pos_emb is not None, "RotaryEmbedding is part of the model"
        projected, _ = self.linear_qkv(hidden_states)
        query, key, value = fused_split_and_rotate(
            projected,
            rotary_pos_emb,
            self.num_query_groups_per_partition,
            self.hidden_size_per_attention_head,
        )
        output: tuple[torch.Tensor, torch.Tensor | None] = self.linear_proj(
            self.core_attention(query, key, value, attention_mask)
        )
        return output


class CoreAttention(MegatronModule):  # type: ignore[misc]
    """Causal attention of [s, b, heads, d] on [s, b, groups, d]; no parameters."""

    def __init__(
        self, config: Any, softmax_scale: float | None = None, pg_collection: Any = None, **options: Any
    ) -> None:
        super().__init__(config=config)
        self.scale = softmax_scale or 1 / math.sqrt(config.kv_channels)
        self.context_group = pg_collection.cp

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **options: Any,
    ) -> torch.Tensor:
        """Returns [s, b, heads · d] for this rank's queries."""
        attended = attend(query, key, value, attention_mask, self.context_group, self.scale)
        return attended.flatten(2)


class FeedForward(MLP):  # type: ignore[misc]
    """Megatron's MLP with SwiGLU; parameters and checkpoint keys are Megatron's.

    With ``config.recompute_activation`` the product is dropped after the second matrix has used it and
    computed again in the backward pass: the largest activation of a layer for an element-wise operation.
    """

    def forward(
        self, hidden_states: torch.Tensor, per_token_scale: torch.Tensor | None = None, **options: Any
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """hidden_states [s, b, hidden] → [s, b, hidden] and no bias."""
        assert per_token_scale is None, "a dense feed-forward layer has no router"
        recomputes = getattr(self.config, "recompute_activation", False) and self.training
        joined = getattr(self.linear_fc1, "with_swiglu", None)
        if joined is not None and not recomputes:
            whole = joined(hidden_states, self.linear_fc2)
            if whole is not None:
                return whole, None
        projected, _ = self.linear_fc1(hidden_states)
        if recomputes:
            recompute = CheckpointWithoutOutput(fp8=None)
            activated = recompute.checkpoint(fused_swiglu, projected)
            output, bias = self.linear_fc2(activated)
            recompute.discard_output_and_register_recompute(output)
            return output, bias
        output, bias = self.linear_fc2(fused_swiglu(projected))
        return output, bias


def feed_forward(column: type, row: type) -> type[FeedForward]:
    """:class:`FeedForward` with these classes of matrices, for a layer's specification."""

    class BoundFeedForward(FeedForward):
        def __init__(self, config: Any) -> None:
            super().__init__(
                config,
                MLPSubmodules(linear_fc1=column, linear_fc2=row),
                ffn_hidden_size=config.ffn_hidden_size,
                tp_group=parallel_state.get_tensor_model_parallel_group(),
            )

    return BoundFeedForward
