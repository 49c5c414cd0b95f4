"""One rank, and a model on it with everything that a training step needs: the same functions as the trainer's."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from hanji.training.cpu import prepare_import, without_cuda
from hanji.training.data.batches import MicroBatch
from hanji.training.loop.layout import Layout, distributed
from hanji.training.model.shape import ModelShape


@dataclass(frozen=True)
class OneRank:
    """The layout of one rank, as ``hanji.training.parallel.ParallelSettings`` has it."""

    tensor: int = 1
    sequence: bool = False
    pipeline: int = 1
    virtual_pipeline: int = 1
    context: int = 1
    data: int = 1
    ranks: int = 1


@dataclass(frozen=True)
class Adam:
    """The optimizer's settings: the recipe's defaults."""

    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    clip: float = 1.0
    weight_decay: float = 1e-4
    z_loss: float = 5e-6


@dataclass(frozen=True)
class Fp8:
    """FP8 settings as the recipe has them."""

    recipe: Literal["delayed", "tensorwise", "blockwise"] = "tensorwise"
    provider: Literal["auto", "transformer_engine", "torch"] = "torch"
    first_last_bf16: int = 0
    fast_gradients: bool = False


@contextmanager
def one_rank(seed: int = 1) -> Iterator[Layout]:
    """A process group of this process alone, on the GPU where there is one."""
    prepare_import()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ.update(
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK="0", WORLD_SIZE="1", LOCAL_RANK="0"
    )
    with without_cuda(), distributed(OneRank(), seed) as layout:  # type: ignore[arg-type]
        yield layout


class Training:
    """A model, wrapped for data parallelism, with its optimizer and objective: a training step's parts."""

    def __init__(
        self,
        layout: Layout,
        shape: ModelShape,
        vocabulary: int,
        *,
        bf16: bool,
        fp8: Fp8 | None = None,
        recompute: str = "none",
        draw_on: str = "cpu",
        rate: float = 3e-4,
        engine: bool = False,
    ) -> None:
        from hanji.training.loop.objective import NextToken
        from hanji.training.loop.optimizer import build_optimizer, connect, wrap_data_parallel
        from hanji.training.model.build import build_model
        from hanji.training.model.fp8 import engine_fields, linears_of

        self.layout, self.shape, self.vocabulary, self.rate = layout, shape, vocabulary, rate
        settings = Adam()
        model = build_model(
            shape,
            vocabulary,
            OneRank(),
            bf16=bf16,
            seed=1,
            spec="transformer_engine" if engine else "torch",
            recompute=recompute,
            changes=engine_fields(fp8) if fp8 and engine else None,
            linears_of=linears_of(fp8, shape.layers) if fp8 and not engine else None,
            draw_on=draw_on,
        )
        model.train()
        self.chunks = wrap_data_parallel([model])
        self.optimizer = build_optimizer(self.chunks, settings, rate, bf16=bf16)  # type: ignore[arg-type]
        connect(self.chunks, self.optimizer)
        self.objective = NextToken(vocabulary, settings.z_loss)

    @property
    def model(self) -> Any:
        return self.chunks[0]

    def forward_backward(self, batches: Sequence[MicroBatch], *, forward_only: bool = False) -> torch.Tensor:
        """Zero the gradients and run the micro-batches; the mean loss per token, on the device."""
        from hanji.training.loop.forward import run_micro_batches
        from hanji.training.model.fp8 import weights_stay

        for chunk in self.chunks:
            chunk.zero_grad_buffer()
        self.optimizer.zero_grad()
        with weights_stay(self.chunks), torch.no_grad() if forward_only else nullcontext():
            results = run_micro_batches(
                self.chunks, self.objective, batches, self.layout, forward_only=forward_only
            )
        loss = torch.stack([result["loss"] for result in results]).sum()
        return loss / torch.stack([result["tokens"] for result in results]).sum()

    def step(self, batches: Sequence[MicroBatch]) -> torch.Tensor:
        """A whole optimizer step; the mean loss per token, on the device."""
        from hanji.training.loop.optimizer import set_learning_rate

        loss = self.forward_backward(batches)
        set_learning_rate(self.optimizer, self.rate)
        self.optimizer.step()
        return loss

    def gradients(self) -> dict[str, torch.Tensor]:
        """Gradients by parameter name, fp32 on the CPU."""
        return {
            name.replace("module.", ""): parameter.main_grad.detach().float().cpu().clone()
            for name, parameter in self.model.named_parameters()
        }

    def close(self) -> None:
        """Free the memory. Megatron's hooks hold references in circles, so the storages themselves are emptied."""
        held = [buffer.grad_data for chunk in self.chunks for buffer in chunk.buffers]
        held += [buffer.param_data for chunk in self.chunks for buffer in chunk.buffers]
        adam = self.optimizer.optimizer
        held += [parameter for group in adam.param_groups for parameter in group["params"]]
        held += [value for state in adam.state.values() for value in state.values()]
        for tensor in held:
            if torch.is_tensor(tensor) and tensor.untyped_storage().resizable():
                tensor.untyped_storage().resize_(0)
        config = self.model.config
        config.grad_scale_func = config.no_sync_func = config.finalize_model_grads_func = None
        adam.state.clear()
        self.chunks, self.optimizer = [], None
        free_memory()


def free_memory() -> None:
    """Collect garbage and give cached device memory back."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.empty_cache()


def synthetic_batches(
    shape: ModelShape,
    vocabulary: int,
    count: int,
    rows: int,
    *,
    seed: int = 0,
    documents: int | None = None,
) -> list[MicroBatch]:
    """Micro-batches of tokens that can be learned: each row counts up from a random start in random strides.

    ``documents``: tokens of a document, roughly; None lets attention run across the row.
    """
    generator = np.random.default_rng(seed)
    batches = []
    for _ in range(count):
        length = shape.seq_length
        start = generator.integers(0, vocabulary, (rows, 1))
        stride = generator.integers(1, 8, (rows, 1))
        row = (
            start + stride * np.arange(length + 1) + generator.integers(0, 2, (rows, length + 1))
        ) % vocabulary
        numbers: np.ndarray | None = None
        if documents is not None:
            ends = generator.random((rows, length)) < 1 / documents
            numbers = (np.cumsum(ends, axis=1) - ends).astype(np.int32)
        batches.append(
            MicroBatch(
                tokens=row[:, :-1].astype(np.int64),
                labels=row[:, 1:].astype(np.int64),
                mask=np.ones((rows, length), np.float32),
                positions=np.broadcast_to(np.arange(length), (rows, length)),
                component=np.zeros(rows, np.int64),
                documents=numbers,
            )
        )
    return batches
