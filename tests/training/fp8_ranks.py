"""A tiny model in FP8 (emulated): one rank, and two that share its tensors, with and without sequence parallelism.

    OMP_NUM_THREADS=1 python tests/training/fp8_ranks.py FIGURES.json

Torch and Megatron are imported once and the ranks of each layout are forked from there.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from layout_ranks import gather_gradient_shards, gather_whole, mean_loss, relative

from hanji.training.cpu import prepare_import, without_cuda
from hanji.training.gpu.setup import Fp8, synthetic_batches
from hanji.training.loop.forward import run_micro_batches
from hanji.training.loop.layout import Layout, laid_out
from hanji.training.loop.objective import NextToken
from hanji.training.loop.optimizer import build_optimizer, connect, wrap_data_parallel
from hanji.training.loop.shadow import Shadow
from hanji.training.model.build import build_model
from hanji.training.model.fp8 import fp8_linears, linears_of, weights_stay
from hanji.training.model.shape import ModelShape
from hanji.training.parallel import ParallelSettings
from hanji.training.recipe import OptimizerSettings, ShadowSettings

VOCABULARY = 100
# One layer: where numbers are rounded otherwise in one element, later layers would carry that to all.
SHAPE = ModelShape(
    layers=1, hidden=256, ffn=512, heads=8, kv_heads=4, head_dim=64, tied=True, init_std=0.06, seq_length=64
)
LAYOUTS = (
    ParallelSettings(),
    ParallelSettings(tensor=2),
    ParallelSettings(tensor=2, sequence=True),
)
RECIPES = ("tensorwise", "delayed", "blockwise")


def compute(recipe: Any, parallel: ParallelSettings, layout: Layout) -> dict[str, Any] | None:
    """Two passes of a step each: loss, gradients, what delayed scaling has seen, and a shadow's entry."""
    model = build_model(
        SHAPE,
        VOCABULARY,
        parallel,
        bf16=False,
        seed=3,
        spec="torch",
        linears_of=linears_of(Fp8(recipe), SHAPE.layers),
    )
    chunks = wrap_data_parallel([model])
    optimizer = build_optimizer(chunks, OptimizerSettings(), 1e-3, bf16=False)
    connect(chunks, optimizer)
    objective = NextToken(VOCABULARY, z_loss=0.0)
    shadow = Shadow(ShadowSettings(every=1), chunks, objective, layout)
    batches = synthetic_batches(SHAPE, VOCABULARY, 2, 2)
    for step in (1, 2):
        for chunk in chunks:
            chunk.zero_grad_buffer()
        with shadow.watching(step), weights_stay(chunks):
            results = run_micro_batches(chunks, objective, batches, layout, forward_only=False)
    shadow.compare(2, batches, results)
    entry = shadow.take()
    gather_gradient_shards(chunks)
    gradients = gather_whole(chunks, of_gradients=True)
    loss = mean_loss(results, layout)
    histories = {
        name: fp8.history.tolist()
        for name, fp8 in fp8_linears(chunks).items()
        if fp8.history is not None and recipe == "delayed"
    }
    everyone: list[Any] = [None] * layout.ranks
    dist.all_gather_object(everyone, histories)
    if gradients is None:
        return None
    assert entry is not None
    return {
        "loss": loss,
        "gradients": gradients[0],
        "histories": everyone,
        "shadow": {"difference": entry["difference"], "layers": sorted(entry["layers"])},
    }


def rank(number: int, parallel: ParallelSettings, directory: str) -> None:
    """One rank; rank 0 writes what all recipes gave."""
    store = dist.FileStore(f"{directory}/store", parallel.ranks)
    dist.init_process_group("gloo", store=store, rank=number, world_size=parallel.ranks)
    with without_cuda(), laid_out(parallel, 1, torch.device("cpu")) as layout:
        answers = {recipe: compute(recipe, parallel, layout) for recipe in RECIPES}
    if number == 0:
        torch.save(answers, f"{directory}/answers.pt")
    # The other ranks may still be in the last collective.
    dist.barrier()
    os._exit(0)


def measured(parallel: ParallelSettings) -> dict[str, Any]:
    """Fork the ranks of a layout and give what rank 0 has found. Raises RuntimeError when one fails."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as directory:
        ranks = [
            context.Process(target=rank, args=(n, parallel, directory), daemon=True)
            for n in range(parallel.ranks)
        ]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join(120)
        if any(process.exitcode for process in ranks):
            raise RuntimeError(f"exit codes {[process.exitcode for process in ranks]}")
        answers: dict[str, Any] = torch.load(f"{directory}/answers.pt", weights_only=False)
    return answers


def main(path: str) -> None:
    """Write how far each layout is from one rank."""
    prepare_import()
    import megatron.core.models.gpt  # noqa: F401 - imported once, for all ranks

    one, *others = [measured(parallel) for parallel in LAYOUTS]
    figures = []
    for parallel, answers in zip(LAYOUTS[1:], others, strict=True):
        for recipe in RECIPES:
            ours, theirs = answers[recipe], one[recipe]
            gradients = theirs["gradients"]
            amaxes = [[np.array(h[key]) for h in ours["histories"]] for key in theirs["histories"][0]]
            alone = [np.array(value) for value in theirs["histories"][0].values()]
            figures.append(
                {
                    "layout": parallel.description,
                    "recipe": recipe,
                    "loss": abs(ours["loss"] / theirs["loss"] - 1),
                    "gradient": max(relative(ours["gradients"][key], gradients[key]) for key in gradients),
                    "histories": len(alone),
                    "amax": max(
                        (
                            float(abs(a / b - 1).max())
                            for rows, b in zip(amaxes, alone, strict=True)
                            for a in rows
                        ),
                        default=None,
                    ),
                    "shadow": ours["shadow"],
                    "shadow_alone": theirs["shadow"],
                }
            )
    Path(path).write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
