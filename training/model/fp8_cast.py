"""Matrices in FP8: casts with one scale, with blocks of scales, and the products of two of them.

On CUDA the casts are Triton kernels and the products Hopper's FP8 matrix units (``torch._scaled_mm``). On a
CPU the same numbers are made by torch's own casts, and a product multiplies what the numbers stand for in
fp32, so that everything that FP8 does to a model can be tested without a GPU.

Scales are inverse ones: number × scale = value. Formats (Micikevicius et al. 2022, arXiv 2209.05433): E4M3 up
to 448, E5M2 up to 57,344. Blocks as DeepSeek-V3 has them (arXiv 2412.19437, section 3.3): 1 × 128 for
activations and gradients, 128 × 128 for weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

BLOCK = 128
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
Grain = Literal["tensor", "rows", "blocks"]
"""What shares a scale: the whole matrix, 1 × 128 numbers, or 128 × 128."""


@dataclass(frozen=True)
class Matrix:
    """FP8 numbers [r, c], contiguous, with fp32 scales.

    ``scales``: [1] for grain tensor; [r, ⌈c/128⌉] for rows, stored column by column; for blocks
    [⌈c/128⌉ rounded up to a multiple of 4, ⌈r/128⌉], stored column by column (cuBLASLt's layouts).
    """

    values: torch.Tensor
    scales: torch.Tensor
    grain: Grain

    def wide(self) -> torch.Tensor:
        """What the numbers stand for, fp32 [r, c]."""
        wide = self.values.float()
        rows, columns = wide.shape
        if self.grain == "tensor":
            return wide * self.scales
        if self.grain == "rows":
            return wide * self.scales.repeat_interleave(BLOCK, 1)[:, :columns]
        across = -(-columns // BLOCK)
        by_block = self.scales[:across].t()
        return wide * by_block.repeat_interleave(BLOCK, 0)[:rows].repeat_interleave(BLOCK, 1)[:, :columns]


@dataclass(frozen=True)
class Pair:
    """A matrix [r, c] and its transpose [c, r], both contiguous; the transpose only where it was asked for."""

    plain: Matrix
    turned: Matrix | None


def use_triton(x: torch.Tensor) -> bool:
    """Whether the casts of this tensor are Triton kernels."""
    return bool(x.is_cuda)


def amax(x: torch.Tensor) -> torch.Tensor:
    """Largest magnitude, fp32 [1]."""
    if use_triton(x):
        from hanji.training.model import fp8_kernels

        return fp8_kernels.amax(x)
    return x.detach().abs().amax().float().reshape(1)


def cast(
    x: torch.Tensor,
    largest: torch.Tensor,
    dtype: torch.dtype,
    *,
    transpose: bool,
    seen: torch.Tensor | None = None,
) -> Pair:
    """One scale, by which ``largest`` (fp32 [1]) becomes the largest FP8 number; what is larger is cut to it.

    ``seen`` (fp32 [1]) is raised in place to the largest magnitude of ``x`` [r, c].
    """
    if use_triton(x):
        from hanji.training.model import fp8_kernels

        return pair_of(*fp8_kernels.cast(x, largest, dtype, transpose=transpose, seen=seen))
    top = torch.finfo(dtype).max
    if seen is not None:
        torch.maximum(seen, amax(x), out=seen)
    largest = torch.where(largest > 0, largest.clamp(min=1e-30), top)
    values = _narrow(x.float() * (top / largest), dtype)
    return pair_of(values, largest / top, values.t().contiguous() if transpose else None)


def pair_of(values: torch.Tensor, inverse: torch.Tensor, turned: torch.Tensor | None) -> Pair:
    """A pair with one scale, fp32 [1]."""
    plain = Matrix(values, inverse, "tensor")
    return Pair(plain, None if turned is None else Matrix(turned, inverse, "tensor"))


def cast_rows(x: torch.Tensor, dtype: torch.dtype, *, transpose: bool) -> Pair:
    """Scales of 1 × 128 along each row; the transpose is cast anew, along what were columns."""
    if use_triton(x):
        from hanji.training.model import fp8_kernels

        values, scales, turned, turned_scales = fp8_kernels.cast_rows(x, dtype, transpose=transpose)
        plain = Matrix(values, scales, "rows")
        if turned is None or turned_scales is None:
            return Pair(plain, None)
        return Pair(plain, Matrix(turned, turned_scales, "rows"))
    return Pair(_cast_rows(x, dtype), _cast_rows(x.t(), dtype) if transpose else None)


def cast_blocks(x: torch.Tensor, dtype: torch.dtype) -> Pair:
    """Scales of 128 × 128; the transpose holds the same numbers."""
    if use_triton(x):
        from hanji.training.model import fp8_kernels

        values, scales, turned, turned_scales = fp8_kernels.cast_blocks(x, dtype)
        return Pair(Matrix(values, scales, "blocks"), Matrix(turned, turned_scales, "blocks"))
    rows, columns = x.shape
    top = torch.finfo(dtype).max
    down, across = -(-rows // BLOCK), -(-columns // BLOCK)
    padded = torch.nn.functional.pad(x.float(), (0, across * BLOCK - columns, 0, down * BLOCK - rows))
    largest = padded.abs().view(down, BLOCK, across, BLOCK).amax(dim=(1, 3))
    largest = torch.where(largest > 0, largest.clamp(min=1e-30), top)
    spread = largest.repeat_interleave(BLOCK, 0).repeat_interleave(BLOCK, 1)
    values = _narrow(padded * (top / spread), dtype)[:rows, :columns].contiguous()
    inverse = largest / top
    return Pair(
        Matrix(values, _padded(inverse).t(), "blocks"),
        Matrix(values.t().contiguous(), _padded(inverse.t().contiguous()).t(), "blocks"),
    )


def product(a: Matrix, b: Matrix, dtype: torch.dtype, *, fast: bool) -> torch.Tensor:
    """a [m, k] times bᵀ, of b [n, k]: [m, n] in ``dtype``.

    ``fast``: sums stay in the matrix units' 14 bits or so instead of being moved to fp32 every 128 terms.
    """
    if not a.values.is_cuda:
        return (a.wide() @ b.wide().t()).to(dtype)
    if a.grain == "tensor":
        result: torch.Tensor = torch._scaled_mm(
            a.values,
            b.values.t(),
            scale_a=a.scales,
            scale_b=b.scales,
            out_dtype=dtype,
            use_fast_accum=fast,
        )
        return result
    from torch.nn.functional import ScalingType, scaled_mm

    recipe = {"rows": ScalingType.BlockWise1x128, "blocks": ScalingType.BlockWise128x128}
    blockwise: torch.Tensor = scaled_mm(
        a.values,
        b.values.t(),
        scale_a=a.scales,
        scale_recipe_a=recipe[a.grain],
        scale_b=b.scales,
        scale_recipe_b=recipe[b.grain],
        output_dtype=dtype,
    )
    return blockwise


def underflow(x: torch.Tensor, matrix: Matrix) -> torch.Tensor:
    """Share of the numbers of ``x`` that are not zero and became zero in FP8 (fp32 scalar)."""
    lost = (x != 0) & (matrix.values.float() == 0)
    return lost.float().mean()


def _cast_rows(x: torch.Tensor, dtype: torch.dtype) -> Matrix:
    rows, columns = x.shape
    top = torch.finfo(dtype).max
    across = -(-columns // BLOCK)
    padded = torch.nn.functional.pad(x.float(), (0, across * BLOCK - columns))
    largest = padded.abs().view(rows, across, BLOCK).amax(dim=2)
    largest = torch.where(largest > 0, largest.clamp(min=1e-30), top)
    values = _narrow(padded * (top / largest).repeat_interleave(BLOCK, 1), dtype)[:, :columns].contiguous()
    return Matrix(values, (largest / top).t().contiguous().t(), "rows")


def _narrow(scaled: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    # torch makes NaN of what is out of range, which the matrix units' own conversion does not.
    top = torch.finfo(dtype).max
    return scaled.clamp(-top, top).to(dtype)


def _padded(scales: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.pad(scales, (0, -scales.shape[1] % 4))
