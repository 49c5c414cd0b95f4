"""Triton kernels that cast to FP8 and transpose in one pass over a matrix.

Hopper's FP8 matrix product wants both operands contiguous along the dimension that is summed over, and the
three products of a linear layer sum over three different ones, so that activations, weights and gradients are
each needed as they are and transposed. A cast that writes both from one read moves four bytes an element
(two read, one and one written); separate casts and copies move twice that.

Imported where Triton is used alone: on CUDA, and in tests by Triton's interpreter.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

TILE = 128
"""Rows and columns of a tile; also the block of the blockwise recipe."""
_AMAX_BLOCK = 4096
_AMAX_ROUNDS = 8
_ADD_BLOCK = 2048


@triton.jit
def _amax_kernel(
    x: tl.tensor, out: tl.tensor, count: tl.tensor, BLOCK: tl.constexpr, ROUNDS: tl.constexpr
) -> None:
    """out[0] = max(out[0], max |x|); out must start at a value ≥ 0."""
    start = tl.program_id(0).to(tl.int64) * BLOCK * ROUNDS
    largest = tl.zeros([BLOCK], tl.float32)
    for turn in range(ROUNDS):
        at = start + turn * BLOCK + tl.arange(0, BLOCK)
        values = tl.load(x + at, mask=at < count, other=0.0).to(tl.float32)
        largest = tl.maximum(largest, tl.abs(values))
    tl.atomic_max(out, tl.max(largest, axis=0))


@triton.jit
def _cast_kernel(
    x: tl.tensor,
    values: tl.tensor,
    transposed: tl.tensor,
    amax: tl.tensor,
    inverse: tl.tensor,
    seen: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    LARGEST: tl.constexpr,
    TRANSPOSE: tl.constexpr,
    TRACK: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """values = x·(LARGEST / amax) in FP8, transposed = valuesᵀ, inverse = amax / LARGEST.

    TRACK: seen[0] = max(seen[0], max |x|), for delayed scaling.
    """
    across = tl.arange(0, TILE)
    row = tl.program_id(0) * TILE + across
    column = tl.program_id(1) * TILE + across
    inside = (row < rows)[:, None] & (column < columns)[None, :]
    # 64 bits for the tile's place, 32 within it: half the registers.
    start = tl.program_id(0).to(tl.int64) * TILE * columns + tl.program_id(1) * TILE
    at = across[:, None] * columns + across[None, :]
    tile = tl.load(x + start + at, mask=inside, other=0.0).to(tl.float32)
    largest = tl.load(amax)
    largest = tl.where(largest > 0, tl.maximum(largest, 1e-30), LARGEST)
    if (tl.program_id(0) == 0) & (tl.program_id(1) == 0):
        tl.store(inverse, largest / LARGEST)
    scaled = tl.clamp(tile * (LARGEST / largest), -LARGEST, LARGEST, propagate_nan=tl.PropagateNan.ALL)
    narrow = scaled.to(values.dtype.element_ty)
    tl.store(values + start + at, narrow, mask=inside)
    if TRANSPOSE:
        turned = tl.program_id(1).to(tl.int64) * TILE * rows + tl.program_id(0) * TILE
        turned_at = across[:, None] * rows + across[None, :]
        inside_turned = (column < columns)[:, None] & (row < rows)[None, :]
        tl.store(transposed + turned + turned_at, tl.trans(narrow), mask=inside_turned)
    if TRACK:
        tl.atomic_max(seen, tl.max(tl.abs(tile)))


@triton.jit
def _cast_rows_kernel(
    x: tl.tensor,
    values: tl.tensor,
    scales: tl.tensor,
    transposed: tl.tensor,
    transposed_scales: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    LARGEST: tl.constexpr,
    TRANSPOSE: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Scales of 1 × 128: values along rows, transposed along columns, each with scales of its own.

    scales: storage [columns / 128, rows]; transposed_scales: storage [rows / 128, columns].
    """
    across = tl.arange(0, TILE)
    row = tl.program_id(0) * TILE + across
    column = tl.program_id(1) * TILE + across
    inside = (row < rows)[:, None] & (column < columns)[None, :]
    # 64 bits for the tile's place, 32 within it: half the registers.
    start = tl.program_id(0).to(tl.int64) * TILE * columns + tl.program_id(1) * TILE
    at = across[:, None] * columns + across[None, :]
    tile = tl.load(x + start + at, mask=inside, other=0.0).to(tl.float32)
    largest = tl.max(tl.abs(tile), axis=1)
    largest = tl.where(largest > 0, tl.maximum(largest, 1e-30), LARGEST)
    tl.store(scales + tl.program_id(1) * rows + row, largest / LARGEST, mask=row < rows)
    scaled = tl.clamp(
        tile * (LARGEST / largest)[:, None], -LARGEST, LARGEST, propagate_nan=tl.PropagateNan.ALL
    )
    tl.store(values + start + at, scaled.to(values.dtype.element_ty), mask=inside)
    if TRANSPOSE:
        down = tl.max(tl.abs(tile), axis=0)
        down = tl.where(down > 0, tl.maximum(down, 1e-30), LARGEST)
        place = transposed_scales + tl.program_id(0) * columns + column
        tl.store(place, down / LARGEST, mask=column < columns)
        scaled = tl.clamp(
            tile * (LARGEST / down)[None, :], -LARGEST, LARGEST, propagate_nan=tl.PropagateNan.ALL
        )
        turned = tl.program_id(1).to(tl.int64) * TILE * rows + tl.program_id(0) * TILE
        turned_at = across[:, None] * rows + across[None, :]
        inside_turned = (column < columns)[:, None] & (row < rows)[None, :]
        tl.store(
            transposed + turned + turned_at,
            tl.trans(scaled.to(transposed.dtype.element_ty)),
            mask=inside_turned,
        )


@triton.jit
def _cast_blocks_kernel(
    x: tl.tensor,
    values: tl.tensor,
    scales: tl.tensor,
    transposed: tl.tensor,
    transposed_scales: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    stride: tl.tensor,
    transposed_stride: tl.tensor,
    LARGEST: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Scales of 128 × 128, for weights: storage [rows / 128, stride] and [columns / 128, transposed_stride]."""
    across = tl.arange(0, TILE)
    row = tl.program_id(0) * TILE + across
    column = tl.program_id(1) * TILE + across
    inside = (row < rows)[:, None] & (column < columns)[None, :]
    # 64 bits for the tile's place, 32 within it: half the registers.
    start = tl.program_id(0).to(tl.int64) * TILE * columns + tl.program_id(1) * TILE
    at = across[:, None] * columns + across[None, :]
    tile = tl.load(x + start + at, mask=inside, other=0.0).to(tl.float32)
    largest = tl.max(tl.abs(tile))
    largest = tl.where(largest > 0, tl.maximum(largest, 1e-30), LARGEST)
    tl.store(scales + tl.program_id(0) * stride + tl.program_id(1), largest / LARGEST)
    place = transposed_scales + tl.program_id(1) * transposed_stride + tl.program_id(0)
    tl.store(place, largest / LARGEST)
    scaled = tl.clamp(tile * (LARGEST / largest), -LARGEST, LARGEST, propagate_nan=tl.PropagateNan.ALL)
    narrow = scaled.to(values.dtype.element_ty)
    tl.store(values + start + at, narrow, mask=inside)
    turned = tl.program_id(1).to(tl.int64) * TILE * rows + tl.program_id(0) * TILE
    turned_at = across[:, None] * rows + across[None, :]
    inside_turned = (column < columns)[:, None] & (row < rows)[None, :]
    tl.store(transposed + turned + turned_at, tl.trans(narrow), mask=inside_turned)


@triton.jit
def _add_kernel(total: tl.tensor, x: tl.tensor, count: tl.tensor, BLOCK: tl.constexpr) -> None:
    """total += x."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    values = tl.load(total + at, mask=inside, other=0.0)
    tl.store(total + at, values + tl.load(x + at, mask=inside, other=0.0).to(tl.float32), mask=inside)


def add(total: torch.Tensor, x: torch.Tensor) -> None:
    """total += x in place, for a contiguous fp32 ``total`` and a contiguous bf16 ``x`` of its size.

    torch's own kernel for two types moves the same bytes in 1.6 times the time.
    """
    assert total.is_contiguous() and x.is_contiguous() and total.dtype == torch.float32
    _add_kernel[(triton.cdiv(x.numel(), _ADD_BLOCK),)](total, x, x.numel(), BLOCK=_ADD_BLOCK, num_warps=4)


def amax(x: torch.Tensor) -> torch.Tensor:
    """Largest magnitude of a contiguous tensor, fp32 [1]."""
    out = torch.zeros(1, dtype=torch.float32, device=x.device)
    grid = (triton.cdiv(x.numel(), _AMAX_BLOCK * _AMAX_ROUNDS),)
    _amax_kernel[grid](x, out, x.numel(), BLOCK=_AMAX_BLOCK, ROUNDS=_AMAX_ROUNDS, num_warps=8)
    return out


def cast(
    x: torch.Tensor,
    largest: torch.Tensor,
    dtype: torch.dtype,
    *,
    transpose: bool,
    seen: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """One scale for the whole matrix [r, c]: (values, inverse scale fp32 [1], transposed [c, r] or None).

    ``largest`` [1] is what the largest FP8 number stands for; ``seen`` [1] is raised to max |x|.
    """
    rows, columns = x.shape
    values = torch.empty((rows, columns), dtype=dtype, device=x.device)
    transposed = torch.empty((columns, rows), dtype=dtype, device=x.device) if transpose else values
    inverse = torch.empty(1, dtype=torch.float32, device=x.device)
    _cast_kernel[_tiles(rows, columns)](
        x,
        values,
        transposed,
        largest,
        inverse,
        inverse if seen is None else seen,
        rows,
        columns,
        LARGEST=torch.finfo(dtype).max,
        TRANSPOSE=transpose,
        TRACK=seen is not None,
        TILE=TILE,
        num_warps=8,
    )
    return values, inverse, transposed if transpose else None


def cast_rows(
    x: torch.Tensor, dtype: torch.dtype, *, transpose: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """A scale for every 1 × 128: (values, scales [r, c/128], transposed, its scales [c, r/128])."""
    rows, columns = x.shape
    values = torch.empty((rows, columns), dtype=dtype, device=x.device)
    scales = torch.empty((triton.cdiv(columns, TILE), rows), dtype=torch.float32, device=x.device)
    turned = torch.empty((columns, rows), dtype=dtype, device=x.device) if transpose else values
    turned_scales = scales
    if transpose:
        turned_scales = torch.empty((triton.cdiv(rows, TILE), columns), dtype=torch.float32, device=x.device)
    _cast_rows_kernel[_tiles(rows, columns)](
        x,
        values,
        scales,
        turned,
        turned_scales,
        rows,
        columns,
        LARGEST=torch.finfo(dtype).max,
        TRANSPOSE=transpose,
        TILE=TILE,
        num_warps=8,
    )
    if not transpose:
        return values, scales.t(), None, None
    return values, scales.t(), turned, turned_scales.t()


def cast_blocks(
    x: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A scale for every 128 × 128: (values, scales [L4(c/128), r/128], transposed, its scales).

    The first dimension of the scales is padded to a multiple of four, as cuBLASLt wants it.
    """
    rows, columns = x.shape
    down, across = triton.cdiv(rows, TILE), triton.cdiv(columns, TILE)
    values = torch.empty((rows, columns), dtype=dtype, device=x.device)
    turned = torch.empty((columns, rows), dtype=dtype, device=x.device)
    scales = torch.zeros((down, -(-across // 4) * 4), dtype=torch.float32, device=x.device)
    turned_scales = torch.zeros((across, -(-down // 4) * 4), dtype=torch.float32, device=x.device)
    _cast_blocks_kernel[_tiles(rows, columns)](
        x,
        values,
        scales,
        turned,
        turned_scales,
        rows,
        columns,
        scales.stride(0),
        turned_scales.stride(0),
        LARGEST=torch.finfo(dtype).max,
        TILE=TILE,
        num_warps=8,
    )
    return values, scales.t(), turned, turned_scales.t()


def _tiles(rows: int, columns: int) -> tuple[int, int]:
    return triton.cdiv(rows, TILE), triton.cdiv(columns, TILE)
