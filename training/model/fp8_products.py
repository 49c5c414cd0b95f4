"""What the FP8 matrices share: communication along the sequence, and where a weight's gradient goes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist

from hanji.training.model.fp8_cast import use_triton
from hanji.training.model.kernels import kernels


def deliver(parameter: torch.Tensor, product: torch.Tensor) -> torch.Tensor | None:
    """Give a weight its gradient: what autograd is to get.

    On CUDA it is added to Megatron's fp32 buffer here, in one kernel; elsewhere Megatron's hook adds it.
    """
    buffer = getattr(parameter, "main_grad", None)
    if (
        buffer is None
        or not kernels().accumulate
        or not use_triton(product)
        or buffer.dtype != torch.float32
        or product.dtype != torch.bfloat16
    ):
        return product
    from hanji.training.model.fp8_kernels import add
    from hanji.training.model.linear import no_gradient

    add(buffer, product)
    return no_gradient(parameter)


def start_gather(x: torch.Tensor, group: dist.ProcessGroup) -> tuple[torch.Tensor, Any]:
    """All-gather [s / ranks, b, k] along the sequence: [s, b, k] and what to wait for."""
    whole = torch.empty((x.shape[0] * group.size(), *x.shape[1:]), dtype=x.dtype, device=x.device)
    return whole, dist.all_gather_into_tensor(whole, x.contiguous(), group=group, async_op=True)


def start_scatter(whole: torch.Tensor, group: dist.ProcessGroup) -> tuple[torch.Tensor, Any]:
    """Sum [s, b, k] over the ranks: this rank's part [s / ranks, b, k] and what to wait for."""
    part = torch.empty(
        (whole.shape[0] // group.size(), *whole.shape[1:]), dtype=whole.dtype, device=whole.device
    )
    return part, dist.reduce_scatter_tensor(part, whole.contiguous(), group=group, async_op=True)
