"""Whole optimizer steps at full size on one device: tokens/s, TFLOP/s, MFU, memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hanji.training.cost import flops_per_token, mfu, peak_of
from hanji.training.cost.peaks import CONVENTIONS
from hanji.training.gpu.report import Report, Row, Section
from hanji.training.gpu.setup import Fp8, Training, free_memory, synthetic_batches
from hanji.training.loop.layout import Layout
from hanji.training.model.kernels import using
from hanji.training.model.shape import ModelShape, parameter_count


@dataclass(frozen=True)
class Case:
    """One way to train: a name, FP8 settings or none, and kernels that differ from the defaults."""

    name: str
    fp8: Fp8 | None = None
    recompute: tuple[str, ...] = ("none", "selective", "full")
    """What to recompute; the next is tried where memory does not suffice."""


CASES = (
    Case("BF16"),
    Case("FP8 tensorwise", Fp8("tensorwise")),
    Case("FP8 delayed", Fp8("delayed")),
    Case("FP8 tensorwise, fast sums", Fp8("tensorwise", fast_gradients=True)),
    Case("FP8 delayed, fast sums", Fp8("delayed", fast_gradients=True)),
    Case("FP8 blockwise", Fp8("blockwise")),
)


@dataclass(frozen=True)
class Size:
    """How much to run: micro-batches of one row to a step, and steps that are timed."""

    micro_batches: int
    steps: int
    warm_ups: int = 2


def run(
    report: Report,
    layout: Layout,
    name: str,
    shape: ModelShape,
    vocabulary: int,
    cases: Sequence[Case],
    size: Size,
    attention: tuple[str, ...],
    deadline: float,
) -> None:
    """Add a table; cases that would begin after ``deadline`` (seconds of the report's clock) are left out."""
    parameters = parameter_count(shape, vocabulary)
    section = report.section(
        f"steps-{name}",
        f"Training steps: {name}, {shape.layers} layers, {parameters / 1e9:.2f}B parameters, "
        f"sequence {shape.seq_length}",
        f"An optimizer step is {size.micro_batches} micro-batches of one sequence "
        f"({size.micro_batches * shape.seq_length:,} tokens), {size.steps} steps timed; forward, backward, "
        "gradient norm, AdamW with fp32 main weights. MFU against the dense BF16 peak, also for FP8. "
        f"Attention: {', '.join(attention)}. FLOPs per token (causal): {CONVENTIONS['causal_attention']}.",
    )
    base: float | None = None
    for case in cases:
        if report.elapsed > deadline:
            report.add(section, what=case.name, note="left out: the time budget is spent")
            continue
        row = report.attempt(
            section,
            case.name,
            lambda case=case: _first_that_fits(layout, shape, vocabulary, case, size, attention),
        )
        free_memory()
        if row is not None and case.fp8 is None:
            base = row["tokens/s"]
        elif row is not None and base:
            row["over BF16"] = row["tokens/s"] / base
            report.write()


def _first_that_fits(
    layout: Layout, shape: ModelShape, vocabulary: int, case: Case, size: Size, attention: tuple[str, ...]
) -> Row:
    tried = ""
    for recompute in case.recompute:
        try:
            with using(attention=attention):
                row = _measure(layout, shape, vocabulary, case, recompute, size)
            return row | ({"out of memory": tried} if tried else {})
        except torch.OutOfMemoryError as error:
            tried += f"{recompute} "
            last = str(error).split(". ")[0]
            error.__traceback__ = None
        free_memory()
    raise RuntimeError(f"out of memory whatever is recomputed ({tried.strip()}): {last}")


def _measure(
    layout: Layout, shape: ModelShape, vocabulary: int, case: Case, recompute: str, size: Size
) -> Row:
    cuda = layout.device.type == "cuda"
    started = time.perf_counter()
    training = Training(
        layout, shape, vocabulary, bf16=True, fp8=case.fp8, recompute=recompute, draw_on=layout.device.type
    )
    try:
        batches = synthetic_batches(shape, vocabulary, size.micro_batches, 1)
        _wait(cuda)
        built = time.perf_counter()
        first = training.step(batches[:1])
        for _ in range(size.warm_ups - 1):
            training.step(batches)
        _wait(cuda)
        warm = time.perf_counter()
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        losses = [training.step(batches) for _ in range(size.steps)]
        _wait(cuda)
        took = (time.perf_counter() - warm) / size.steps
        last = float(losses[-1])
        peak_memory = torch.cuda.max_memory_allocated() / 2**30 if cuda else 0.0
        before = time.perf_counter()
        training.optimizer.step()
        _wait(cuda)
        optimizer_ms = 1000 * (time.perf_counter() - before)
    finally:
        training.close()
    tokens = size.micro_batches * shape.seq_length / took
    flops = flops_per_token(shape, vocabulary)
    name = torch.cuda.get_device_name() if cuda else "cpu"
    peak = peak_of(name)
    row: Row = {
        "tokens/s": tokens,
        "TFLOP/s (causal)": tokens * flops.causal_attention / 1e12,
        "TFLOP/s (full)": tokens * flops.full_attention / 1e12,
    }
    if peak is not None:
        row["MFU (causal)"] = mfu(tokens, flops.causal_attention, peak.bf16)
        row["MFU (full)"] = mfu(tokens, flops.full_attention, peak.bf16)
    return row | {
        "step, ms": 1000 * took,
        "of it optimizer, ms": optimizer_ms,
        "peak memory, GiB": peak_memory,
        "recompute": recompute,
        "loss, first and last": f"{float(first):.3f} {last:.3f}",
        "build and warm-up, s": f"{built - started:.0f} {warm - built:.0f}",
    }


def _wait(cuda: bool) -> None:
    if cuda:
        torch.cuda.synchronize()


def slice_of(section: Section) -> list[Row]:
    """Rows of a table that were measured."""
    return [row for row in section.rows if "tokens/s" in row]
