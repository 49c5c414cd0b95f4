"""Attention kernels at the model's shape: which of torch's backends is fastest, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from hanji.training.gpu.report import Report, Row
from hanji.training.gpu.timing import median_ms
from hanji.training.model.kernels import ATTENTION_BACKENDS, using
from hanji.training.model.shape import ModelShape


def run(report: Report, shape: ModelShape, device: torch.device) -> tuple[str, ...]:
    """Add the table; returns the backends, the fastest first (math last)."""
    section = report.section(
        "attention",
        f"Attention, {shape.heads} heads, {shape.kv_heads} key-value heads of {shape.head_dim}, "
        f"sequence {shape.seq_length}, causal",
        "TFLOP/s counts the half of the score matrix that the mask leaves, the backward pass 2.5 times the "
        "forward pass (the scores are computed again).",
    )
    names = ATTENTION_BACKENDS[:3] if device.type == "cuda" else ("math",)
    times: dict[str, float] = {}
    for name in names:
        row = report.attempt(section, name, partial(_backend, name, shape, device), optional=True)
        if row is not None:
            times[name] = row["forward and backward, ms"]
    if device.type == "cuda":
        report.attempt(
            section, "documents of 1024 (variable length)", lambda: _documents(shape, device), optional=True
        )
    best = sorted(times, key=lambda name: times[name])
    return (*best, *(name for name in ATTENTION_BACKENDS if name not in best))


def _backend(name: str, shape: ModelShape, device: torch.device, *, repeat: bool = False) -> Row:
    from hanji.training.model.attention import attend

    times = shape.heads // shape.kv_heads if repeat else 1

    def attended(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        if times > 1:
            k, v = k.repeat_interleave(times, 2), v.repeat_interleave(times, 2)
        return attend(q, k, v, None, None, shape.head_dim**-0.5)

    with using(attention=(name,)):
        return _measure(shape, device, attended)


def _documents(shape: ModelShape, device: torch.device) -> Row:
    from hanji.training.model.attention import attend

    length = min(1024, shape.seq_length)
    numbers = torch.arange(shape.seq_length, device=device, dtype=torch.int32).unsqueeze(0) // length
    documents = numbers.to(torch.int32)
    return _measure(
        shape, device, lambda q, k, v: attend(q, k, v, documents, None, shape.head_dim**-0.5), length
    )


def _measure(
    shape: ModelShape, device: torch.device, function: Callable[..., torch.Tensor], context: int | None = None
) -> Row:
    def heads(count: int) -> torch.Tensor:
        values = torch.randn(shape.seq_length, 1, count, shape.head_dim, device=device, dtype=torch.bfloat16)
        return values.requires_grad_()

    query, key, value = heads(shape.heads), heads(shape.kv_heads), heads(shape.kv_heads)
    gradient = torch.randn(
        shape.seq_length, 1, shape.heads, shape.head_dim, device=device, dtype=torch.bfloat16
    )

    def both() -> Any:
        output = function(query, key, value)
        return torch.autograd.grad(output, (query, key, value), gradient.view_as(output))

    def forward() -> torch.Tensor:
        with torch.no_grad():
            return function(query, key, value)

    forward_ms, both_ms = median_ms(forward), median_ms(both)
    flops = 2 * shape.seq_length * (context or shape.seq_length) * shape.heads * shape.head_dim
    return {
        "forward, ms": forward_ms,
        "forward and backward, ms": both_ms,
        "forward, TFLOP/s": flops / forward_ms / 1e9,
        "both, TFLOP/s": 3.5 * flops / both_ms / 1e9,
    }
