"""Whole optimizer steps at full size on one device: tokens/s, TFLOP/s, MFU, memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from hanji.training.cost import flops_per_token, mfu, peak_of
from hanji.training.cost.peaks import CONVENTIONS
from hanji.training.data.batches import MicroBatch
from hanji.training.gpu.report import Report, Row, say
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
    profile: bool = False
    """Whether the kernels of one micro-batch are listed too."""


CASES = (
    Case("BF16", profile=True),
    Case("FP8 tensorwise", Fp8("tensorwise"), profile=True),
    Case("FP8 delayed", Fp8("delayed"), profile=True),
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
            partial(_first_that_fits, report, layout, shape, vocabulary, case, size, attention),
        )
        free_memory()
        if row is not None and case.fp8 is None:
            base = row["tokens/s"]
        elif row is not None and base:
            row["over BF16"] = row["tokens/s"] / base
            report.write()
    if report.profiles:
        kernels = report.section(
            f"kernels-{name}", f"Kernels of one micro-batch: {name}", "Milliseconds on the device by kind."
        )
        for case_name, groups in report.profiles.items():
            report.add(kernels, what=case_name, **groups)
        report.profiles.clear()


def _first_that_fits(
    report: Report,
    layout: Layout,
    shape: ModelShape,
    vocabulary: int,
    case: Case,
    size: Size,
    attention: tuple[str, ...],
) -> Row:
    tried = ""
    for recompute in case.recompute:
        try:
            with using(attention=attention):
                row = _measure(report, layout, shape, vocabulary, case, recompute, size)
            return row | ({"out of memory": tried} if tried else {})
        except torch.OutOfMemoryError as error:
            tried += f"{recompute} "
            last = str(error).split(". ")[0]
            error.__traceback__ = None
        free_memory()
    raise RuntimeError(f"out of memory whatever is recomputed ({tried.strip()}): {last}")


def _measure(
    report: Report, layout: Layout, shape: ModelShape, vocabulary: int, case: Case, recompute: str, size: Size
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
        if case.profile and cuda:
            _profile(report, case.name, training, batches)
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


GROUPS = {
    "attention": ("fmha", "flash", "cudnn", "sdpa", "attention"),
    "FP8 casts": ("_cast", "_amax", "_measure"),
    "weight gradients added": ("_add_kernel", "functor_add<float>"),
    "matrix products": ("gemm", "nvjet", "cutlass", "cublas", "xmma", "splitk"),
    "fused by torch.compile": ("triton",),
    "copies and fills": ("memcpy", "memset", "copy", "fill"),
}
"""Kernels by what is in their names, the first group that fits."""


def _profile(report: Report, name: str, training: Training, batches: Sequence[MicroBatch]) -> None:
    """Print the time of a micro-batch's kernels, by group and the largest ones."""
    from torch.profiler import ProfilerActivity, profile

    try:
        with profile(activities=[ProfilerActivity.CUDA]) as profiled:
            training.forward_backward(batches[:1])
            torch.cuda.synchronize()
        events = [(e.key, e.count, e.self_device_time_total / 1000) for e in profiled.key_averages()]
        events = sorted((event for event in events if event[2] > 0), key=lambda event: -event[2])
        groups: dict[str, float] = {}
        for key, _, ms in events:
            lower = key.lower()
            group = next((g for g, words in GROUPS.items() if any(w in lower for w in words)), "other")
            groups[group] = groups.get(group, 0.0) + ms
        say(f"  kernels of one micro-batch, {name}: {sum(groups.values()):.1f} ms")
        report.profiles[name] = groups
        for key, count, ms in events[:22]:
            say(f"    {ms:8.2f} ms {count:5d} × {key[:110]}")
        say("    " + "  ".join(f"{group} {ms:.1f} ms" for group, ms in groups.items()))
    except Exception as error:
        say(f"  no profile: {type(error).__name__}: {error}")


def _wait(cuda: bool) -> None:
    if cuda:
        torch.cuda.synchronize()
