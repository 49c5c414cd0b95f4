"""Weight gradients added to Megatron's fp32 buffer inside the matrix product that makes them.

Without an extension of its own Megatron writes each weight gradient in bf16 and adds it to the buffer in a second
pass; torch can hand cuBLAS the fp32 buffer to add to: less memory traffic, and no rounding to bf16 in between.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import torch
import torch.distributed as dist


@cache
def can_accumulate(device: torch.device) -> bool:
    """Whether this torch adds a bf16 product to an fp32 matrix in one call on this device; tried, not assumed."""
    if device.type != "cuda":
        return False
    left = torch.eye(16, dtype=torch.bfloat16, device=device)
    total = torch.ones(16, 16, dtype=torch.float32, device=device)
    try:
        _add_product(total, left, left)
    except (RuntimeError, TypeError):
        return False
    return bool(torch.equal(total, 1 + torch.eye(16, device=device)))


def accumulate_in_product(model: torch.nn.Module) -> int:
    """Let Megatron's own parallel matrices in ``model`` accumulate so; returns how many. Others are left alone."""
    from megatron.core.tensor_parallel import ColumnParallelLinear, RowParallelLinear

    changed = 0
    for module in model.modules():
        if type(module) in (ColumnParallelLinear, RowParallelLinear):
            module._forward_impl = partial(_multiply, module._forward_impl)
            changed += 1
    return changed


def _multiply(otherwise: Any, input: torch.Tensor, weight: torch.Tensor, bias: Any, **options: Any) -> Any:
    """Stands for ``_forward_impl`` of Megatron's matrices: the same arguments, the same result."""
    ready = hasattr(weight, "main_grad") and weight.main_grad.dtype == torch.float32
    if not ready or bias is not None or weight.dtype != torch.bfloat16 or not weight.requires_grad:
        return otherwise(input=input, weight=weight, bias=bias, **options)
    return _AccumulatingProduct.apply(
        input, weight, options["allreduce_dgrad"], options["sequence_parallel"], options["tp_group"]
    )


class _AccumulatingProduct(torch.autograd.Function):  # type: ignore[misc]
    """input [s, b, k] · weightᵀ [k, n], with the communication of a column-parallel matrix: the input gathered
    along the sequence, its gradient summed over the tensor ranks while the weight's gradient is computed."""

    @staticmethod
    def forward(
        context: Any,
        input: torch.Tensor,
        weight: torch.Tensor,
        reduce_input_gradient: bool,
        sequence: bool,
        group: Any,
    ) -> torch.Tensor:
        context.save_for_backward(input, weight)
        context.reduce, context.sequence, context.group = reduce_input_gradient, sequence, group
        context.main_grad = weight.main_grad
        return torch.matmul(_gathered(input, group)[0] if sequence else input, weight.t())

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        input, weight = context.saved_tensors
        handle = None
        if context.sequence:
            whole, handle = _gathered(input, context.group, wait=False)
        else:
            whole = input
        input_gradient = gradient.matmul(weight)
        if handle is not None:
            handle.wait()
        handle = None
        if context.sequence:
            mine = torch.empty_like(input)
            handle = dist.reduce_scatter_tensor(mine, input_gradient, group=context.group, async_op=True)
            input_gradient = mine
        elif context.reduce:
            handle = dist.all_reduce(input_gradient, group=context.group, async_op=True)
        _add_product(context.main_grad, gradient.flatten(0, 1).t(), whole.flatten(0, 1))
        if handle is not None:
            handle.wait()
        return input_gradient, no_gradient(weight), None, None, None


def _add_product(total: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    """total += left · right: fp32 += bf16 · bf16."""
    torch.addmm(total, left, right, out_dtype=torch.float32, out=total)


def _gathered(input: torch.Tensor, group: Any, wait: bool = True) -> tuple[torch.Tensor, Any]:
    whole = input.new_empty(input.size(0) * group.size(), *input.shape[1:])
    handle = dist.all_gather_into_tensor(whole, input.contiguous(), group=group, async_op=not wait)
    return whole, handle


def no_gradient(weight: torch.Tensor) -> torch.Tensor | None:
    """What autograd gets in place of the gradient that is already in the buffer.

    Megatron's hook then adds nothing; it wants a tensor where it watches for gradients to be ready. A tied
    embedding's hook adds what autograd has (``zero_out_wgrad``: the gradient of the look-up), so that gets none.
    """
    weight.grad_added_to_main_grad = True
    return None if getattr(weight, "zero_out_wgrad", False) else torch.empty_like(weight)
