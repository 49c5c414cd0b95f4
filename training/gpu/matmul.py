"""Matrix products at the model's shapes: BF16 against FP8 under each kind of scaling, with what the casts cost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from hanji.training.gpu.report import Report, Row
from hanji.training.gpu.timing import median_ms
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
    product,
)
from hanji.training.model.fp8_check import Recipe
from hanji.training.model.fp8_linear import Fp8Linear, swiglu_backward
from hanji.training.model.shape import ModelShape

RECIPES: tuple[Recipe, ...] = ("tensorwise", "delayed")


def run(report: Report, shapes: dict[str, ModelShape], device: torch.device) -> None:
    """Add a table for the matrices of each shape's layer, with all three products of training."""
    section = report.section(
        "matmul",
        "Matrix products of a layer (forward, gradient of the input, gradient of the weight), one sequence",
        "Milliseconds for all three products of each matrix. Casts: activations and gradients, each with its "
        "transpose, once a micro-batch; the weight's is once an optimizer step and not counted. Speed-up: BF16 "
        "over FP8 products and casts.",
    )
    for name, shape in shapes.items():
        totals: dict[str, float] = {}
        for matrix, (inputs, outputs) in matrices(shape).items():
            what = f"{name} {matrix} {inputs}→{outputs}"
            row = report.attempt(section, what, partial(_matrix, shape.seq_length, inputs, outputs, device))
            for key, value in (row or {}).items():
                if isinstance(value, float) and key.endswith("ms"):
                    totals[key] = totals.get(key, 0.0) + value
        report.attempt(section, f"{name} SwiGLU and its casts", partial(_swiglu, shape, device))
        if totals:
            base = totals.get("BF16, ms", 0.0)
            tensorwise = totals.get("tensorwise, ms", 0.0) + totals.get("tensorwise casts, ms", 0.0)
            speed_up = base / tensorwise if tensorwise else 0.0
            report.add(section, what=f"{name}: the layer", **totals, **{"speed-up, tensorwise": speed_up})


def matrices(shape: ModelShape) -> dict[str, tuple[int, int]]:
    """The matrices of a layer: (inputs, outputs)."""
    queries = shape.heads * shape.head_dim
    return {
        "query, key, value": (shape.hidden, queries + 2 * shape.kv_heads * shape.head_dim),
        "attention output": (queries, shape.hidden),
        "gate and up": (shape.hidden, 2 * shape.ffn),
        "down": (shape.ffn, shape.hidden),
    }


def _matrix(tokens: int, inputs: int, outputs: int, device: torch.device) -> Row:
    x = torch.randn(tokens, inputs, device=device, dtype=torch.bfloat16)
    w = torch.randn(outputs, inputs, device=device, dtype=torch.bfloat16) * 0.02
    g = torch.randn(tokens, outputs, device=device, dtype=torch.bfloat16) * 1e-3

    def bf16() -> None:
        _ = x @ w.t(), g @ w, g.t() @ x

    flops = 6.0 * tokens * inputs * outputs
    base = median_ms(bf16)
    row: Row = {"BF16, ms": base, "BF16, TFLOP/s": flops / base / 1e9}

    def tensorwise() -> tuple[Pair, Pair]:
        return (
            cast(x, amax(x), E4M3, transpose=True),
            cast(g, amax(g), E5M2, transpose=True),
        )

    def blockwise() -> tuple[Pair, Pair]:
        return cast_rows(x, E4M3, transpose=True), cast_rows(g, E4M3, transpose=True)

    weight = cast(w, amax(w), E4M3, transpose=True)
    known = torch.ones(1, device=device)
    cases: list[tuple[str, Callable[[], tuple[Pair, Pair]], Callable[[], Pair]]] = [
        ("tensorwise", tensorwise, lambda: weight),
        ("blockwise", blockwise, lambda: cast_blocks(w, E4M3)),
    ]
    for name, casts, weight_of in cases:
        try:
            (x_pair, g_pair), w_pair = casts(), weight_of()
            for fast in (False, True) if name == "tensorwise" else (False,):
                label = f"{name}, fast sums" if fast else name
                took = median_ms(partial(_products, x_pair, g_pair, w_pair, fast))
                row |= {f"{label}, ms": took, f"{label}, TFLOP/s": flops / took / 1e9}
            row[f"{name} casts, ms"] = median_ms(casts)
        except Exception as error:
            row[name] = f"{type(error).__name__}: {str(error)[:200]}"
    row["delayed casts, ms"] = median_ms(
        lambda: (cast(x, known, E4M3, transpose=True), cast(g, known, E5M2, transpose=True))
    )
    row["bytes of casts over time, TB/s"] = (
        4 * (x.numel() + g.numel()) / row["delayed casts, ms"] / 1e9 if row["delayed casts, ms"] else 0.0
    )
    try:
        row["rowwise, ms"] = _rowwise(x, w, g)
    except Exception as error:
        row["rowwise"] = f"{type(error).__name__}: {str(error)[:200]}"
    return row


def _swiglu(shape: ModelShape, device: torch.device) -> Row:
    """SwiGLU forward and backward with the casts of what they make, one after another and in one kernel each."""
    gate_and_up = torch.randn(shape.seq_length, 2 * shape.ffn, device=device, dtype=torch.bfloat16)
    given = 1e-3 * torch.randn(shape.seq_length, shape.ffn, device=device, dtype=torch.bfloat16)
    row: Row = {}
    for recipe in RECIPES:
        fp8 = Fp8Linear(recipe)

        def apart(fp8: Fp8Linear = fp8) -> None:
            fp8.input(fused_swiglu(gate_and_up), None, transpose=True)
            fp8.gradient(swiglu_backward(gate_and_up, given), None, transpose=True)

        def joined(fp8: Fp8Linear = fp8) -> None:
            fp8.swiglu(gate_and_up, None, transpose=True)
            fp8.swiglu_gradient(gate_and_up, given, None, transpose=True)

        apart()
        if fp8.seen is not None:
            fp8.advance(fp8.seen)
        row[f"{recipe}, apart, ms"] = median_ms(apart)
        row[f"{recipe}, joined, ms"] = median_ms(joined)
    return row


def _products(x: Pair, g: Pair, w: Pair, fast: bool) -> None:
    assert x.turned is not None and g.turned is not None and w.turned is not None
    product(x.plain, w.plain, torch.bfloat16, fast=True)
    product(g.plain, w.turned, torch.bfloat16, fast=fast)
    product(g.turned, x.turned, torch.bfloat16, fast=fast)


def _rowwise(x: torch.Tensor, w: torch.Tensor, g: torch.Tensor) -> float:
    """One scale a row of each operand, as torchao's "rowwise" has it; products alone."""
    if not x.is_cuda:
        return 0.0

    def rows(m: torch.Tensor) -> Matrix:
        largest = m.abs().amax(dim=1, keepdim=True).float().clamp(min=1e-12)
        return Matrix((m.float() * (448.0 / largest)).to(E4M3).contiguous(), largest / 448.0, "tensor")

    def multiply(a: Matrix, b: Matrix) -> torch.Tensor:
        result: torch.Tensor = torch._scaled_mm(
            a.values,
            b.values.t(),
            scale_a=a.scales,
            scale_b=b.scales.t(),
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )
        return result

    pairs = [(rows(x), rows(w)), (rows(g), rows(w.t())), (rows(g.t()), rows(x.t()))]
    return median_ms(lambda: [multiply(a, b) for a, b in pairs])
