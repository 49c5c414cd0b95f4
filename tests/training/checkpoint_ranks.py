"""Checkpoints among ranks: saved in one layout, loaded in others, while training goes on, and cut off.

    python tests/training/checkpoint_ranks.py DIRECTORY

prints one JSON object with what was found. Torch and Megatron are imported once and ranks are forked from there,
as in layout_ranks.py, whose model and micro-batches these are.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import layout_ranks as tiny
import torch
import torch.distributed as dist

from hanji.errors import RunError
from hanji.training.checkpoint.loading import load_weights, open_checked
from hanji.training.checkpoint.manifest import read_manifest
from hanji.training.checkpoint.record import Commit, read_commit
from hanji.training.checkpoint.shards import Blob
from hanji.training.checkpoint.store import Checkpoints, begin_from
from hanji.training.cpu import without_cuda
from hanji.training.loop.forward import run_micro_batches
from hanji.training.loop.layout import Layout, laid_out
from hanji.training.loop.objective import NextToken
from hanji.training.loop.optimizer import (
    build_optimizer,
    connect,
    set_learning_rate,
    wrap_data_parallel,
)
from hanji.training.model.build import build_model
from hanji.training.parallel import ParallelSettings
from hanji.training.recipe import CheckpointSettings

NORM = "decoder.final_layernorm.weight"
RATE = 1e-2
STEPS = 3
"""Before the checkpoint; and two after it."""
ORIGINS = {
    "fp32": ParallelSettings(tensor=2, data=2),
    "bf16": ParallelSettings(data=2, context=2),
}
LAYOUTS = {
    "tensor 2 × data 2": ParallelSettings(tensor=2, data=2),
    "data 2 × context 2": ParallelSettings(data=2, context=2),
    "one rank": ParallelSettings(),
    "data 4": ParallelSettings(data=4),
    "pipeline 2 in 2 chunks × data 2": ParallelSettings(pipeline=2, virtual_pipeline=2, data=2),
    "context 2 × tensor 2, sequence": ParallelSettings(context=2, tensor=2, sequence=True),
    "tensor 4, sequence": ParallelSettings(tensor=4, sequence=True),
    "pipeline 4": ParallelSettings(pipeline=4),
    "pipeline 2 × tensor 2": ParallelSettings(pipeline=2, tensor=2),
    "context 4": ParallelSettings(context=4),
}
FEW = {
    "fp32": [name for name in list(LAYOUTS)[:6] if name not in ("data 2 × context 2", "data 4")],
    "bf16": ["data 2 × context 2", "pipeline 2 × tensor 2"],
}
"""The layouts of the quick test; the slow one takes up each checkpoint in all of them."""


@dataclass
class Training:
    """A model in training on this rank."""

    chunks: list[Any]
    optimizer: Any
    layout: Layout

    def steps(self, count: int) -> list[float]:
        """Losses of optimizer steps, all on the same eight rows."""
        variant = tiny.Variant(within=False, tied=True, micro_size=1, rows=8, layers=4)
        losses = []
        for _ in range(count):
            for chunk in self.chunks:
                chunk.zero_grad_buffer()
            self.optimizer.zero_grad()
            batches = tiny.micro_batches(variant, self.layout.data_rank, self.layout.data_ranks)
            results = run_micro_batches(
                self.chunks, NextToken(tiny.VOCABULARY, 0.0), batches, self.layout, forward_only=False
            )
            set_learning_rate(self.optimizer, RATE)
            self.optimizer.step()
            losses.append(tiny.mean_loss(results, self.layout))
        return losses


def begin(
    parallel: ParallelSettings, layout: Layout, *, bf16: bool = False, seed: int = 3, layers: int = 4
) -> Training:
    chunks = wrap_data_parallel(
        [
            build_model(
                tiny.shape_of(tied=True, layers=layers),
                tiny.VOCABULARY,
                parallel,
                bf16=bf16,
                seed=seed,
                vp_stage=stage if layout.chunks > 1 else None,
                spec="torch",
            )
            for stage in range(layout.chunks)
        ]
    )
    optimizer = build_optimizer(chunks, tiny.SETTINGS, RATE, bf16=bf16)
    connect(chunks, optimizer)
    return Training(chunks, optimizer, layout)


def commit_of(step: int, *, stage_end: bool = False) -> Commit:
    return Commit(
        step=step, stage="one", stage_step=step, stage_end=stage_end, consumed={}, recipe="", identity={},
        manifest_sha256="", ranks=0, family={"hash": "0", "name": "tiny", "kind": "pretraining", "step": step},
    )  # fmt: skip


def digests(directory: Path) -> dict[str, str]:
    """Digest of every tensor of a checkpoint."""
    commit = read_commit(directory)
    manifest = read_manifest(directory, commit.contents, commit.step, "")
    return {key: entry.digest for key, entry in manifest.tensors.items()}


def checkpoints(directory: Path, layout: Layout, **settings: Any) -> Checkpoints:
    return Checkpoints(str(directory), CheckpointSettings(**settings), layout)


@contextmanager
def ranks_of(parallel: ParallelSettings, rank: int, directory: Path, name: str) -> Iterator[Layout | None]:
    """A layout on the first ranks; None on the others. All wait for one another at the end."""
    place = directory / f"group-{name.replace(' ', '-')}"
    place.mkdir(exist_ok=True)
    if rank >= parallel.ranks:
        yield None
        return
    with tiny.joined(parallel.ranks, rank, str(place)) as device, laid_out(parallel, 3, device) as layout:
        yield layout


def saved_and_taken_up(rank: int, directory: Path) -> dict[str, Any]:
    """A run of five steps in one layout with a checkpoint after three, taken up in every layout."""
    found: dict[str, Any] = {}
    for origin, parallel in ORIGINS.items():
        bf16 = origin == "bf16"
        run = directory / origin
        with ranks_of(parallel, rank, directory, origin) as layout:
            if layout is not None:
                training = begin(parallel, layout, bf16=bf16)
                training.steps(STEPS)
                other = checkpoints(directory / f"{origin}-held", layout, asynchronous=False)
                held = other.save(commit_of(STEPS), training.chunks, training.optimizer)
                store = checkpoints(run, layout)
                begun = store.save(commit_of(STEPS), training.chunks, training.optimizer)
                # Steps while it is being written; nothing is whole before a poll says so.
                losses = training.steps(2)
                finished = store.finish()
                store.save(commit_of(STEPS + 2), training.chunks, training.optimizer)
                store.finish()
                if rank == 0:
                    found[origin] = {
                        "losses": losses,
                        "begun": len(begun),
                        "held": [held[0].step, held[0].held > 0],
                        "finished": [saved.step for saved in finished],
                        "copies_equal": digests(other._local("step-00000003"))
                        == digests(store._local("step-00000003")),
                        "moved_on": digests(store._local("step-00000003"))
                        != digests(store._local("step-00000005")),
                        "layouts": {},
                    }
        for name in LAYOUTS if "--all" in sys.argv else FEW[origin]:
            parallel = LAYOUTS[name]
            with ranks_of(parallel, rank, directory, f"{origin} {name}") as layout:
                if layout is None:
                    continue
                # Other weights and moments, so that what is right afterwards has been loaded.
                training = begin(parallel, layout, bf16=bf16, seed=4)
                training.steps(1)
                store = checkpoints(run, layout)
                record = store.committed()[0]
                random = store.load(record, training.chunks, training.optimizer)
                again = checkpoints(directory / f"{origin}-{name}", layout)
                again.save(commit_of(STEPS), training.chunks, training.optimizer)
                losses = training.steps(2)
                again.save(commit_of(STEPS + 2), training.chunks, training.optimizer)
                again.finish()
                if rank == 0:
                    first, last = again._local("step-00000003"), again._local("step-00000005")
                    found[origin]["layouts"][name] = {
                        "random": random,
                        "losses": losses,
                        "loaded_equal": digests(first) == digests(run / "checkpoints/step-00000003"),
                        "trained_equal": digests(last) == digests(run / "checkpoints/step-00000005"),
                        "optimizer_step": read_commit(first).optimizer_step,
                    }
    return found


def on_two_ranks(rank: int, directory: Path) -> dict[str, Any]:
    """What is kept, what is refused, a disk that is full on one rank, and weights that begin another run."""
    parallel = ParallelSettings(data=2)
    found: dict[str, Any] = {}
    with ranks_of(parallel, rank, directory, "two") as layout:
        assert layout is not None
        training = begin(parallel, layout)
        store = checkpoints(directory / "pruned", layout, every=1, keep=1, keep_every=4)
        for step in range(1, 7):
            training.steps(1)
            store.save(commit_of(step, stage_end=step == 2), training.chunks, training.optimizer)
        store.finish()
        found["kept"] = [record.step for record in store.committed()]

        # The files of rank 1 may no longer grow beyond 30 kB; the checkpoint has more.
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        if rank == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
        found["full"] = refusal(lambda: save_and_train(store, training, 7))
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        found["left"] = sorted(path.name for path in (directory / "pruned/checkpoints").iterdir())
        store.load(store.committed()[-1], training.chunks, training.optimizer)
        store.save(commit_of(7), training.chunks, training.optimizer)
        store.finish()
        found["after"] = [record.step for record in store.committed()]

        other = begin(parallel, layout, layers=2)
        found["other model"] = refusal(
            lambda: store.load(store.committed()[-1], other.chunks, other.optimizer)
        )
        found["other begun"] = refusal(
            lambda: begin_from(directory / "pruned", other.chunks, other.optimizer)
        )

        parent = directory / "pruned/checkpoints/step-00000007"
        for name, bf16 in (("fp32", False), ("bf16", True)):
            child = begin(parallel, layout, bf16=bf16, seed=9)
            begin_from(parent, child.chunks, child.optimizer)
            kept = checkpoints(directory / f"child-{name}", layout, asynchronous=False)
            kept.save(commit_of(1), child.chunks, child.optimizer)
            ours, theirs = digests(kept._local("step-00000001")), digests(parent)
            zero = {key: value for key, value in ours.items() if "exp_avg" in key}
            main = "optimizer.state.param." if bf16 else ""
            found[f"child {name}"] = {
                "weights": all(ours[main + key] == theirs[key] for key in theirs if "exp_avg" not in key),
                "moments": any(zero[key] == theirs[key] for key in zero),
                "step": read_commit(kept._local("step-00000001")).optimizer_step,
            }
        # As if another value had been written than the one in memory.
        opened = open_checked(parent, read_commit(parent), "sizes", "")
        tensors = dict(opened.manifest.tensors)
        tensors[NORM] = replace(tensors[NORM], digest="0" * 16)
        stale = replace(opened, manifest=replace(opened.manifest, tensors=tensors))
        child = begin(parallel, layout, seed=9)
        found["stale"] = refusal(lambda: load_weights(stale, child.chunks))

        gathered: list[Any] = [None] * 2
        dist.all_gather_object(gathered, found["full"])
        found["full"] = gathered
    return found


def killed_while_writing(rank: int, directory: Path) -> None:
    """Both ranks are killed when rank 1 has begun to write a file that takes a while."""
    parallel = ParallelSettings(data=2)
    with ranks_of(parallel, rank, directory, "killed") as layout:
        assert layout is not None
        training = begin(parallel, layout)
        store = checkpoints(directory / "killed", layout)
        training.steps(1)
        store.save(commit_of(1), training.chunks, training.optimizer)
        store.finish()
        training.steps(1)
        # Something large beside the tensors: this model alone would be written before one can look.
        saver = store._saver
        begin_writing = saver.begin
        large = Blob(f"large/shard_{rank}_2", torch.zeros(1 << 26, dtype=torch.uint8), True)
        saver.begin = lambda place, shards, blobs, end: begin_writing(place, shards, [*blobs, large], end)  # type: ignore[method-assign]
        store.save(commit_of(2), training.chunks, training.optimizer)
        file = directory / "killed/checkpoints/step-00000002/__1_0.distcp"
        while not file.exists() or file.stat().st_size < 1 << 20:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGKILL)


def refusal(function: Any) -> str:
    """The message of the RunError that a function must raise."""
    try:
        function()
    except RunError as error:
        return str(error)
    raise AssertionError("it was not refused")


def save_and_train(store: Checkpoints, training: Training, step: int) -> None:
    store.save(commit_of(step), training.chunks, training.optimizer)
    training.steps(1)
    store.finish()


def read_by_megatron(rank: int, directory: Path) -> dict[str, Any]:
    """Megatron-Core's own loader, on one rank, of what four ranks have written."""
    from megatron.core import dist_checkpointing

    checkpoint = directory / "fp32/checkpoints/step-00000003"
    with ranks_of(ParallelSettings(), rank, directory, "megatron") as layout:
        assert layout is not None
        training = begin(ParallelSettings(), layout, seed=5)
        model = training.chunks[0].module
        loaded = dist_checkpointing.load(model.sharded_state_dict(), str(checkpoint))
        ours = begin(ParallelSettings(), layout, seed=6)
        begin_from(checkpoint, ours.chunks)
        return {
            name: bool(torch.equal(loaded[name], weight.detach()))
            for name, weight in ours.chunks[0].module.named_parameters()
        }


def main() -> int:
    directory = Path(sys.argv[1])
    found: dict[str, Any] = {
        "taken up": forked(saved_and_taken_up, directory, 4),
        "two": forked(on_two_ranks, directory, 2),
        "megatron": forked(read_by_megatron, directory, 1),
    }
    try:
        forked(killed_while_writing, directory, 2)
    except RuntimeError as error:
        found["killed"] = str(error)
    print(json.dumps(found))
    return 0


def forked(test: Any, directory: Path, ranks: int) -> Any:
    """Run a function on forked ranks; what it returned on rank 0. Raises RuntimeError when a rank fails."""
    answer = directory / f"{test.__name__}.json"

    def work(rank: int) -> None:
        with without_cuda():
            result = test(rank, directory)
        if rank == 0:
            answer.write_text(json.dumps(result), encoding="utf-8")

    context = tiny.multiprocessing.get_context("fork")
    processes = [context.Process(target=work, args=(rank,)) for rank in range(ranks)]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        if any(process.exitcode for process in processes):
            for process in processes:
                process.kill()
        time.sleep(0.05)
    failed = [rank for rank, process in enumerate(processes) if process.exitcode]
    if failed:
        raise RuntimeError(f"{test.__name__}: ranks {failed} failed")
    return json.loads(answer.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
