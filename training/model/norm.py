"""RMSNorm (Zhang and Sennrich, arXiv 1910.07467) with statistics in fp32, marked for sequence parallelism."""

from __future__ import annotations

from typing import Any

import torch

from hanji.training.model.kernels import Fused


def rms_norm(hidden: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """hidden / rms(hidden) · weight along the last axis, computed in fp32, in the dtype of ``hidden``."""
    values = hidden.float()
    scale = torch.rsqrt(values.square().mean(dim=-1, keepdim=True) + eps)
    return (values * scale * weight.float()).to(hidden.dtype)


_fused_rms_norm = Fused(rms_norm)


class RMSNorm(torch.nn.Module):  # type: ignore[misc]
    """A norm as Megatron's specs build it: ``RMSNorm(config=..., hidden_size=..., eps=...)``.

    Under sequence parallelism every tensor rank normalises other positions, so the weight's gradient is a part
    of the whole; the mark ``sequence_parallel`` on the weight tells Megatron to sum the parts.
    """

    def __init__(self, config: Any, hidden_size: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        device = "cuda" if torch.cuda.is_available() and not config.use_cpu_initialization else "cpu"
        self.weight = torch.nn.Parameter(torch.ones(hidden_size, dtype=config.params_dtype, device=device))
        self.weight.sequence_parallel = config.sequence_parallel

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """hidden: [..., hidden_size]."""
        if hidden.is_cuda:
            normed: torch.Tensor = _fused_rms_norm(hidden, self.weight, self.eps)
            return normed
        return torch.nn.functional.rms_norm(hidden, self.weight.shape, self.weight, self.eps)
