"""What a checkpoint costs: how long training stands still for one, and how long loading takes.

    python -m benchmarks.checkpoints [--ranks 2] [--layers 8] [--hidden 768] [--steps 6]

trains a model on random tokens (data parallel; gloo on the CPU, NCCL where there is a GPU for each rank), saves it
asynchronously and then with training waiting, and loads it with files hashed and not. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

SEQUENCE, MICRO_SIZE = 128, 1


def work(rank: int, options: argparse.Namespace, directory: str, answer: Any) -> None:
    """One rank; rank 0 puts the figures into ``answer``."""
    from hanji.training.cpu import prepare_import, without_cuda

    prepare_import()
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(options.ranks), LOCAL_RANK=str(rank))
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(options.port))
    with without_cuda():
        figures = measure(options, Path(directory))
    if rank == 0:
        answer.put(figures)


def measure(options: argparse.Namespace, directory: Path) -> dict[str, float]:
    """Seconds and bytes by name, of rank 0."""
    import torch

    from hanji.training.checkpoint.record import Commit
    from hanji.training.checkpoint.store import Checkpoints
    from hanji.training.data.batches import MicroBatch
    from hanji.training.loop.forward import run_micro_batches
    from hanji.training.loop.layout import distributed
    from hanji.training.loop.objective import NextToken
    from hanji.training.loop.optimizer import (
        build_optimizer,
        connect,
        set_learning_rate,
        wrap_data_parallel,
    )
    from hanji.training.model.build import build_model
    from hanji.training.model.shape import ModelShape, parameter_count
    from hanji.training.parallel import ParallelSettings
    from hanji.training.recipe import CheckpointSettings, OptimizerSettings

    bf16, vocabulary = torch.cuda.is_available(), 32_000
    shape = ModelShape(
        layers=options.layers, hidden=options.hidden, ffn=3 * options.hidden, heads=options.hidden // 64,
        kv_heads=options.hidden // 64, head_dim=64, tied=True, seq_length=SEQUENCE,
    )  # fmt: skip
    parallel = ParallelSettings(data=options.ranks)
    with distributed(parallel, 1) as layout:
        chunks = wrap_data_parallel([build_model(shape, vocabulary, parallel, bf16=bf16, seed=1)])
        optimizer = build_optimizer(chunks, OptimizerSettings(), 1e-4, bf16=bf16)
        connect(chunks, optimizer)
        tokens = np.random.default_rng(layout.rank).integers(0, vocabulary, (MICRO_SIZE, SEQUENCE + 1))
        batch = MicroBatch(
            tokens=tokens[:, :-1],
            labels=tokens[:, 1:],
            mask=np.ones((MICRO_SIZE, SEQUENCE), np.float32),
            positions=np.broadcast_to(np.arange(SEQUENCE), (MICRO_SIZE, SEQUENCE)),
            component=np.zeros(MICRO_SIZE, np.int64),
        )

        def step() -> float:
            started = time.perf_counter()
            for chunk in chunks:
                chunk.zero_grad_buffer()
            optimizer.zero_grad()
            run_micro_batches(chunks, NextToken(vocabulary, 0.0), [batch], layout, forward_only=False)
            set_learning_rate(optimizer, 1e-4)
            optimizer.step()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            return time.perf_counter() - started

        def commit(number: int) -> Commit:
            return Commit(number, "one", number, False, {}, "", {}, "", 0, {"name": "benchmark"})

        def store(asynchronous: bool, verify: Any = "full") -> Checkpoints:
            return Checkpoints(
                str(directory), CheckpointSettings(asynchronous=asynchronous, verify=verify, keep=9), layout
            )

        step()
        figures = {
            "parameters": float(parameter_count(shape, vocabulary)),
            "a step": statistics.median([step() for _ in range(options.steps)]),
        }
        background = store(True)
        # The second save finds the buffers of the first, as all but the first do.
        for number, name in ((1, "first"), (2, "later")):
            background.save(commit(number), chunks, optimizer)
            meanwhile, saved = [], background.poll()
            while not saved:
                meanwhile.append(step())
                saved = background.poll()
            figures[f"training held by the {name} asynchronous save"] = saved[0].held
            figures[f"the {name} asynchronous save until it is whole"] = saved[0].taken
            figures[f"a step while the {name} one is written"] = statistics.median(meanwhile)
        held = store(False).save(commit(3), chunks, optimizer)
        figures["training held by a save that it waits for"] = held[0].held
        figures["bytes"] = float(held[0].bytes)
        for verify in ("full", "sizes"):
            started = time.perf_counter()
            store(False, verify).load(commit_of(directory, 3), chunks, optimizer)
            figures[f"loading, verify: {verify}"] = time.perf_counter() - started
    return figures


def commit_of(directory: Path, step: int) -> Any:
    from hanji.training.checkpoint.record import directory_name, read_commit

    return read_commit(directory / "checkpoints" / directory_name(step))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("ranks", 2), ("layers", 8), ("hidden", 768), ("steps", 6), ("port", 29_517)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--directory", default=None, help="where to write (default: a temporary directory)")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        ranks = [
            context.Process(target=work, args=(rank, options, directory, answer))
            for rank in range(options.ranks)
        ]
        for process in ranks:
            process.start()
        figures = answer.get(timeout=1800)
        for process in ranks:
            process.join()
    print(f"{figures.pop('parameters') / 1e6:.0f}M parameters, {options.ranks} ranks, ", end="")
    print(f"{figures.pop('bytes') / 1e9:.2f} GB a checkpoint\n\n| what | seconds |\n|---|---|")
    for name, seconds in figures.items():
        print(f"| {name} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
