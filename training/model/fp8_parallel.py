"""Megatron's column- and row-parallel matrices with all three of their products in FP8.

Same parameters, checkpoint keys and communication as Megatron's (sequence parallelism gathers the input and
scatters its gradient, tensor parallelism sums the gradient, each overlapped with a product); only what is
multiplied differs. For the backward pass the input is kept in FP8, at half the memory of BF16.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from megatron.core.tensor_parallel.layers import ColumnParallelLinear, RowParallelLinear
from megatron.core.tensor_parallel.mappings import (
    reduce_from_tensor_model_parallel_region,
    reduce_scatter_to_sequence_parallel_region,
)

from hanji.training.model.fp8_check import Recipe
from hanji.training.model.fp8_feed_forward import Fp8FeedForwardProduct
from hanji.training.model.fp8_linear import Fp8Linear
from hanji.training.model.fp8_products import deliver, start_gather, start_scatter


class _Fp8Product(torch.autograd.Function):  # type: ignore[misc]
    """y [s, b, n] = x [s, b, k] · weightᵀ, with Megatron's communication around it."""

    @staticmethod
    def forward(
        context: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        fp8: Fp8Linear,
        reduce_gradient: bool,
        sequence: bool,
        group: dist.ProcessGroup,
        training: bool,
    ) -> torch.Tensor:
        context.fp8, context.reduce, context.sequence, context.group = fp8, reduce_gradient, sequence, group
        context.dtype, context.shape = x.dtype, weight.shape
        whole = x
        if sequence:
            whole, gathering = start_gather(x, group)
            gathering.wait()
        # With sequence parallelism a rank keeps its own part alone and gathers once more in the backward pass.
        cast = fp8.input(whole.reshape(-1, whole.shape[-1]), group, transpose=training and not sequence)
        context.parameter, context.weight = weight, fp8.weight(weight, group)
        context.turned = cast.turned
        context.save_for_backward(x if sequence else None)
        result = fp8.forward_product(cast.plain, context.weight.plain, x.dtype)
        return result.view(*whole.shape[:-1], weight.shape[0])

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        fp8, group = context.fp8, context.group
        (part,) = context.saved_tensors
        whole, handle = start_gather(part, group) if context.sequence else (None, None)
        cast = fp8.gradient(
            gradient.reshape(-1, gradient.shape[-1]), group, transpose=context.needs_input_grad[1]
        )
        x_gradient = fp8.gradient_product(cast.plain, context.weight.turned, context.dtype)
        x_gradient = x_gradient.view(*gradient.shape[:-1], context.shape[1])
        if handle is not None:
            handle.wait()
            handle = None
        if context.sequence:
            x_gradient, handle = start_scatter(x_gradient, group)
        elif context.reduce:
            handle = dist.all_reduce(x_gradient, group=group, async_op=True)
        w_gradient = None
        if context.needs_input_grad[1]:
            turned = context.turned
            if whole is not None:
                turned = fp8.input(whole.reshape(-1, whole.shape[-1]), group, transpose=True).turned
            product = fp8.gradient_product(cast.turned, turned, context.dtype)
            w_gradient = deliver(context.parameter, product)
        if handle is not None:
            handle.wait()
        return x_gradient, w_gradient, None, None, None, None, None


class Fp8Aware:
    """Mixed into Megatron's classes: ``fp8`` is how this matrix is computed."""

    recipe: Recipe = "tensorwise"
    fast_gradients = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fp8 = Fp8Linear(self.recipe, fast_gradients=self.fast_gradients)

    def get_extra_state(self) -> torch.Tensor | None:
        """Delayed scaling's history, fp32 [steps, 3] on the CPU, for the checkpoint; None without one."""
        history = self.fp8.history
        return None if history is None else history.cpu().clone()

    def set_extra_state(self, state: torch.Tensor | None) -> None:
        """Go on with the history of a checkpoint; one without leaves this as it is."""
        if state is not None:
            self.fp8.recall(state, self.weight.device)  # type: ignore[attr-defined]

    def _forward_impl(
        self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, **options: Any
    ) -> torch.Tensor:
        """Stands for Megatron's method of this name: the product, and its communication, without the rest."""
        result: torch.Tensor
        if not self.fp8.enabled:
            result = super()._forward_impl(input=input, weight=weight, bias=bias, **options)  # type: ignore[misc]
            return result
        result = _Fp8Product.apply(
            input,
            weight,
            self.fp8,
            options["allreduce_dgrad"],
            options["sequence_parallel"],
            self.tp_group,  # type: ignore[attr-defined]
            torch.is_grad_enabled() and weight.requires_grad,
        )
        return result if bias is None else result + bias


class Fp8ColumnParallelLinear(Fp8Aware, ColumnParallelLinear):  # type: ignore[misc]
    """Megatron's ColumnParallelLinear in FP8."""

    def with_swiglu(self, x: torch.Tensor, second: Fp8RowParallelLinear) -> torch.Tensor | None:
        """This matrix, SwiGLU and ``second`` as one operation on x [s, b, k]; None while FP8 is switched off."""
        if not (self.fp8.enabled and second.fp8.enabled):
            return None
        result = Fp8FeedForwardProduct.apply(
            x,
            self.weight,
            second.weight,
            (self.fp8, second.fp8),
            self.allreduce_dgrad,
            self.sequence_parallel,
            self.tp_group,
            torch.is_grad_enabled() and self.weight.requires_grad,
        )
        if second.sequence_parallel:
            return reduce_scatter_to_sequence_parallel_region(result, group=second.tp_group)
        return reduce_from_tensor_model_parallel_region(result, group=second.tp_group)


class Fp8RowParallelLinear(Fp8Aware, RowParallelLinear):  # type: ignore[misc]
    """Megatron's RowParallelLinear in FP8."""
