"""Correctness of a small model on the GPU: against the CPU, and of each faster way against the plain one.

The CPU's answer comes from a process of its own that sees no GPU (Megatron-Core places its tensors by what is
there), started first and waited for when it is needed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hanji.training.data.batches import MicroBatch
from hanji.training.gpu.child import Child
from hanji.training.gpu.report import Report, Row
from hanji.training.gpu.setup import Fp8, Training, one_rank, synthetic_batches
from hanji.training.loop.layout import Layout
from hanji.training.model.kernels import using
from hanji.training.model.shape import ModelShape

VOCABULARY = 1000


@dataclass(frozen=True)
class Size:
    """The model, the length of documents in rows that hold several, and the steps of the trial training."""

    shape: ModelShape
    document: int
    steps: int


SMALL = Size(
    ModelShape(
        layers=4,
        hidden=256,
        ffn=512,
        heads=8,
        kv_heads=4,
        head_dim=64,
        tied=True,
        init_std=0.05,
        seq_length=512,
    ),
    document=100,
    steps=60,
)
TINY = Size(
    ModelShape(
        layers=3,
        hidden=64,
        ffn=128,
        heads=4,
        kv_heads=2,
        head_dim=16,
        tied=True,
        init_std=0.05,
        seq_length=64,
    ),
    document=20,
    steps=40,
)


@dataclass(frozen=True)
class Answer:
    """Loss per token and gradients by name of one pass over the same micro-batches."""

    loss: float
    gradients: dict[str, torch.Tensor]

    def against(self, other: Answer) -> Row:
        """|loss - loss'| / loss', and the largest ‖g - g'‖ / ‖g'‖ of any tensor, with its name."""
        worst, name = 0.0, ""
        for key, value in other.gradients.items():
            error = float((self.gradients[key] - value).norm() / value.norm())
            if not error <= worst:
                worst, name = error, key
        return {"loss": abs(self.loss - other.loss) / abs(other.loss), "gradients": worst, "worst": name}


def batches(size: Size, packed: bool) -> list[MicroBatch]:
    """Two micro-batches of two rows each."""
    return synthetic_batches(size.shape, VOCABULARY, 2, 2, documents=size.document if packed else None)


def answer(
    layout: Layout, size: Size, *, bf16: bool, packed: bool, fp8: Fp8 | None = None, engine: bool = False
) -> Answer:
    """Build the model, run the micro-batches, give loss and gradients."""
    training = Training(layout, size.shape, VOCABULARY, bf16=bf16, fp8=fp8, engine=engine)
    try:
        loss = training.forward_backward(batches(size, packed))
        return Answer(float(loss), training.gradients())
    finally:
        training.close()


def write_reference(path: Path, size: Size) -> None:
    """The fp32 answers of this process's device, packed and not, to a file."""
    with one_rank() as layout:
        answers = {packed: vars(answer(layout, size, bf16=False, packed=packed)) for packed in (False, True)}
    whole = path.with_suffix(".whole")
    torch.save(answers, whole)
    whole.replace(path)


class Reference:
    """The CPU's answers, computed by a process that sees no GPU while this one goes on."""

    def __init__(self, script: Path, size: Size) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self.path = Path(self._directory.name) / "reference.pt"
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "4"}
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
            environment.pop(name, None)
        command = [sys.executable, str(script), "--reference", str(self.path)]
        self._child = Child(command + (["--tiny"] if size is TINY else []), environment, "the CPU's process")

    def get(self, packed: bool, seconds: float = 90.0) -> Answer:
        """Raises RuntimeError with the end of the process's output when it failed or took too long."""
        if not self.path.exists():
            self._child.finish(seconds)
        return Answer(**torch.load(self.path)[packed])

    def close(self) -> None:
        """End the process if it still runs, and remove its file."""
        self._child.kill()
        self._directory.cleanup()


def run(report: Report, layout: Layout, script: Path, size: Size) -> None:
    """Add the table of correctness."""
    shape = size.shape
    section = report.section(
        "correctness",
        f"Correctness ({shape.layers} layers of {shape.hidden}, sequence {shape.seq_length})",
        "Relative differences: of the loss, and the largest ‖g - g'‖ / ‖g'‖ of any tensor's gradient.",
    )
    reference = Reference(script, size)
    answers: dict[str, Answer] = {}

    def keep(name: str, make: Callable[[], Answer]) -> Answer:
        if name not in answers:
            answers[name] = make()
        return answers[name]

    def compare(
        what: str,
        one: Callable[[], Answer],
        other: Callable[[], Answer],
        loss: float,
        grad: float,
        *,
        optional: bool = False,
    ) -> None:
        def figures() -> Row:
            row = one().against(other())
            held = row["loss"] <= loss and row["gradients"] <= grad
            return {"ok": held, **row, "bar": f"{loss:g}; {grad:g}"}

        report.attempt(section, what, figures, optional=optional)

    def plain(bf16: bool, packed: bool) -> Callable[[], Answer]:
        return lambda: keep(f"{bf16} {packed}", lambda: answer(layout, size, bf16=bf16, packed=packed))

    def changed(packed: bool, **changes: Any) -> Callable[[], Answer]:
        def make() -> Answer:
            with using(**changes):
                return answer(layout, size, bf16=True, packed=packed)

        return make

    def fp8(options: Fp8) -> Callable[[], Answer]:
        return lambda: answer(layout, size, bf16=True, packed=False, fp8=options)

    try:
        compare("BF16 against fp32", plain(True, False), plain(False, False), 1e-2, 1e-1)
        compare("BF16 against fp32, packed", plain(True, True), plain(False, True), 1e-2, 1e-1)
        compare("fp32 against the CPU", plain(False, False), lambda: reference.get(False), 1e-5, 1e-4)
        compare("fp32 against the CPU, packed", plain(False, True), lambda: reference.get(True), 1e-5, 1e-4)
        report.attempt(
            section, "packed rows against a row for each document", lambda: _unpacked(layout, size)
        )
        report.attempt(section, "a checkpoint read back", lambda: _checkpoint(layout, size))
        if layout.device.type == "cuda":
            for what, changes in (
                ("eager against compiled", {"compile": False}),
                ("weight gradients added outside the product", {"accumulate": False}),
            ):
                compare(what, changed(False, **changes), plain(True, False), 1e-3, 5e-2)
            for name in ("math", "efficient", "flash", "cudnn"):
                what, one = f"attention {name} against the order in use", changed(False, attention=(name,))
                compare(what, one, plain(True, False), 1e-3, 5e-2, optional=True)
            _casts(report, section)
        for recipe in ("tensorwise", "delayed", "blockwise"):
            compare(f"FP8 {recipe} against BF16", fp8(Fp8(recipe)), plain(True, False), 2e-2, 4e-1)
        compare(
            "FP8 tensorwise, first and last layer BF16, against BF16",
            fp8(Fp8("tensorwise", first_last_bf16=1)),
            plain(True, False),
            2e-2,
            4e-1,
        )
        _trained(report, section, layout, size)
    finally:
        reference.close()


def _casts(report: Report, section: Any) -> None:
    """The Triton casts against torch's own on the CPU, and the FP8 products against what they stand for."""
    from hanji.training.model import fp8_cast

    generator = torch.Generator().manual_seed(3)
    x = (torch.randn(384, 256, generator=generator) * torch.rand(384, 1, generator=generator)).bfloat16()
    y = torch.randn(512, 256, generator=generator).bfloat16()
    for dtype in (fp8_cast.E4M3, fp8_cast.E5M2):
        for grain in ("tensor", "rows", "blocks"):

            def one(m: torch.Tensor, grain: str = grain, dtype: torch.dtype = dtype) -> fp8_cast.Pair:
                if grain == "rows":
                    return fp8_cast.cast_rows(m, dtype, transpose=True)
                if grain == "blocks":
                    return fp8_cast.cast_blocks(m, dtype)
                return fp8_cast.cast(m, fp8_cast.amax(m), dtype, transpose=True)

            def figures(one: Callable[[torch.Tensor], fp8_cast.Pair] = one) -> Row:
                device, host = one(x.cuda()), one(x)
                assert device.turned is not None and host.turned is not None
                parts = [(device.plain, host.plain), (device.turned, host.turned)]
                other = sum(int((a.values.cpu().float() != b.values.float()).sum()) for a, b in parts)
                error = max(float((a.wide().cpu() - b.wide()).norm() / b.wide().norm()) for a, b in parts)
                return {"ok": error < 1e-2, "other numbers": other, "relative error": error}

            report.attempt(section, f"cast to {dtype}, scales by {grain}, against the CPU", figures)

    def joined(recipe: Any, backward: bool) -> Row:
        """SwiGLU and cast in one kernel against SwiGLU and then the cast, both here."""
        from hanji.training.model.activation import fused_swiglu
        from hanji.training.model.fp8_linear import Fp8Linear, swiglu_backward

        gate_and_up = torch.randn(384, 416, generator=torch.Generator().manual_seed(4)).bfloat16().cuda()
        given = (1e-3 * torch.randn(384, 208, generator=torch.Generator().manual_seed(5))).bfloat16().cuda()
        one, other = Fp8Linear(recipe), Fp8Linear(recipe)
        for _ in range(2):
            if backward:
                a = one.swiglu_gradient(gate_and_up, given, None, transpose=True)
                b = other.gradient(swiglu_backward(gate_and_up, given), None, transpose=True)
            else:
                a = one.swiglu(gate_and_up, None, transpose=True)
                b = other.input(fused_swiglu(gate_and_up), None, transpose=True)
            for fp8 in (one, other):
                if fp8.seen is not None:
                    fp8.advance(fp8.seen)
        assert a.turned is not None and b.turned is not None
        parts = [(a.plain, b.plain), (a.turned, b.turned)]
        different = sum(int((m.values.float() != n.values.float()).sum()) for m, n in parts)
        error = max(float((m.wide() - n.wide()).norm() / n.wide().norm()) for m, n in parts)
        return {"ok": error < 5e-3, "other numbers": different, "relative error": error}

    for recipe in ("tensorwise", "delayed"):
        for backward in (False, True):
            what = f"SwiGLU{' backward' if backward else ''} and {recipe} cast in one, against one by one"
            report.attempt(section, what, partial(joined, recipe, backward))

    def products(kind: str) -> Row:
        if kind == "tensor":
            a = fp8_cast.cast(x.cuda(), fp8_cast.amax(x.cuda()), fp8_cast.E5M2, transpose=True).plain
            b = fp8_cast.cast(y.cuda(), fp8_cast.amax(y.cuda()), fp8_cast.E4M3, transpose=True).plain
        else:
            a = fp8_cast.cast_rows(x.cuda(), fp8_cast.E4M3, transpose=True).plain
            b = (fp8_cast.cast_blocks if kind == "rows × blocks" else _rows)(y.cuda(), fp8_cast.E4M3).plain
        exact = a.wide().double() @ b.wide().double().t()
        result = fp8_cast.product(a, b, torch.bfloat16, fast=False)
        error = float((result.double() - exact).norm() / exact.norm())
        return {"ok": error < 1e-2, "relative error": error}

    for kind in ("tensor", "rows × blocks", "rows × rows"):
        report.attempt(section, f"FP8 product, scales by {kind}", partial(products, kind))


def _rows(m: torch.Tensor, dtype: torch.dtype) -> Any:
    from hanji.training.model.fp8_cast import cast_rows

    return cast_rows(m, dtype, transpose=False)


def _unpacked(layout: Layout, size: Size) -> Row:
    """The loss of a row of several documents is that of the documents, each in a row of its own."""
    bf16 = layout.device.type == "cuda"
    packed = batches(size, True)[0]
    assert packed.documents is not None
    documents = [
        (row, np.flatnonzero(packed.documents[row] == number))
        for row in range(packed.tokens.shape[0])
        for number in np.unique(packed.documents[row])
    ]
    rows = packed.tokens.shape[0]
    alone = []
    for first in range(0, len(documents), rows):
        tokens, labels = np.zeros_like(packed.tokens), np.zeros_like(packed.labels)
        mask = np.zeros_like(packed.mask)
        for place, (line, inside) in enumerate(documents[first : first + rows]):
            tokens[place, : len(inside)] = packed.tokens[line, inside]
            labels[place, : len(inside)] = packed.labels[line, inside]
            mask[place, : len(inside)] = 1
        alone.append(replace(packed, tokens=tokens, labels=labels, mask=mask, documents=None))
    results = []
    for chosen in ([packed], alone):
        training = Training(layout, size.shape, VOCABULARY, bf16=bf16)
        results.append(Answer(float(training.forward_backward(chosen)), training.gradients()))
        training.close()
    row = results[0].against(results[1])
    return {"ok": row["loss"] < 1e-3 and row["gradients"] < 5e-2, **row, "bar": "0.001; 0.05"}


def _trained(report: Report, section: Any, layout: Layout, size: Size) -> None:
    """The same steps in BF16 and in each FP8 recipe, each step on data that no step has seen.

    An FP8 recipe holds when the mean loss of the last fifth of the steps is that of BF16 within 2% of what BF16
    has learned by then, and BF16 has learned something: a tenth of its loss.
    """
    steps = [[_chain(size.shape, 4, seed=100 + step)] for step in range(size.steps)]
    last = max(1, size.steps // 5)
    base: torch.Tensor | None = None

    def train(options: Fp8 | None) -> torch.Tensor:
        training = Training(layout, size.shape, VOCABULARY, bf16=True, fp8=options, rate=1e-3)
        try:
            return torch.stack([training.step(step) for step in steps]).float().cpu()
        finally:
            training.close()

    def figures(options: Fp8 | None) -> Row:
        nonlocal base
        losses = train(options)
        end = float(losses[-last:].mean())
        row: Row = {"at the start": float(losses[0]), "at the end": end}
        if base is None:
            base = losses
            return {"ok": end < 0.9 * float(losses[0]), **row}
        learned = float(base[0] - base[-last:].mean())
        share = abs(end - float(base[-last:].mean())) / learned
        on_the_way = float((losses - base).abs().mean()) / learned
        return {"ok": share < 0.02, **row, "of what BF16 learned": share, "on the way": on_the_way}

    for name, options in (
        ("BF16", None),
        ("FP8 tensorwise", Fp8("tensorwise")),
        ("FP8 delayed", Fp8("delayed")),
        ("FP8 blockwise", Fp8("blockwise")),
    ):
        what = f"{size.steps} steps of training in {name}"
        if options is not None and base is None:
            report.add(section, what=what, note="left out: BF16 did not train")
            continue
        report.attempt(section, what, partial(figures, options))


def _chain(shape: ModelShape, rows: int, seed: int) -> MicroBatch:
    """Rows in which half of the tokens follow from the one before, and half are drawn by Zipf's law."""
    generator = np.random.default_rng(seed)
    weights = 1.0 / (np.arange(VOCABULARY) + 2.7)
    row = generator.choice(VOCABULARY, (rows, shape.seq_length + 1), p=weights / weights.sum())
    follows = generator.random(row.shape) < 0.5
    for place in range(1, row.shape[1]):
        row[:, place] = np.where(follows[:, place], (row[:, place - 1] + 1) % VOCABULARY, row[:, place])
    empty = synthetic_batches(shape, VOCABULARY, 1, rows)[0]
    return replace(empty, tokens=row[:, :-1].astype(np.int64), labels=row[:, 1:].astype(np.int64))


def _checkpoint(layout: Layout, size: Size) -> Row:
    """Save and load the model's weights in Megatron's torch_dist form."""
    from megatron.core import dist_checkpointing

    training = Training(layout, size.shape, VOCABULARY, bf16=True)
    training.step(batches(size, False))
    inner = training.model.module
    before = {name: p.detach().clone() for name, p in inner.named_parameters()}
    with tempfile.TemporaryDirectory() as directory:
        dist_checkpointing.save({"model": inner.sharded_state_dict()}, directory)
        for parameter in inner.parameters():
            parameter.data.zero_()
        loaded = dist_checkpointing.load({"model": inner.sharded_state_dict()}, directory)
        inner.load_state_dict(loaded["model"])
    same = all(torch.equal(p, before[name]) for name, p in inner.named_parameters())
    training.close()
    return {"ok": same}
