"""The feed-forward layer in FP8 as one operation: what lies between its two matrices is cast as it is computed."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist

from hanji.training.model.fp8_linear import Fp8Linear
from hanji.training.model.fp8_products import deliver, start_gather, start_scatter


class Fp8FeedForwardProduct(torch.autograd.Function):  # type: ignore[misc]
    """y [s, b, n] = swiglu(x [s, b, k] · firstᵀ) · secondᵀ, each rank its part of the inner features.

    Communication is that of a column-parallel matrix before it; the sum over the ranks after it is the caller's.
    ``first`` [2f, k] holds gate and up, ``second`` is [n, f].
    """

    @staticmethod
    def forward(
        context: Any,
        x: torch.Tensor,
        first: torch.Tensor,
        second: torch.Tensor,
        fp8: tuple[Fp8Linear, Fp8Linear],
        reduce_gradient: bool,
        sequence: bool,
        group: dist.ProcessGroup,
        training: bool,
    ) -> torch.Tensor:
        whole = x
        if sequence:
            whole, gathering = start_gather(x, group)
            gathering.wait()
        cast = fp8[0].input(whole.reshape(-1, whole.shape[-1]), group, transpose=training and not sequence)
        weights = fp8[0].weight(first, group), fp8[1].weight(second, group)
        gate_and_up = fp8[0].forward_product(cast.plain, weights[0].plain, x.dtype)
        activated = fp8[1].swiglu(gate_and_up, group, transpose=training)
        context.fp8, context.reduce, context.sequence, context.group = fp8, reduce_gradient, sequence, group
        context.parameters, context.weights = (first, second), weights
        context.turned, context.activated = cast.turned, activated.turned
        context.save_for_backward(gate_and_up, x if sequence else None)
        result = fp8[1].forward_product(activated.plain, weights[1].plain, x.dtype)
        return result.view(*whole.shape[:-1], second.shape[0])

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        first, second = context.fp8
        group = context.group
        gate_and_up, part = context.saved_tensors
        whole, handle = start_gather(part, group) if context.sequence else (None, None)
        wanted = context.needs_input_grad[1], context.needs_input_grad[2]

        cast = second.gradient(gradient.reshape(-1, gradient.shape[-1]), group, transpose=wanted[1])
        inner = second.gradient_product(cast.plain, context.weights[1].turned, gate_and_up.dtype)
        second_gradient = None
        if wanted[1]:
            product = second.gradient_product(cast.turned, context.activated, gate_and_up.dtype)
            second_gradient = deliver(context.parameters[1], product)
        context.activated = None

        cast = first.swiglu_gradient(gate_and_up, inner, group, transpose=wanted[0])
        x_gradient = first.gradient_product(cast.plain, context.weights[0].turned, gate_and_up.dtype)
        x_gradient = x_gradient.view(*gradient.shape[:-1], context.parameters[0].shape[1])
        if handle is not None:
            handle.wait()
            handle = None
        if context.sequence:
            x_gradient, handle = start_scatter(x_gradient, group)
        elif context.reduce:
            handle = dist.all_reduce(x_gradient, group=group, async_op=True)
        first_gradient = None
        if wanted[0]:
            turned = context.turned
            if whole is not None:
                turned = first.input(whole.reshape(-1, whole.shape[-1]), group, transpose=True).turned
            product = first.gradient_product(cast.turned, turned, gate_and_up.dtype)
            first_gradient = deliver(context.parameters[0], product)
        if handle is not None:
            handle.wait()
        return x_gradient, first_gradient, second_gradient, None, None, None, None, None
