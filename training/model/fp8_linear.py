"""How one linear layer is computed in FP8: scales, cached weights, the history of delayed scaling.

Recipes (named as Transformer Engine names them):

- *tensorwise*: one scale a tensor, from its own largest magnitude;
- *delayed*: one scale a tensor, from the largest magnitude of up to 1024 earlier optimizer steps, so that the
  cast need not wait for a pass over the tensor. The first step, without history, scales by its own;
- *blockwise*: scales of 1 × 128 and 128 × 128 numbers.

Activations and weights are E4M3, gradients E5M2 ("hybrid"), or E4M3 in blocks. Under tensor parallelism the
largest magnitude is that of the whole tensor, over all ranks that share it, so that a layout changes nothing in
what the numbers are rounded to; blocks are those of the whole where a rank's part is a multiple of 128 wide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.distributed as dist

from hanji.training.model.activation import fused_swiglu
from hanji.training.model.fp8_cast import (
    E4M3,
    E5M2,
    Matrix,
    Pair,
    amax,
    cast,
    cast_blocks,
    cast_rows,
    pair_of,
    product,
    underflow,
    use_triton,
)
from hanji.training.model.fp8_check import Recipe

HISTORY = 1024
"""Optimizer steps that delayed scaling looks back on (Transformer Engine's default)."""
ROLES = ("input", "weight", "gradient")


@dataclass(frozen=True)
class Observation:
    """What a cast did to one tensor: largest magnitude, and share of the numbers that became zero."""

    role: str
    amax: torch.Tensor
    underflow: torch.Tensor


Observer = Callable[[Observation], None]


class Fp8Linear:
    """The FP8 state of one linear layer. Its methods take and give matrices [tokens, features]."""

    def __init__(self, recipe: Recipe, *, fast_gradients: bool = False) -> None:
        self.recipe = recipe
        self.fast_gradients = fast_gradients
        self.enabled = True
        self.reuse_weight = False
        self.observer: Observer | None = None
        self.seen: torch.Tensor | None = None
        """Delayed scaling: largest magnitudes of this step so far, by role, fp32 [3]."""
        self.history: torch.Tensor | None = None
        """Delayed scaling: largest magnitudes of earlier steps, newest first, fp32 [steps, 3]."""
        self.largest: torch.Tensor | None = None
        """Delayed scaling: the largest of the history by role, fp32 [3]."""
        self._weight: Pair | None = None

    @property
    def gradient_format(self) -> torch.dtype:
        return E4M3 if self.recipe == "blockwise" else E5M2

    def input(self, x: torch.Tensor, group: dist.ProcessGroup | None, *, transpose: bool) -> Pair:
        """Cast activations [t, k]."""
        return self._cast(x, "input", E4M3, group, transpose=transpose)

    def gradient(self, x: torch.Tensor, group: dist.ProcessGroup | None, *, transpose: bool) -> Pair:
        """Cast the gradient of the output [t, n]."""
        return self._cast(x, "gradient", self.gradient_format, group, transpose=transpose)

    def weight(self, weight: torch.Tensor, group: dist.ProcessGroup | None) -> Pair:
        """Cast a weight [n, k], or give the cast of an earlier micro-batch of the same step."""
        if self._weight is not None and self.reuse_weight:
            return self._weight
        detached = weight.detach()
        if self.recipe == "blockwise":
            pair = cast_blocks(detached, E4M3)
            self._observe(detached, "weight", pair.plain)
        else:
            pair = self._cast(detached, "weight", E4M3, group, transpose=True)
        self._weight = pair if self.reuse_weight else None
        return pair

    def forward_product(self, x: Matrix, weight: Matrix, dtype: torch.dtype) -> torch.Tensor:
        """y [t, n] = x [t, k] · weightᵀ [k, n]."""
        return product(x, weight, dtype, fast=True)

    def gradient_product(self, a: Matrix, b: Matrix, dtype: torch.dtype) -> torch.Tensor:
        """The products of the backward pass, a · bᵀ, summed in fp32 unless ``fast_gradients``."""
        return product(a, b, dtype, fast=self.fast_gradients)

    def forget_weight(self) -> None:
        """Drop the cached cast; the weight is about to change."""
        self._weight = None

    def advance(self, seen: torch.Tensor) -> None:
        """Delayed scaling: a step is over; ``seen`` [3] are its largest magnitudes over all ranks."""
        past = seen.unsqueeze(0)
        self.history = past if self.history is None else torch.cat([past, self.history])[:HISTORY]
        self.largest = self.history.amax(dim=0)
        self.seen = torch.zeros_like(seen)

    def recall(self, history: torch.Tensor, device: torch.device) -> None:
        """Delayed scaling: go on with a history of earlier steps [steps, 3]. The other recipes have none."""
        if self.recipe == "delayed":
            self.history = history.to(device, torch.float32)
            self.largest = self.history.amax(dim=0)
            self.seen = torch.zeros(len(ROLES), dtype=torch.float32, device=device)

    def swiglu(self, gate_and_up: torch.Tensor, group: dist.ProcessGroup | None, *, transpose: bool) -> Pair:
        """Cast the activations silu(gate) · up [t, k] of ``gate_and_up`` [t, 2k]."""
        if not self._joins(gate_and_up):
            return self.input(fused_swiglu(gate_and_up), group, transpose=transpose)
        from hanji.training.model import fp8_swiglu

        return self._scaled(
            "input",
            gate_and_up.device,
            group,
            lambda: fp8_swiglu.measure(gate_and_up),
            lambda largest, seen: pair_of(
                *fp8_swiglu.cast(gate_and_up, largest, E4M3, transpose=transpose, seen=seen)
            ),
        )

    def swiglu_gradient(
        self,
        gate_and_up: torch.Tensor,
        gradient: torch.Tensor,
        group: dist.ProcessGroup | None,
        *,
        transpose: bool,
    ) -> Pair:
        """Cast the gradient of this layer's output ``gate_and_up`` [t, 2k] for that of silu(gate) · up [t, k]."""
        if not self._joins(gate_and_up):
            given = swiglu_backward(gate_and_up, gradient)
            return self.gradient(given, group, transpose=transpose)
        from hanji.training.model import fp8_swiglu

        return self._scaled(
            "gradient",
            gradient.device,
            group,
            lambda: fp8_swiglu.measure_gradient(gate_and_up, gradient),
            lambda largest, seen: pair_of(
                *fp8_swiglu.cast_gradient(
                    gate_and_up, gradient, largest, self.gradient_format, transpose=transpose, seen=seen
                )
            ),
        )

    def _joins(self, x: torch.Tensor) -> bool:
        """Whether SwiGLU and cast are one kernel: with a scale a tensor, and when nobody looks in between."""
        return use_triton(x) and self.recipe != "blockwise" and self.observer is None

    def _cast(
        self,
        x: torch.Tensor,
        role: str,
        dtype: torch.dtype,
        group: dist.ProcessGroup | None,
        *,
        transpose: bool,
    ) -> Pair:
        x = x.detach().contiguous()
        if self.recipe == "blockwise":
            pair = cast_rows(x, dtype, transpose=transpose)
        else:
            pair = self._scaled(
                role,
                x.device,
                group,
                lambda: amax(x),
                lambda largest, seen: cast(x, largest, dtype, transpose=transpose, seen=seen),
            )
        self._observe(x, role, pair.plain)
        return pair

    def _scaled(
        self,
        role: str,
        device: torch.device,
        group: dist.ProcessGroup | None,
        measure: Callable[[], torch.Tensor],
        narrow: Callable[[torch.Tensor, torch.Tensor | None], Pair],
    ) -> Pair:
        """One scale: ``measure`` finds the largest magnitude, ``narrow`` casts by one, noting what it sees."""
        if self.recipe == "tensorwise":
            return narrow(_over_ranks(measure(), group), None)
        place = ROLES.index(role)
        if self.seen is None:
            self.seen = torch.zeros(len(ROLES), dtype=torch.float32, device=device)
        seen = self.seen[place : place + 1]
        if self.largest is not None:
            return narrow(self.largest[place : place + 1], seen)
        largest = _over_ranks(measure(), group)
        torch.maximum(seen, largest, out=seen)
        return narrow(largest, None)

    def _observe(self, x: torch.Tensor, role: str, matrix: Matrix) -> None:
        if self.observer is not None:
            self.observer(Observation(role, amax(x.contiguous()), underflow(x, matrix)))


def swiglu_backward(gate_and_up: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """The gradient of ``gate_and_up`` [t, 2k] for that of SwiGLU's product [t, k], in its dtype."""
    with torch.enable_grad():
        leaf = gate_and_up.detach().requires_grad_()
        (result,) = torch.autograd.grad(fused_swiglu(leaf), leaf, gradient)
    found: torch.Tensor = result
    return found


def _over_ranks(largest: torch.Tensor, group: dist.ProcessGroup | None) -> torch.Tensor:
    if group is not None and group.size() > 1:
        dist.all_reduce(largest, dist.ReduceOp.MAX, group=group)
    return largest
