"""Rotary positions (Su et al., arXiv 2104.09864) with Llama 3's scaling, split from the projection in one kernel.

Megatron-Core 0.16.1 knows Llama 3's scaling with its factor alone; here all four parameters count. Frequencies
are computed in fp32 by the same operations as in transformers, so that a checkpoint means the same there.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from hanji.training.model.context import chunks_of_rank
from hanji.training.model.kernels import Fused
from hanji.training.model.shape import ModelShape, RopeScaling


def inverse_frequencies(head_dim: int, theta: float, scaling: RopeScaling | None = None) -> torch.Tensor:
    """Angle of each pair per token, fp32 [head_dim / 2] on the CPU."""
    exponents = torch.arange(0, head_dim, 2, dtype=torch.int64, device="cpu").float() / head_dim
    frequencies = 1.0 / theta**exponents
    if scaling is None:
        return frequencies
    turns = scaling.original_max_position_embeddings / (2 * math.pi / frequencies)
    share = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    between = (1 - share) * (frequencies / scaling.factor) + share * frequencies
    longer = torch.where(turns < scaling.low_freq_factor, frequencies / scaling.factor, between)
    return torch.where(turns > scaling.high_freq_factor, frequencies, longer)


class RotaryEmbedding(torch.nn.Module):  # type: ignore[misc]
    """Cosines and sines of the positions of this context rank; takes the place of ``GPTModel.rotary_pos_emb``."""

    def __init__(self, shape: ModelShape, context_group: Any, device: torch.device) -> None:
        super().__init__()
        # Not a buffer: Float16Module would round it.
        self.frequencies = inverse_frequencies(shape.head_dim, shape.rope_theta, shape.rope_scaling)
        self._context = (context_group.size(), context_group.rank())
        self._device = device
        self._tables: dict[int, torch.Tensor] = {}
        self.positions: torch.Tensor | None = None
        """int64 [b, tokens of this context rank]: positions of the batch that is computed next, where they are not
        those of the row. Set before each call of the model."""

    def get_rotary_seq_len(
        self,
        inference_context: Any,
        transformer: Any,
        transformer_input: torch.Tensor | None,
        transformer_config: Any,
        packed_seq_params: Any = None,
    ) -> int:
        """Tokens of the whole sequence, from what this rank holds of it; GPTModel asks for it by this name."""
        given = transformer.input_tensor if transformer.input_tensor is not None else transformer_input
        assert given is not None and inference_context is None and packed_seq_params is None
        length = int(given.size(0)) * int(transformer_config.context_parallel_size)
        return length * (
            transformer_config.tensor_model_parallel_size if transformer_config.sequence_parallel else 1
        )

    def forward(self, seq_length: int, packed_seq: bool = False, cp_group: Any = None) -> torch.Tensor:
        """Cosines and sines, fp32 [2, tokens of this context rank, head_dim / 2], of a sequence of this length; of
        ``positions`` [2, tokens, b, head_dim / 2]."""
        if self.positions is not None:
            angles = self.positions.t().float().unsqueeze(-1) * self.frequencies.to(self._device)
            return torch.stack([angles.cos(), angles.sin()])
        table = self._tables.get(seq_length)
        if table is None:
            size, rank = self._context
            positions = torch.arange(seq_length, dtype=torch.float32, device="cpu")
            if size > 1:
                length = seq_length // (2 * size)
                positions = torch.cat(
                    [positions[c * length : (c + 1) * length] for c in chunks_of_rank(rank, size)]
                )
            angles = torch.outer(positions, self.frequencies)
            table = torch.stack([angles.cos(), angles.sin()]).to(self._device)
            self._tables[seq_length] = table
        return table


def rotate(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn the pairs (i, i + d/2) of [s, b, ..., d] by angles whose cosines and sines are [s, d/2] or [s, b, d/2],
    in fp32."""
    pairs = heads.view(*heads.shape[:-1], 2, -1).float()
    place = (*cos.shape[:-1], *(1,) * (pairs.dim() - cos.dim()), cos.size(-1))
    signed = torch.stack([-sin, sin], dim=-2).view(*place[:-2], 2, place[-1])
    # A flip, not a concatenation: it fuses into one kernel, forward and backward.
    turned = pairs * cos.view(place) + pairs.flip(-2) * signed
    return turned.flatten(-2).to(heads.dtype)


def split_and_rotate(
    projected: torch.Tensor, table: torch.Tensor, groups: int, head_dim: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Megatron's query-key-value projection → rotated queries and keys, and values.

    projected: [s, b, groups · (queries per group + 2) · head_dim], in each group its queries, key and value.
    table: as :class:`RotaryEmbedding` gives it. Returns [s, b, heads, d], [s, b, groups, d], [s, b, groups, d].
    """
    by_group = projected.view(*projected.shape[:-1], groups, -1, head_dim)
    cos, sin = table[0], table[1]
    queries = rotate(by_group[..., :-2, :], cos, sin)
    keys = rotate(by_group[..., -2, :], cos, sin)
    return queries.flatten(2, 3), keys, by_group[..., -1, :].contiguous()


fused_split_and_rotate = Fused(split_and_rotate)
