"""One tiny model in every layout, compared with one rank: loss, gradients, gradient norm and the step.

    OMP_NUM_THREADS=1 python tests/training/layout_ranks.py 2 4 [8]

prints a table; ``--json FILE`` also writes the figures. Torch and Megatron are imported once and the ranks of each
layout are forked from there, so that all layouts take one start. (New ranks for each: Megatron's models and groups
are never freed, and each group of gloo has threads.) Gloo on the CPU; NCCL where there are as many GPUs as ranks.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from hanji.errors import RecipeError
from hanji.training.cpu import prepare_import, without_cuda
from hanji.training.data.batches import MicroBatch, document_numbers
from hanji.training.data.packing import Packing
from hanji.training.loop.forward import run_micro_batches, sum_over_ranks
from hanji.training.loop.layout import Layout, laid_out
from hanji.training.loop.objective import NextToken
from hanji.training.loop.optimizer import build_optimizer, connect, set_learning_rate, wrap_data_parallel
from hanji.training.model.build import build_model
from hanji.training.model.initialise import _shards
from hanji.training.model.shape import ModelShape
from hanji.training.parallel import ParallelSettings, check_layout
from hanji.training.recipe import OptimizerSettings

VOCABULARY, EOD = 100, 99
SEQUENCE = 32
SETTINGS = OptimizerSettings(eps=1e-5)
"""Adam divides a gradient by its own size plus eps. These gradients are 1e-2, but single elements 1e-8, where the
sum that they come from is rounded at 1e-9; with the usual eps of 1e-8 a tenth of a step would be rounding."""
RATE = 2e-4


def shape_of(tied: bool, layers: int = 4, kv_heads: int = 4) -> ModelShape:
    """Grouped queries, a vocabulary that is padded (100 to 128), weights large enough for sharp attention."""
    return ModelShape(
        layers=layers, hidden=32, ffn=64, heads=8, kv_heads=kv_heads, head_dim=8, tied=tied, rope_theta=1000.0,
        init_std=0.1, seq_length=SEQUENCE,
    )  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """What is computed in a layout: where attention ends, the rows of a micro-batch and of the whole batch, and
    which model."""

    within: bool
    tied: bool
    micro_size: int
    rows: int
    layers: int
    kv_heads: int = 4
    bf16: bool = False
    reset: bool = False
    """Whether positions begin anew in each document, which changes nothing within documents."""

    def at_once(self) -> Variant:
        """The same with all rows in one micro-batch and positions of the row: it changes nothing in the answer."""
        return replace(self, micro_size=self.rows, reset=False)


@dataclass(frozen=True)
class Answer:
    """Loss with and (of tied models) without a backward pass, Megatron's gradient norm, whole gradients and
    weights after the step."""

    loss: float
    forward_loss: float | None
    norm: float
    gradients: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    spread: float
    """Largest relative difference between ranks that should hold the same part of a gradient or weight."""


@dataclass(frozen=True)
class Difference:
    """A layout against one rank: |x - x'| / |x| of the loss and the norm, and of gradients and stepped weights
    the largest ‖x - x'‖ / ‖x‖ of any tensor (``worst`` names the gradient's). ``spread`` is that of any two ranks
    that hold the same part of a tensor."""

    ranks: int
    layout: str
    variant: str
    loss: float
    forward_loss: float | None
    norm: float
    gradient: float
    worst: str
    weights: float
    spread: float
    seconds: float
    answer: float
    """The loss of one rank."""


def make_rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens [count, 33] with documents of 1 to 30 tokens, and a mask [count, 32] that leaves out more in later
    rows."""
    generator = np.random.default_rng(7)
    tokens = generator.integers(0, EOD, (count, SEQUENCE + 1))
    mask = np.ones((count, SEQUENCE), np.float32)
    for row in range(count):
        place = int(generator.integers(0, 12))
        # One row is a part of a single document.
        while place <= SEQUENCE and row != 2:
            tokens[row, place] = EOD
            place += int(generator.integers(1, 30 if row % 2 else 9))
        mask[row, : 7 * row] = generator.random(mask[row, : 7 * row].size) < 0.5
    return tokens, mask


def micro_batches(variant: Variant, rank: int, ranks: int) -> list[MicroBatch]:
    """The rows of a data-parallel rank, as training deals them."""
    tokens, mask = make_rows(variant.rows)
    share = variant.rows // ranks
    packing = Packing(EOD, reset=variant.reset)
    batches = []
    for first in range(rank * share, (rank + 1) * share, variant.micro_size):
        chosen = slice(first, first + variant.micro_size)
        inputs = tokens[chosen, :-1]
        batches.append(
            MicroBatch(
                tokens=inputs,
                labels=tokens[chosen, 1:],
                mask=mask[chosen],
                positions=packing.positions(packing.begins(inputs)),
                component=np.zeros(variant.micro_size, np.int64),
                documents=document_numbers(inputs, EOD) if variant.within else None,
            )
        )
    return batches


def layouts(ranks: int) -> Iterator[ParallelSettings]:
    """Every layout of so many ranks."""
    sizes = [n for n in range(1, ranks + 1) if ranks % n == 0]
    for tensor in sizes:
        for pipeline in sizes:
            for context in sizes:
                if ranks % (tensor * pipeline * context):
                    continue
                data = ranks // (tensor * pipeline * context)
                for sequence in (False, True) if tensor > 1 else (False,):
                    for chunks in (1, 2) if pipeline > 1 else (1,):
                        yield ParallelSettings(
                            tensor=tensor, sequence=sequence, pipeline=pipeline, virtual_pipeline=chunks,
                            context=context, data=data,
                        )  # fmt: skip


def variants(parallel: ParallelSettings) -> list[Variant]:
    """Packed and not, tied and not, in micro-batches of four rows, two and one, as far as the layout allows.

    On two ranks once in bf16 too, whose messages gloo must carry.
    """
    layers = max(parallel.pipeline * parallel.virtual_pipeline, 2 if parallel.pipeline == 1 else 4)
    rows, kv_heads = max(4, parallel.ranks), max(4, parallel.tensor)
    found = []
    for within, tied, largest in ((False, True, 1), (False, False, 2), (True, False, 2), (True, True, 4)):
        shape = shape_of(tied, layers, kv_heads)
        sizes = [n for n in (4, 2, 1) if n <= largest and fits(parallel, shape, rows, n)]
        reset = within and tied
        found += [Variant(within, tied, size, rows, layers, kv_heads, reset=reset) for size in sizes[:1]]
    if parallel.ranks == 2:
        found.append(Variant(True, True, 1, rows, layers, kv_heads, bf16=True))
    return found


def fits(parallel: ParallelSettings, shape: ModelShape, rows: int, micro_size: int) -> bool:
    """Whether a recipe may ask for this."""
    try:
        check_layout(parallel, shape, vocabulary_multiple=128, global_size=rows, micro_size=micro_size)
    except RecipeError:
        return False
    return True


def compute(variant: Variant, parallel: ParallelSettings, layout: Layout) -> Answer | None:
    """One optimizer step in this layout; the whole answer on rank 0."""
    shape = shape_of(variant.tied, variant.layers, variant.kv_heads)
    chunks = wrap_data_parallel(
        [
            build_model(
                shape,
                VOCABULARY,
                parallel,
                bf16=variant.bf16,
                seed=3,
                vp_stage=stage,
                spec="torch",
            )
            for stage in layout.stages
        ]
    )
    optimizer = build_optimizer(chunks, SETTINGS, RATE, bf16=variant.bf16)
    connect(chunks, optimizer)
    objective = NextToken(VOCABULARY, z_loss=0.01, reset_positions=variant.reset)
    batches = micro_batches(variant, layout.data_rank, layout.data_ranks)
    forward_loss = None
    if variant.tied:
        with torch.no_grad():
            looked = run_micro_batches(chunks, objective, batches, layout, forward_only=True)
        forward_loss = mean_loss(looked, layout)
    for chunk in chunks:
        chunk.zero_grad_buffer()
    optimizer.zero_grad()
    results = run_micro_batches(chunks, objective, batches, layout, forward_only=False)
    gather_gradient_shards(chunks)
    gradients = gather_whole(chunks, of_gradients=True)
    set_learning_rate(optimizer, RATE)
    _, norm, _ = optimizer.step()
    weights = gather_whole(chunks, of_gradients=False)
    loss = mean_loss(results, layout)
    if gradients is None or weights is None:
        return None
    return Answer(loss, forward_loss, float(norm), gradients[0], weights[0], max(gradients[1], weights[1]))


def mean_loss(results: Sequence[dict[str, torch.Tensor]], layout: Layout) -> float:
    sums = torch.zeros(2, dtype=torch.float64, device=layout.device)
    for result in results:
        sums += torch.stack([result["loss"].double(), result["tokens"].double()])
    loss, tokens = sum_over_ranks(sums, layout).tolist()
    return float(loss / tokens)


def gather_gradient_shards(chunks: Sequence[Any]) -> None:
    """Each data- and context-parallel rank has reduced its own shard of each buffer: give all shards to all."""
    from megatron.core import parallel_state

    group = parallel_state.get_data_parallel_group(with_context_parallel=True)
    for chunk in chunks:
        for buffer in chunk.buffers:
            for bucket in buffer.buckets:
                size = bucket.grad_data.numel() // group.size()
                mine = bucket.grad_data[group.rank() * size : (group.rank() + 1) * size].clone()
                dist.all_gather_into_tensor(bucket.grad_data, mine, group=group)


def gather_whole(chunks: Sequence[Any], *, of_gradients: bool) -> tuple[dict[str, np.ndarray], float] | None:
    """Gradients or weights by checkpoint key (and layer), put together on rank 0 from the parts of all ranks.

    Also the largest relative difference between ranks that hold the same part. The checkpoint's description
    of a model says which rank holds which part of which tensor; gradients borrow it by taking the weights' place.
    """
    parts = []
    for chunk in chunks:
        weights = list(chunk.module.parameters())
        kept = [weight.detach().clone() for weight in weights]
        if of_gradients:
            for weight in weights:
                weight.data.copy_(weight.main_grad)
        for shard in _shards(chunk.module):
            if shard.data is None:
                continue
            axes = shard.prepend_axis_num
            place = ".".join(str(offset) for offset in shard.global_offset[:axes])
            key = f"{shard.key}@{place}" if place else shard.key
            whole_shape, offset = shard.global_shape[axes:], shard.global_offset[axes:]
            parts.append((key, whole_shape, offset, shard.data.detach().float().cpu().numpy().copy()))
        for weight, value in zip(weights, kept, strict=True):
            weight.data.copy_(value)
    everyone: list[Any] | None = [None] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(parts, everyone, dst=0)
    if everyone is None:
        return None
    whole: dict[str, np.ndarray] = {}
    spread = 0.0
    for key, whole_shape, offset, part in (part for ranks in everyone for part in ranks):
        tensor = whole.setdefault(key, np.full(whole_shape, np.nan, np.float32))
        view = tensor[tuple(slice(o, o + n) for o, n in zip(offset, part.shape, strict=True))]
        if not np.isnan(view).any():
            spread = max(spread, relative(part, view))
        view[...] = part
    holes = [key for key, tensor in whole.items() if np.isnan(tensor).any()]
    if holes:
        raise RuntimeError(f"no rank has the whole of {', '.join(holes)}")
    return whole, spread


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    """‖ours − theirs‖ / ‖theirs‖, 0 where both are zero."""
    scale = float(np.linalg.norm(theirs.astype(np.float64)))
    difference = float(np.linalg.norm(ours.astype(np.float64) - theirs))
    return difference / scale if scale else difference


def compare(
    ours: Answer, theirs: Answer, variant: Variant, parallel: ParallelSettings, seconds: float
) -> Difference:
    """Raises RuntimeError when they do not have the same tensors."""
    if ours.gradients.keys() != theirs.gradients.keys():
        raise RuntimeError(f"other tensors: {ours.gradients.keys() ^ theirs.gradients.keys()}")
    by_key = {key: relative(ours.gradients[key], theirs.gradients[key]) for key in theirs.gradients}
    worst = max(by_key, key=lambda key: by_key[key])
    return Difference(
        ranks=parallel.ranks,
        layout=parallel.description,
        variant=f"{'within' if variant.within else 'across'} documents, micro-batch {variant.micro_size}, "
        f"{'tied' if variant.tied else 'untied'}{', bf16' if variant.bf16 else ''}",
        loss=abs(ours.loss / theirs.loss - 1),
        forward_loss=None if ours.forward_loss is None else abs(ours.forward_loss / theirs.loss - 1),
        norm=abs(ours.norm / theirs.norm - 1),
        gradient=by_key[worst],
        worst=worst,
        weights=max(relative(ours.weights[key], theirs.weights[key]) for key in theirs.weights),
        spread=ours.spread,
        seconds=seconds,
        answer=theirs.loss,
    )


@contextmanager
def joined(ranks: int, rank: int, directory: str) -> Iterator[torch.device]:
    """A process group of the first ``ranks`` processes, who meet in a directory where so many have not met yet."""
    cuda = torch.cuda.is_available() and torch.cuda.device_count() >= ranks
    if cuda:
        torch.cuda.set_device(rank)
    dist.init_process_group(
        "nccl" if cuda else "gloo",
        init_method=f"file://{directory}/store-{ranks}",
        rank=rank,
        world_size=ranks,
        timeout=timedelta(minutes=5),
    )
    try:
        yield torch.device("cuda", rank) if cuda else torch.device("cpu")
    finally:
        dist.destroy_process_group()


def run_rank(
    rank: int, parallel: ParallelSettings, chosen: Sequence[Variant], directory: str, name: str
) -> None:
    """One rank of a layout: rank 0 leaves the answers and their seconds in DIRECTORY/NAME."""
    torch.set_num_threads(1)
    place = Path(directory) / f"{name}-ranks"
    place.mkdir(exist_ok=True)
    answers = {}
    with (
        without_cuda(),
        joined(parallel.ranks, rank, str(place)) as device,
        laid_out(parallel, 3, device) as layout,
    ):
        for variant in chosen:
            started = time.perf_counter()
            answers[variant] = compute(variant, parallel, layout), time.perf_counter() - started
    if rank == 0:
        (Path(directory) / name).write_bytes(pickle.dumps(answers))


def answers_of(
    parallel: ParallelSettings, chosen: Sequence[Variant], directory: str, name: str
) -> dict[Variant, tuple[Answer, float]]:
    """Fork the ranks of a layout and bring back what rank 0 has. Raises RuntimeError when a rank fails."""
    forking = multiprocessing.get_context("fork")
    processes = [
        forking.Process(target=run_rank, args=(rank, parallel, chosen, directory, name))
        for rank in range(parallel.ranks)
    ]
    for process in processes:
        process.start()
    try:
        # A rank that fails leaves the others waiting for it.
        while any(process.is_alive() for process in processes):
            if any(process.exitcode for process in processes):
                break
            wait([process.sentinel for process in processes if process.is_alive()], timeout=1)
    finally:
        for process in processes:
            process.kill()
            process.join()
    failed = [rank for rank, process in enumerate(processes) if process.exitcode]
    if failed:
        raise RuntimeError(f"{parallel.description}: ranks {failed} failed")
    answers: dict[Variant, tuple[Answer, float]] = pickle.loads((Path(directory) / name).read_bytes())
    return answers


def measure(worlds: Sequence[int]) -> list[Difference]:
    """Every layout of these numbers of ranks, compared with one rank."""
    prepare_import()
    importlib.import_module("hanji.training.model.spec")
    os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "1")
    every = [parallel for ranks in worlds for parallel in layouts(ranks)]
    wanted = list({variant.at_once(): None for parallel in every for variant in variants(parallel)})
    differences = []
    with tempfile.TemporaryDirectory() as directory:
        one = answers_of(ParallelSettings(), wanted, directory, "one")
        for number, parallel in enumerate(every):
            answers = answers_of(parallel, variants(parallel), directory, f"layout-{number}")
            for variant, (answer, seconds) in answers.items():
                reference, _ = one[variant.at_once()]
                differences.append(compare(answer, reference, variant, parallel, seconds))
    return differences


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare every layout of so many ranks with one rank.")
    parser.add_argument("worlds", nargs="+", type=int, help="numbers of ranks, for example 2 4")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    differences = measure(options.worlds)
    if options.json:
        options.json.write_text(json.dumps([asdict(d) for d in differences], indent=1) + "\n", "utf-8")
    print(f"{'layout':58}{'loss':>9}{'gradient':>10}{'norm':>9}{'weights':>9}{'spread':>9}{'s':>6}")
    for layout in dict.fromkeys((d.ranks, d.layout) for d in differences):
        mine = [d for d in differences if (d.ranks, d.layout) == layout and not d.variant.endswith("bf16")]
        worst = [max(getattr(d, f) for d in mine) for f in ("loss", "gradient", "norm", "weights", "spread")]
        figures = "".join(f"{value:>{10 if i == 1 else 9}.1e}" for i, value in enumerate(worst))
        print(f"{layout[0]} ranks: {layout[1]:49}{figures}{sum(d.seconds for d in mine):6.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
