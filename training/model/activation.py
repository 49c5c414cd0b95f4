"""The feed-forward layer: SwiGLU (Shazeer, arXiv 2002.05202) between Megatron's two parallel matrices."""

from __future__ import annotations

from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.tensor_parallel.random import CheckpointWithoutOutput
from megatron.core.transformer.mlp import MLP, MLPSubmodules

from hanji.training.model.kernels import Fused


def swiglu(gate_and_up: torch.Tensor) -> torch.Tensor:
    """silu(gate) · up of [..., 2·ffn], computed in fp32, in the input's dtype; backward recomputes it."""
    gate, up = gate_and_up.chunk(2, dim=-1)
    if gate.dtype == torch.float32:
        return torch.nn.functional.silu(gate) * up
    return (torch.nn.functional.silu(gate.float()) * up.float()).to(gate.dtype)


_fused_swiglu = Fused(swiglu)


class FeedForward(MLP):  # type: ignore[misc]
    """Megatron's MLP with :func:`swiglu`; parameters and checkpoint keys are Megatron's.

    With ``config.recompute_activation`` the product is dropped after the second matrix has used it and
    computed again in the backward pass: the largest activation of a layer for an element-wise operation.
    """

    def forward(
        self, hidden_states: torch.Tensor, per_token_scale: torch.Tensor | None = None, **options: Any
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """hidden_states [s, b, hidden] → [s, b, hidden] and no bias."""
        assert per_token_scale is None, "a dense feed-forward layer has no router"
        projected, _ = self.linear_fc1(hidden_states)
        if getattr(self.config, "recompute_activation", False) and self.training:
            recompute = CheckpointWithoutOutput()
            activated = recompute.checkpoint(_fused_swiglu, projected)
            output, bias = self.linear_fc2(activated)
            recompute.discard_output_and_register_recompute(output)
            return output, bias
        output, bias = self.linear_fc2(_fused_swiglu(projected))
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
