"""The checkpoints of a run: ``RUN/checkpoints/step-00000120/``.

A directory is a checkpoint when its ``commit.json`` exists, which rank 0 creates when the files of all ranks are
on disk. Without it, it is a save that was cut off: ignored when a run goes on, and removed then.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch.distributed as dist

from hanji.errors import RunError
from hanji.storage import Storage
from hanji.training.checkpoint.files import WrittenFile, tensor_entries, to_disk, write_index
from hanji.training.checkpoint.loading import load_state, load_weights, open_checked, random_key
from hanji.training.checkpoint.manifest import MANIFEST, Manifest, Verify
from hanji.training.checkpoint.record import (
    COMMIT,
    Commit,
    directory_name,
    find_checkpoint,
    read_commit,
    step_of,
)
from hanji.training.checkpoint.saving import Saver
from hanji.training.checkpoint.state import adam_step, model_state, optimizer_state, random_state

if TYPE_CHECKING:
    from hanji.training.loop.layout import Layout
    from hanji.training.recipe import CheckpointSettings

WAIT = timedelta(hours=2)
"""The longest that ranks wait for one another's writing at the end of a save."""


@dataclass(frozen=True)
class Saved:
    """A checkpoint that is whole. ``held`` is how long training stood still for it, ``taken`` from then until it
    was committed, both in seconds; ``bytes`` are those of its files. (Rank 0 knows these figures.)"""

    step: int
    path: str
    held: float
    taken: float
    bytes: int


class Checkpoints:
    """The checkpoints of one run, as one of its ranks sees them. All ranks make one."""

    def __init__(self, run: str, settings: CheckpointSettings, layout: Layout) -> None:
        self.storage = Storage(run).sub("checkpoints")
        self.settings = settings
        self.layout = layout
        self._group = dist.new_group(backend="gloo", timeout=WAIT)
        self._saver = Saver(self._group)
        self._under_way: tuple[int, float, float] | None = None
        self._bytes, self._committed_at = 0, 0.0

    def path(self, step: int) -> str:
        return self.storage.describe(directory_name(step))

    def committed(self) -> list[Commit]:
        """Records of whole checkpoints, oldest first. Raises RunError for a record that is damaged."""
        names = [name for name in self._directories() if (self._local(name) / COMMIT).is_file()]
        return [read_commit(self._local(name)) for name in names]

    def save(self, commit: Commit, chunks: Sequence[Any], optimizer: Any) -> list[Saved]:
        """Begin a save; every rank calls it. What it returns is as for :meth:`poll`.

        When it returns, training may go on: what is written is the state of now. Not ``asynchronous``, the
        checkpoint is whole. A save that is still under way is finished first; a directory of this step that
        holds no whole checkpoint is replaced.
        """
        started = time.perf_counter()
        earlier = self.finish()
        directory = self._local(directory_name(commit.step))
        if self.layout.is_main and not (directory / COMMIT).exists():
            self.storage.remove_tree(directory.name)
        weights, blobs = model_state(chunks)
        blobs.append(random_state(self.layout.rank, self.layout.ranks))
        count = [0] * self.layout.ranks
        dist.all_gather_object(count, adam_step(optimizer), group=self._group)
        commit = replace(
            commit, optimizer_step=max(count), layout=layout_of(self.layout), ranks=self.layout.ranks
        )
        self._saver.begin(
            directory,
            [*weights, *optimizer_state(chunks, optimizer)],
            blobs,
            lambda files: self._commit(directory, commit, files),
        )
        held = time.perf_counter() - started
        self._under_way = (commit.step, held, time.perf_counter())
        if self.settings.asynchronous:
            return earlier
        finished = self.finish()
        return earlier + [replace(saved, held=time.perf_counter() - started) for saved in finished]

    def poll(self) -> list[Saved]:
        """Take a save that is under way on; every rank calls it between steps.

        Returns the checkpoint that has become whole since the last call, if one has. Raises RunError on all
        ranks, naming the directory, when a rank could not write.
        """
        return self._told(self._saver.poll)

    def finish(self) -> list[Saved]:
        """Wait until no save is under way; every rank calls it. As :meth:`poll`."""
        return self._told(self._saver.finish)

    def load(self, commit: Commit, chunks: Sequence[Any], optimizer: Any) -> bool:
        """Load weights, optimizer and random state in place, in any layout; every rank calls it.

        Random state only where this layout has saved it; returns whether it was. Raises RunError on all ranks
        for a checkpoint that is damaged or of another model.
        """
        opened = open_checked(
            self._local(directory_name(commit.step)),
            commit,
            self.settings.verify,
            self._advice(commit.step),
            self._group,
        )
        random = random_key(opened, layout_of(self.layout), self.layout.rank)
        load_state(opened, chunks, optimizer, random=random, group=self._group)
        return random is not None

    def clean(self) -> None:
        """Remove saves that were cut off; rank 0 calls it before the run goes on."""
        for name in self._directories():
            if not (self._local(name) / COMMIT).exists():
                self.storage.remove_tree(name)

    def _told(self, take_on: Any) -> list[Saved]:
        try:
            idle = take_on()
        except RunError:
            self._under_way = None
            if self.layout.is_main:
                self.clean()
            raise
        if not idle or self._under_way is None:
            return []
        (step, held, since), self._under_way = self._under_way, None
        return [Saved(step, self.path(step), held, max(0.0, self._committed_at - since), self._bytes)]

    def _commit(self, directory: Path, commit: Commit, files: list[WrittenFile]) -> None:
        """On rank 0, when all files of shards are on disk: index, manifest, record, and what may go then."""
        self._bytes = seal(directory, commit, files)
        self._committed_at = time.perf_counter()
        self._prune(commit.step)

    def _prune(self, newest: int) -> None:
        records = self.committed()
        kept = {record.step for record in records if record.stage_end}
        kept |= {record.step for record in records[-self.settings.keep :]}
        if self.settings.keep_every is not None:
            kept |= {record.step for record in records if record.step % self.settings.keep_every == 0}
        for record in records:
            if record.step < newest and record.step not in kept:
                # The record goes first: a removal that is cut off leaves an uncommitted directory.
                name = directory_name(record.step)
                self.storage.remove(f"{name}/{COMMIT}")
                self.storage.remove_tree(name)

    def _advice(self, step: int) -> str:
        earlier = [record.step for record in self.committed() if record.step < step]
        remove = f"remove {self.path(step)} to "
        return remove + (f"go on from step {earlier[-1]}" if earlier else "begin the run anew")

    def _local(self, name: str) -> Path:
        assert self.storage.local is not None
        return self.storage.local / name

    def _directories(self) -> list[str]:
        if self.storage.local is None or not self.storage.local.is_dir():
            return []
        return sorted(p.name for p in self.storage.local.iterdir() if step_of(p.name) is not None)


def seal(directory: Path, commit: Commit, files: Sequence[WrittenFile]) -> int:
    """Make files of shards a checkpoint: index, manifest, and last the record. Returns its bytes.

    All of it is on the disk then, names included: what is older may be removed.

    Raises OSError when the disk is full, RunError when the files do not hold whole tensors or the directory
    has a record already.
    """
    tensors = tensor_entries(files)
    manifest = Manifest(commit.step, write_index(directory, files), tensors)
    storage = Storage(directory)
    data = manifest.to_bytes()
    storage.write_bytes(MANIFEST, data)
    record = replace(commit, contents=hashlib.sha256(data).hexdigest()).to_bytes()
    if not storage.create(COMMIT, record, durable=True):
        raise RunError(f"{directory}: has been committed already")
    for place in (directory, directory.parent):
        to_disk(place)
    return sum(entry.bytes for entry in manifest.files.values()) + len(data) + len(record)


def layout_of(layout: Layout) -> dict[str, int]:
    """How many ranks share what, by axis: two layouts that are equal here give each rank the same part."""
    return {
        "tensor": layout.tensor_ranks,
        "pipeline": layout.pipeline_ranks,
        "virtual_pipeline": layout.chunks,
        "context": layout.context_ranks,
        "data": layout.data_ranks,
    }


def begin_from(
    path: str | Path,
    chunks: Sequence[Any],
    optimizer: Any = None,
    *,
    verify: Verify = "full",
    state: bool = False,
) -> tuple[Path, Commit]:
    """Load the weights of another checkpoint (a run's newest, or the one that ``path`` is) into a new model.

    Every rank calls it, in any layout; ``optimizer`` gets the weights too where it keeps its own, and with
    ``state`` its moments and count. Raises InputError when there is no checkpoint, RunError when it is damaged
    or its model has another shape.
    """
    directory = find_checkpoint(Path(path))
    commit = read_commit(directory)
    opened = open_checked(directory, commit, verify, "make that checkpoint again, or name another one")
    if state:
        load_state(opened, chunks, optimizer, random=None, group=None)
    else:
        load_weights(opened, chunks, optimizer)
    return directory, commit
