"""Imported models in several layouts: their logits, and what is saved of them.

    python tests/training/huggingface_ranks.py DIRECTORY

DIRECTORY/imported holds checkpoints, DIRECTORY/tokens.npy token ids [b, s]. For each layout and checkpoint this
writes logits/LAYOUT/MODEL-RANK.npy (fp32, each tensor rank's columns) and saved/LAYOUT/MODEL, a checkpoint with
the same record. Torch and Megatron are imported once and the ranks are forked from there.
"""

from __future__ import annotations

import importlib
import multiprocessing
import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from hanji.training.checkpoint.files import write_shards
from hanji.training.checkpoint.state import model_state
from hanji.training.checkpoint.store import begin_from, seal
from hanji.training.cpu import prepare_import, without_cuda
from hanji.training.data.batches import MicroBatch
from hanji.training.huggingface.records import open_checkpoint
from hanji.training.loop.forward import run_micro_batches
from hanji.training.loop.layout import Layout, laid_out
from hanji.training.loop.objective import Batch, NextToken
from hanji.training.model.build import build_model
from hanji.training.parallel import ParallelSettings

LAYOUTS = {
    "one": ParallelSettings(),
    "tensor": ParallelSettings(tensor=2, sequence=True),
    "pipeline": ParallelSettings(pipeline=2),
    "interleaved": ParallelSettings(pipeline=2, virtual_pipeline=2),
}


def answer(directory: Path, name: str, model: str, parallel: ParallelSettings, layout: Layout) -> None:
    """Load the weights into random ones, compute logits, save."""
    source = open_checkpoint(directory / "imported" / model)
    chunks = [
        build_model(
            source.shape, source.vocab_size, parallel, bf16=False, seed=5, spec="torch",
            vp_stage=stage if layout.chunks > 1 else None,
        )
        for stage in range(layout.chunks)
    ]  # fmt: skip
    begin_from(source.directory, chunks)
    tokens = np.load(directory / "tokens.npy")
    positions = np.broadcast_to(np.arange(tokens.shape[1]), tokens.shape)
    rows = [
        MicroBatch(row, row, np.ones(row.shape, np.float32), place, np.zeros(1, np.int64))
        for row, place in zip(tokens[:, None], positions[:, None].copy(), strict=True)
    ]
    found: list[torch.Tensor] = []

    def look(output: torch.Tensor, batch: Batch) -> None:
        found.append(output.detach().float().cpu())

    with torch.no_grad():
        run_micro_batches(
            chunks, NextToken(source.vocab_size, 0.0), rows, layout, forward_only=True, look=look
        )
    if layout.last_stage:
        place = directory / "logits" / name
        place.mkdir(parents=True, exist_ok=True)
        np.save(place / f"{model}-{layout.tensor_rank}.npy", torch.cat(found).numpy())
    target = directory / "saved" / name / model
    if layout.is_main:
        target.mkdir(parents=True)
    dist.barrier()
    shards, blobs = model_state(chunks)
    mine = [shard for shard in shards if shard.main], [blob for blob in blobs if blob.main]
    files = [write_shards(target / f"__{layout.rank}_0.distcp", *mine)] * layout.ranks
    dist.all_gather_object(files, files[0])
    if layout.is_main:
        seal(target, source.commit, files)


def loaded_by_megatron(directory: Path, model: str, parallel: ParallelSettings) -> None:
    """Load an imported checkpoint through megatron.core.dist_checkpointing and compare with what ours loads."""
    from megatron.core import dist_checkpointing
    from megatron.core.dist_checkpointing.mapping import ShardedObject

    source = open_checkpoint(directory / "imported" / model)
    ours, theirs = (
        build_model(source.shape, source.vocab_size, parallel, bf16=False, seed=seed, spec="torch")
        for seed in (5, 6)
    )
    begin_from(source.directory, [ours])
    described = {k: v for k, v in theirs.sharded_state_dict().items() if not isinstance(v, ShardedObject)}
    theirs.load_state_dict(dist_checkpointing.load(described, str(source.directory)), strict=False)
    for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert torch.equal(a, b), name


def run_rank(rank: int, directory: Path, models: list[str]) -> None:
    with without_cuda():
        for ranks in (1, 2):
            if rank >= ranks:
                continue
            dist.init_process_group(
                "gloo", init_method=f"file://{directory}/store-{ranks}", rank=rank, world_size=ranks,
                timeout=timedelta(minutes=2),
            )  # fmt: skip
            for name, parallel in LAYOUTS.items():
                if parallel.ranks == ranks:
                    with laid_out(parallel, 3, torch.device("cpu")) as layout:
                        for model in models:
                            answer(directory, name, model, parallel, layout)
                        if name == "tensor":
                            loaded_by_megatron(directory, models[0], parallel)
            dist.destroy_process_group()


def main(directory: Path) -> int:
    prepare_import()
    importlib.import_module("megatron.core.models.gpt")
    models = sorted(path.name for path in (directory / "imported").iterdir())
    forking = multiprocessing.get_context("fork")
    processes = [forking.Process(target=run_rank, args=(rank, directory, models)) for rank in range(2)]
    for process in processes:
        process.start()
    # A rank that fails leaves the other waiting for it.
    while any(process.is_alive() for process in processes):
        if any(process.exitcode for process in processes):
            for process in processes:
                process.kill()
        time.sleep(0.05)
    return int(any(process.exitcode for process in processes))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
