"""Checkpoints: torch_dist directories that exist when their commit record does.

``RUN/checkpoints/step-00000120/`` holds model, optimizer and random state, written by all ranks through
megatron.core.dist_checkpointing in a form that another layout can load. ``commit.json`` inside is created
last, by rank 0: a directory without it is a save that was cut off, and is ignored and later removed. The
record holds the position in the data and the family node.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.distributed as dist

from hanji.errors import RunError
from hanji.storage import Storage
from hanji.training.loop.layout import Layout

COMMIT = "commit.json"
_NAME = re.compile(r"step-(\d{8})")
# The optimizer's state as whole tensors, which any layout can load; Megatron-Core 0.16.1 refuses its default.
_OPTIMIZER_FORM = {"distrib_optim_sharding_type": "fully_reshardable"}


@dataclass(frozen=True)
class Commit:
    """The record of a checkpoint. ``stage_step`` counts finished steps within the stage; ``health`` is the history
    by which steps are judged (hanji.training.loop.health)."""

    step: int
    stage: str
    stage_step: int
    stage_end: bool
    consumed: dict[str, int]
    recipe: str
    identity: dict[str, Any]
    manifest_sha256: str
    ranks: int
    family: dict[str, Any]
    health: dict[str, Any] = field(default_factory=dict)


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, run: str, keep: int) -> None:
        self.storage = Storage(run).sub("checkpoints")
        self.keep = keep

    def committed(self) -> list[Commit]:
        """Records of whole checkpoints, oldest first. Raises RunError for a record that is damaged."""
        records = []
        for name in self._directories():
            if self.storage.exists(f"{name}/{COMMIT}"):
                try:
                    records.append(Commit(**json.loads(self.storage.read_bytes(f"{name}/{COMMIT}"))))
                except (ValueError, TypeError) as error:
                    raise RunError(
                        f"{self.storage.describe(name)}/{COMMIT}: not a commit record ({error}); remove the "
                        "directory to go on from an earlier checkpoint"
                    ) from None
        return records

    def path(self, step: int) -> str:
        return self.storage.describe(directory_name(step))

    def save(self, commit: Commit, chunks: Sequence[Any], optimizer: Any, layout: Layout) -> None:
        """Save and commit; every rank calls it. Replaces an uncommitted save of the same step."""
        from megatron.core import dist_checkpointing

        name = directory_name(commit.step)
        if layout.is_main:
            self.storage.remove_tree(name)
            assert self.storage.local is not None
            (self.storage.local / name).mkdir(parents=True)
        dist.barrier()
        state = _state(chunks, optimizer, layout, loading=False)
        dist_checkpointing.save(state, self.path(commit.step))
        dist.barrier()
        if layout.is_main:
            record = json.dumps(asdict(commit), indent=1, ensure_ascii=False).encode() + b"\n"
            self.storage.create(f"{name}/{COMMIT}", record)
            self._prune(commit.step)
        dist.barrier()

    def load(self, commit: Commit, chunks: Sequence[Any], optimizer: Any, layout: Layout) -> None:
        """Load model, optimizer and, at the same number of ranks, random state; every rank calls it."""
        from megatron.core import dist_checkpointing
        from megatron.core.dist_checkpointing.validation import StrictHandling

        state = _state(chunks, optimizer, layout, loading=True, with_random=commit.ranks == layout.ranks)
        loaded = dist_checkpointing.load(
            state, self.path(commit.step), strict=StrictHandling.RAISE_UNEXPECTED
        )
        for chunk, weights in zip(chunks, loaded["model"], strict=True):
            _bare(chunk).load_state_dict(weights)
        optimizer.load_state_dict(loaded["optimizer"])
        if "random" in loaded:
            _set_random_state(loaded["random"])

    def _prune(self, newest: int) -> None:
        records = self.committed()
        kept = {record.step for record in records if record.stage_end}
        kept |= {record.step for record in records[-self.keep :]}
        whole = {record.step for record in records}
        for name in self._directories():
            step = int(name.removeprefix("step-"))
            if step < newest and (step not in kept or step not in whole):
                # The record goes first: a removal that is cut off leaves an uncommitted directory.
                self.storage.remove(f"{name}/{COMMIT}")
                self.storage.remove_tree(name)

    def _directories(self) -> list[str]:
        if self.storage.local is None or not self.storage.local.is_dir():
            return []
        return sorted(p.name for p in self.storage.local.iterdir() if _NAME.fullmatch(p.name))


def directory_name(step: int) -> str:
    """``step-00000120``."""
    return f"step-{step:08d}"


def _state(
    chunks: Sequence[Any], optimizer: Any, layout: Layout, *, loading: bool, with_random: bool = True
) -> dict[str, Any]:
    from megatron.core.dist_checkpointing.mapping import ShardedObject

    # A list in memory alone: tensors are stored by keys with global layer numbers, whatever chunk has them.
    described = [_bare(chunk).sharded_state_dict() for chunk in chunks]
    state = {
        "model": described,
        "optimizer": optimizer.sharded_state_dict(
            {"chunks": described}, is_loading=loading, metadata=_OPTIMIZER_FORM
        ),
    }
    if with_random:
        state["random"] = ShardedObject(
            "random", _random_state(), (layout.ranks,), (layout.rank,), replica_id=0
        )
    return state


def _bare(model: Any) -> Any:
    """The GPTModel inside its wrappers, so that names in a checkpoint know nothing of them."""
    while hasattr(model, "module"):
        model = model.module
    return model


def _random_state() -> dict[str, Any]:
    from megatron.core import tensor_parallel

    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "tracker": tensor_parallel.get_cuda_rng_tracker().get_states(),
    }


def _set_random_state(state: dict[str, Any]) -> None:
    from megatron.core import tensor_parallel

    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"])
    tensor_parallel.get_cuda_rng_tracker().set_states(state["tracker"])
