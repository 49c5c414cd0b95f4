"""SwiGLU (Shazeer, arXiv 2002.05202)."""

from __future__ import annotations

import torch

from hanji.training.model.kernels import Fused


def swiglu(gate_and_up: torch.Tensor) -> torch.Tensor:
    """silu(gate) · up of [..., 2·ffn], computed in fp32, in the input's dtype; backward recomputes it."""
    gate, up = gate_and_up.chunk(2, dim=-1)
    if gate.dtype == torch.float32:
        return torch.nn.functional.silu(gate) * up
    return (torch.nn.functional.silu(gate.float()) * up.float()).to(gate.dtype)


fused_swiglu = Fused(swiglu)
