"""Writing a checkpoint while training goes on.

A save begins with a copy of what the rank is to write, in host memory: from then on training may change its
tensors. A thread writes and hashes the copy. When all ranks have written, rank 0 indexes the files and commits,
in a thread too. Ranks agree on where they stand in :meth:`Saver.poll`, which all call between steps: threads
talk to nobody, so no collective can be overtaken by another. A rank that fails says so there, and all raise.

A thread, not a process: what takes long (copying, hashing, writing) lets go of the interpreter, and forking a
process that has threads of its own, or CUDA, is what makes asynchronous saves hang. One save is under way at
a time, and its buffers are used again by the next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from hanji.errors import RunError
from hanji.training.checkpoint.files import WrittenFile, write_shards
from hanji.training.checkpoint.shards import Blob, Shard

Committing = Callable[[list[WrittenFile]], Any]
LEFT_TO_END = 60.0
"""Seconds that a failing rank waits for its own thread before it raises all the same."""


class Saver:
    """Saves of one rank. All ranks make one and call its methods in the same order.

    ``group`` is a gloo group of all ranks: agreement must not wait for a GPU.
    """

    def __init__(self, group: Any) -> None:
        self._group = group
        self._main = dist.get_rank() == 0
        self._buffers: dict[tuple[str, tuple[int, ...]], torch.Tensor] = {}
        self._job: _Job | None = None
        self._committing: Committing | None = None
        self._committed = False
        self._directory = Path()

    @property
    def in_flight(self) -> bool:
        return self._job is not None

    def begin(
        self, directory: Path, shards: Sequence[Shard], blobs: Sequence[Blob], committing: Committing
    ) -> None:
        """Copy this rank's shards and start to write them to ``directory``, which rank 0 makes.

        ``committing`` is called on rank 0, with what all ranks have written, once they have. A save that is
        still under way is finished first. Raises RunError when the directory cannot be made.
        """
        self.finish()
        self._directory = directory
        self._agree([_made(directory)] if self._main else [])
        copies = self._copied([shard for shard in shards if shard.main])
        objects = [blob for blob in blobs if blob.main]
        path = directory / f"__{dist.get_rank()}_0.distcp"
        self._committing, self._committed = committing, False
        self._job = _Job(lambda: write_shards(path, copies, objects))

    def poll(self) -> bool:
        """Take the save a step on if all ranks are ready for that; True when none is under way.

        Raises RunError on all ranks when it has failed on one.
        """
        while self._job is not None:
            busy = torch.tensor([int(not self._job.done), int(self._job.error is not None)])
            dist.all_reduce(busy, group=self._group)
            if busy[1]:
                self._fail()
            if busy[0]:
                return False
            self._advance(self._job)
        return True

    def finish(self) -> bool:
        """Wait until nothing is under way; True. Raises RunError as :meth:`poll` does."""
        while self._job is not None:
            self._job.wait()
            self.poll()
        return True

    def _advance(self, job: _Job) -> None:
        if self._committed:
            self._job = None
            return
        files: list[Any] = [None] * dist.get_world_size(self._group)
        dist.gather_object(job.result, files if self._main else None, dst=0, group=self._group)
        committing = self._committing
        assert committing is not None
        self._committed = True
        self._job = _Job(lambda: committing(files) if self._main else None)

    def _fail(self) -> None:
        job, self._job = self._job, None
        assert job is not None
        job.wait(LEFT_TO_END)
        message = "" if job.error is None else f"rank {dist.get_rank()}: {_described(job.error)}"
        self._agree([message])

    def _agree(self, messages: list[str]) -> None:
        """Raise RunError on all ranks if one of them has something to say."""
        gathered: list[Any] = [None] * dist.get_world_size(self._group)
        dist.all_gather_object(gathered, [text for text in messages if text], group=self._group)
        told = [text for texts in gathered for text in texts]
        if told:
            raise RunError(
                f"{self._directory}: this checkpoint could not be written ({'; '.join(told)}); earlier ones are "
                "untouched: remove the cause and run again to go on from the newest"
            )

    def _copied(self, shards: list[Shard]) -> list[Shard]:
        """The shards with data of their own in host memory, in buffers that stay for the next save."""
        copies, buffers = [], {}
        for shard in shards:
            place = (shard.key, shard.offset)
            buffer = self._buffers.get(place)
            if buffer is None or buffer.shape != shard.data.shape or buffer.dtype != shard.data.dtype:
                pinned = shard.data.is_cuda
                buffer = torch.empty(
                    shard.data.shape, dtype=shard.data.dtype, device="cpu", pin_memory=pinned
                )
            buffer.copy_(shard.data, non_blocking=True)
            buffers[place] = buffer
            copies.append(replace(shard, data=buffer))
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self._buffers = buffers
        return copies


class _Job:
    """A function at work in a thread that does not keep the process from ending."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: Exception | None = None
        self.done = False
        self._function = function
        self._thread = threading.Thread(target=self._work, name="checkpoint", daemon=True)
        self._thread.start()

    def wait(self, seconds: float | None = None) -> None:
        self._thread.join(seconds)

    def _work(self) -> None:
        try:
            self.result = self._function()
        except Exception as error:
            self.error = error
        finally:
            self.done = True


def _made(directory: Path) -> str:
    """Make a directory; what went wrong, "" if nothing did."""
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        return _described(error)
    return ""


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error)
