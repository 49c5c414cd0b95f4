"""Checkpoints among ranks: saved in one layout, loaded in others, while training goes on, and cut off.

    python tests/training/checkpoint_ranks.py DIRECTORY

prints one JSON object with what was found. Torch and Megatron are imported once and ranks are forked from there,
as in layout_ranks.py, whose model and micro-batches these are.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import layout_ranks as tiny

from hanji.training.checkpoint.manifest import Manifest, read_manifest
from hanji.training.checkpoint.record import Commit, read_commit
from hanji.training.checkpoint.store import Checkpoints
from hanji.training.cpu import without_cuda
from hanji.training.loop.forward import run_micro_batches
from hanji.training.loop.layout import Layout, laid_out
from hanji.training.loop.objective import NextToken
from hanji.training.loop.optimizer import build_optimizer, connect, set_learning_rate, wrap_data_parallel
from hanji.training.model.build import build_model
from hanji.training.model.shape import ModelShape
from hanji.training.parallel import ParallelSettings
from hanji.training.recipe import CheckpointSettings

RATE = 1e-2
STEPS = 3
"""Before the checkpoint; and two after it."""
ORIGINS = {
    "mixed": ParallelSettings(tensor=2, data=2),
    "bf16": ParallelSettings(data=2, context=2),
}
LAYOUTS = {
    "tensor 2 × data 2": ParallelSettings(tensor=2, data=2),
    "one rank": ParallelSettings(),
    "data 4": ParallelSettings(data=4),
    "tensor 4, sequence": ParallelSettings(tensor=4, sequence=True),
    "pipeline 2 in 2 chunks × data 2": ParallelSettings(pipeline=2, virtual_pipeline=2, data=2),
    "context 2 × tensor 2": ParallelSettings(context=2, tensor=2),
    "pipeline 4": ParallelSettings(pipeline=4),
    "data 2 × context 2": ParallelSettings(data=2, context=2),
}


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
    parallel: ParallelSettings, layout: Layout, *, bf16: bool = False, seed: int = 3, shape: ModelShape | None = None
) -> Training:
    chunks = wrap_data_parallel(
        [
            build_model(
                shape or tiny.shape_of(tied=True),
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
    manifest: Manifest = read_manifest(directory, commit.contents, commit.step, "")
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
        for name, parallel in LAYOUTS.items():
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


def main() -> int:
    directory = Path(sys.argv[1])
    found: dict[str, Any] = {}
    for test in (saved_and_taken_up,):
        found[test.__name__] = forked(test, directory)
    print(json.dumps(found))
    return 0


def forked(test: Any, directory: Path, ranks: int = 4) -> Any:
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
