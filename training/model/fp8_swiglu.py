"""Triton kernels that compute SwiGLU and cast to FP8 in one pass, forward and backward.

The product of SwiGLU is needed by the second matrix of the feed-forward layer alone, and its gradient by the
first: what is cast as it is computed never passes through memory in BF16. It is rounded to BF16 in between all
the same, so that the FP8 numbers are those of the separate steps.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

ROWS, COLUMNS = 128, 64
"""A tile, long along the rows, which the transpose writes one after another. A tile of the backward pass, which
holds five of them in registers, has half the rows."""
MEASURE_ROWS, MEASURE_COLUMNS = 32, 128

Casts = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]
"""Values, inverse scale fp32 [1], transposed values where they were asked for."""


@triton.jit
def _measure_kernel(
    gate_and_up: tl.tensor,
    out: tl.tensor,
    rows: tl.tensor,
    width: tl.tensor,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """out[0] = max(out[0], max |silu(gate) · up|)."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (row < rows)[:, None] & (column < width)[None, :]
    start = tl.program_id(0).to(tl.int64) * ROWS * 2 * width + tl.program_id(1) * COLUMNS
    at = tl.arange(0, ROWS)[:, None] * (2 * width) + tl.arange(0, COLUMNS)[None, :]
    gate = tl.load(gate_and_up + start + at, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_and_up + start + width + at, mask=inside, other=0.0).to(tl.float32)
    product = gate * tl.sigmoid(gate) * up
    product = product.to(gate_and_up.dtype.element_ty).to(tl.float32)
    tl.atomic_max(out, tl.max(tl.abs(product)))


@triton.jit
def _cast_kernel(
    gate_and_up: tl.tensor,
    values: tl.tensor,
    transposed: tl.tensor,
    amax: tl.tensor,
    inverse: tl.tensor,
    seen: tl.tensor,
    rows: tl.tensor,
    width: tl.tensor,
    LARGEST: tl.constexpr,
    TRANSPOSE: tl.constexpr,
    TRACK: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """values [rows, width] = silu(gate) · up · (LARGEST / amax) in FP8, and so on as hanji's plain cast."""
    down, across = tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    row = tl.program_id(0) * ROWS + down
    column = tl.program_id(1) * COLUMNS + across
    inside = (row < rows)[:, None] & (column < width)[None, :]
    start = tl.program_id(0).to(tl.int64) * ROWS * 2 * width + tl.program_id(1) * COLUMNS
    at = down[:, None] * (2 * width) + across[None, :]
    gate = tl.load(gate_and_up + start + at, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_and_up + start + width + at, mask=inside, other=0.0).to(tl.float32)
    product = (gate * tl.sigmoid(gate) * up).to(gate_and_up.dtype.element_ty).to(tl.float32)
    largest = tl.load(amax)
    largest = tl.where(largest > 0, tl.maximum(largest, 1e-30), LARGEST)
    if (tl.program_id(0) == 0) & (tl.program_id(1) == 0):
        tl.store(inverse, largest / LARGEST)
    scaled = tl.clamp(product * (LARGEST / largest), -LARGEST, LARGEST, propagate_nan=tl.PropagateNan.ALL)
    narrow = scaled.to(values.dtype.element_ty)
    place = tl.program_id(0).to(tl.int64) * ROWS * width + tl.program_id(1) * COLUMNS
    tl.store(values + place + down[:, None] * width + across[None, :], narrow, mask=inside)
    if TRANSPOSE:
        turned = tl.program_id(1).to(tl.int64) * COLUMNS * rows + tl.program_id(0) * ROWS
        inside_turned = (column < width)[:, None] & (row < rows)[None, :]
        turned_at = across[:, None] * rows + down[None, :]
        tl.store(transposed + turned + turned_at, tl.trans(narrow), mask=inside_turned)
    if TRACK:
        tl.atomic_max(seen, tl.max(tl.abs(product)))


@triton.jit
def _measure_gradient_kernel(
    gate_and_up: tl.tensor,
    gradient: tl.tensor,
    out: tl.tensor,
    rows: tl.tensor,
    width: tl.tensor,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """out[0] = max(out[0], largest magnitude of the gradients of gate and up)."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (row < rows)[:, None] & (column < width)[None, :]
    start = tl.program_id(0).to(tl.int64) * ROWS * 2 * width + tl.program_id(1) * COLUMNS
    at = tl.arange(0, ROWS)[:, None] * (2 * width) + tl.arange(0, COLUMNS)[None, :]
    gate = tl.load(gate_and_up + start + at, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_and_up + start + width + at, mask=inside, other=0.0).to(tl.float32)
    place = tl.program_id(0).to(tl.int64) * ROWS * width + tl.program_id(1) * COLUMNS
    there = tl.arange(0, ROWS)[:, None] * width + tl.arange(0, COLUMNS)[None, :]
    given = tl.load(gradient + place + there, mask=inside, other=0.0).to(tl.float32)
    sigmoid = tl.sigmoid(gate)
    of_gate = given * up * sigmoid * (1.0 + gate * (1.0 - sigmoid))
    of_up = given * gate * sigmoid
    largest = tl.maximum(
        tl.abs(of_gate.to(gate_and_up.dtype.element_ty).to(tl.float32)),
        tl.abs(of_up.to(gate_and_up.dtype.element_ty).to(tl.float32)),
    )
    tl.atomic_max(out, tl.max(largest))


@triton.jit
def _cast_gradient_kernel(
    gate_and_up: tl.tensor,
    gradient: tl.tensor,
    values: tl.tensor,
    transposed: tl.tensor,
    amax: tl.tensor,
    inverse: tl.tensor,
    seen: tl.tensor,
    rows: tl.tensor,
    width: tl.tensor,
    LARGEST: tl.constexpr,
    TRANSPOSE: tl.constexpr,
    TRACK: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """values [rows, 2 · width]: the gradients of gate and up, side by side, in FP8."""
    down, across = tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    row = tl.program_id(0) * ROWS + down
    column = tl.program_id(1) * COLUMNS + across
    inside = (row < rows)[:, None] & (column < width)[None, :]
    start = tl.program_id(0).to(tl.int64) * ROWS * 2 * width + tl.program_id(1) * COLUMNS
    at = down[:, None] * (2 * width) + across[None, :]
    gate = tl.load(gate_and_up + start + at, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_and_up + start + width + at, mask=inside, other=0.0).to(tl.float32)
    place = tl.program_id(0).to(tl.int64) * ROWS * width + tl.program_id(1) * COLUMNS
    there = down[:, None] * width + across[None, :]
    given = tl.load(gradient + place + there, mask=inside, other=0.0).to(tl.float32)
    largest = tl.load(amax)
    largest = tl.where(largest > 0, tl.maximum(largest, 1e-30), LARGEST)
    if (tl.program_id(0) == 0) & (tl.program_id(1) == 0):
        tl.store(inverse, largest / LARGEST)
    scale = LARGEST / largest
    sigmoid = tl.sigmoid(gate)
    inside_turned = (column < width)[:, None] & (row < rows)[None, :]
    turned = tl.program_id(1).to(tl.int64) * COLUMNS * rows + tl.program_id(0) * ROWS
    turned_at = across[:, None] * rows + down[None, :]

    of_gate = given * up * sigmoid * (1.0 + gate * (1.0 - sigmoid))
    of_gate = of_gate.to(gate_and_up.dtype.element_ty).to(tl.float32)
    scaled = tl.clamp(of_gate * scale, -LARGEST, LARGEST, propagate_nan=tl.PropagateNan.ALL)
    narrow = scaled.to(values.dtype.element_ty)
    tl.store(values + start + at, narrow, mask=inside)
    if TRANSPOSE:
        tl.store(transposed + turned + turned_at, tl.trans(narrow), mask=inside_turned)

    of_up = (given * gate * sigmoid).to(gate_and_up.dtype.element_ty).to(tl.float32)
    scaled = tl.clamp(of_up * scale, -LARGEST, LARGEST, propagate_nan=tl.PropagateNan.ALL)
    narrow = scaled.to(values.dtype.element_ty)
    tl.store(values + start + width + at, narrow, mask=inside)
    if TRANSPOSE:
        below = turned + width.to(tl.int64) * rows
        tl.store(transposed + below + turned_at, tl.trans(narrow), mask=inside_turned)
    if TRACK:
        tl.atomic_max(seen, tl.maximum(tl.max(tl.abs(of_gate)), tl.max(tl.abs(of_up))))


def measure(gate_and_up: torch.Tensor) -> torch.Tensor:
    """Largest magnitude of silu(gate) · up, fp32 [1], for ``gate_and_up`` [t, 2f], contiguous."""
    rows, width = gate_and_up.shape[0], gate_and_up.shape[1] // 2
    out = torch.zeros(1, dtype=torch.float32, device=gate_and_up.device)
    grid = (triton.cdiv(rows, MEASURE_ROWS), triton.cdiv(width, MEASURE_COLUMNS))
    _measure_kernel[grid](
        gate_and_up, out, rows, width, ROWS=MEASURE_ROWS, COLUMNS=MEASURE_COLUMNS, num_warps=4
    )
    return out


def cast(
    gate_and_up: torch.Tensor,
    largest: torch.Tensor,
    dtype: torch.dtype,
    *,
    transpose: bool,
    seen: torch.Tensor | None,
) -> Casts:
    """silu(gate) · up [t, f] in FP8 by one scale; arguments as hanji.training.model.fp8_kernels.cast."""
    rows, width = gate_and_up.shape[0], gate_and_up.shape[1] // 2
    values = torch.empty((rows, width), dtype=dtype, device=gate_and_up.device)
    turned = torch.empty((width, rows), dtype=dtype, device=gate_and_up.device) if transpose else values
    inverse = torch.empty(1, dtype=torch.float32, device=gate_and_up.device)
    _cast_kernel[triton.cdiv(rows, ROWS), triton.cdiv(width, COLUMNS)](
        gate_and_up,
        values,
        turned,
        largest,
        inverse,
        inverse if seen is None else seen,
        rows,
        width,
        LARGEST=torch.finfo(dtype).max,
        TRANSPOSE=transpose,
        TRACK=seen is not None,
        ROWS=ROWS,
        COLUMNS=COLUMNS,
        num_warps=8,
    )
    return values, inverse, turned if transpose else None


def measure_gradient(gate_and_up: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Largest magnitude of the gradient of ``gate_and_up`` for that of the product [t, f], fp32 [1]."""
    rows, width = gradient.shape
    out = torch.zeros(1, dtype=torch.float32, device=gradient.device)
    grid = (triton.cdiv(rows, MEASURE_ROWS), triton.cdiv(width, MEASURE_COLUMNS))
    _measure_gradient_kernel[grid](
        gate_and_up, gradient, out, rows, width, ROWS=MEASURE_ROWS, COLUMNS=MEASURE_COLUMNS, num_warps=4
    )
    return out


def cast_gradient(
    gate_and_up: torch.Tensor,
    gradient: torch.Tensor,
    largest: torch.Tensor,
    dtype: torch.dtype,
    *,
    transpose: bool,
    seen: torch.Tensor | None,
) -> Casts:
    """The gradient of ``gate_and_up`` [t, 2f] in FP8, for that of the product [t, f]."""
    rows, width = gradient.shape
    values = torch.empty((rows, 2 * width), dtype=dtype, device=gradient.device)
    turned = torch.empty((2 * width, rows), dtype=dtype, device=gradient.device) if transpose else values
    inverse = torch.empty(1, dtype=torch.float32, device=gradient.device)
    _cast_gradient_kernel[triton.cdiv(rows, ROWS // 2), triton.cdiv(width, COLUMNS)](
        gate_and_up,
        gradient,
        values,
        turned,
        largest,
        inverse,
        inverse if seen is None else seen,
        rows,
        width,
        LARGEST=torch.finfo(dtype).max,
        TRANSPOSE=transpose,
        TRACK=seen is not None,
        ROWS=ROWS // 2,
        COLUMNS=COLUMNS,
        num_warps=8,
    )
    return values, inverse, turned if transpose else None
