"""Single tensors of a torch_dist checkpoint, read and written without ranks, without CUDA and without Megatron.

Megatron-Core's ``torch_dist`` is torch.distributed.checkpoint: ``.metadata`` says for every chunk of every
tensor in which file and at which byte it lies, as a stream of ``torch.save``. The reader finds the chunks that
a stretch of rows needs, whatever layout wrote them; the writer hands torch.distributed.checkpoint a plan and
makes each chunk when it is to be written. One chunk is in memory at a time.
"""

from __future__ import annotations

import json
import os
import pickle
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.default_planner import create_default_global_save_plan
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import (
    SavePlan,
    SavePlanner,
    TensorWriteData,
    WriteItem,
    WriteItemType,
)
from torch.distributed.checkpoint.utils import _create_file_view

from hanji.errors import InputError
from hanji.training.huggingface.llama import Stored

# What Megatron-Core's dist_checkpointing looks for beside the tensors: core.py, strategies/common.py.
BACKEND = {
    "sharded_backend": "torch_dist",
    "sharded_backend_version": 1,
    "common_backend": "torch",
    "common_backend_version": 1,
}


@dataclass(frozen=True)
class _Box:
    """A rectangular part of a tensor: where it begins along each axis, and its lengths."""

    start: tuple[int, ...]
    size: tuple[int, ...]

    def overlap(self, other: _Box) -> _Box | None:
        pairs = list(zip(self.start, self.size, other.start, other.size, strict=True))
        start = tuple(max(a, b) for a, _, b, _ in pairs)
        size = tuple(min(a + n, b + m) - max(a, b) for a, n, b, m in pairs)
        return _Box(start, size) if all(length > 0 for length in size) else None

    def within(self, other: _Box) -> tuple[slice, ...]:
        """This part as an index into a tensor that holds ``other``."""
        return tuple(
            slice(a - b, a - b + n) for a, n, b in zip(self.start, self.size, other.start, strict=True)
        )


class StoredTensors:
    """The tensors of a torch_dist directory. Raises InputError when it is not one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            self._metadata: Metadata = FileSystemReader(directory).read_metadata()
        except FileNotFoundError:
            raise InputError(f"{directory}: no .metadata here, so this is no torch_dist checkpoint") from None
        except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, OSError) as error:
            raise InputError(f"{directory}/.metadata: cannot be read: {error}") from None
        self._chunk: tuple[MetadataIndex, torch.Tensor] | None = None
        self.tensors: dict[str, TensorStorageMetadata] = {
            key: value
            for key, value in self._metadata.state_dict_metadata.items()
            if isinstance(value, TensorStorageMetadata)
        }

    def shape(self, key: str) -> tuple[int, ...]:
        return tuple(self.tensors[key].size)

    def dtype(self, key: str) -> torch.dtype:
        dtype: torch.dtype = self.tensors[key].properties.dtype
        return dtype

    def rows(self, key: str, layer: int | None, ranges: Sequence[tuple[int, int]]) -> torch.Tensor:
        """Ranges of rows of a tensor, one below the other; of one ``layer`` where the tensor is stacked.

        The last chunk that was read is kept, so that queries, keys and values cost one read of their matrix;
        rows that lie next to each other in one chunk are a view of it. Raises InputError when rows are stored
        nowhere or a file is damaged.
        """
        stacked = layer is not None
        size = self.shape(key)[1:] if stacked else self.shape(key)
        if len(ranges) == 1:
            whole = self._box(layer, ranges[0], size)
            for chunk in self.tensors[key].chunks:
                held = _Box(tuple(chunk.offsets), tuple(chunk.sizes))
                if whole.overlap(held) == whole:
                    part = self._load(key, held)[whole.within(held)]
                    return part[0] if stacked else part
        total = sum(stop - start for start, stop in ranges)
        result = torch.empty((total, *size[1:]), dtype=self.dtype(key))
        filled = 0
        for chunk in self.tensors[key].chunks:
            held = _Box(tuple(chunk.offsets), tuple(chunk.sizes))
            at = 0
            for first, last in ranges:
                wanted = self._box(layer, (first, last), size)
                target = result[at : at + last - first]
                at += last - first
                found = wanted.overlap(held)
                if found is None:
                    continue
                part = self._load(key, held)[found.within(held)]
                place = found.within(wanted)
                target[place[1:] if stacked else place].copy_(part[0] if stacked else part)
                filled += part.numel()
        if filled != result.numel():
            raise InputError(
                f"{self.directory}: {filled:,} of the {result.numel():,} values of {key} that are needed are "
                "in its files"
            )
        return result

    @staticmethod
    def _box(layer: int | None, rows: tuple[int, int], size: tuple[int, ...]) -> _Box:
        start, lengths = (rows[0], *(0 for _ in size[1:])), (rows[1] - rows[0], *size[1:])
        return _Box(start, lengths) if layer is None else _Box((layer, *start), (1, *lengths))

    def _load(self, key: str, held: _Box) -> torch.Tensor:
        index = MetadataIndex(key, held.start)
        if self._chunk is not None and self._chunk[0] == index:
            return self._chunk[1]
        self._chunk = None
        info = self._metadata.storage_data[index]
        path = self.directory / info.relative_path
        if getattr(info, "transform_descriptors", None):
            raise InputError(f"{path}: {key} is stored compressed or encrypted, which is not read here")
        try:
            with path.open("rb") as file:
                view = _create_file_view(file, info.offset, info.length)
                tensor: torch.Tensor = torch.load(view, map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
            raise InputError(
                f"{path}: {key} cannot be read, the file is missing or damaged: {error}"
            ) from None
        if tuple(tensor.shape) != held.size:
            raise InputError(
                f"{path}: {key} has a part of shape {list(tensor.shape)} where {list(held.size)} is recorded"
            )
        self._chunk = (index, tensor)
        return tensor


def write_torch_dist(
    directory: Path,
    tensors: Iterable[Stored],
    dtype: torch.dtype,
    produce: Callable[[Stored, int | None], torch.Tensor],
) -> None:
    """Write a torch_dist directory that megatron.core.dist_checkpointing loads in any layout.

    ``produce`` is asked for a tensor, or for one layer of a stacked one, when its bytes are to be written; it
    gives a CPU tensor of its own storage. A stacked tensor is a chunk a layer.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # Nothing is staged ahead of the write (per_thread_copy_ahead), which on a machine with CUDA would hold
    # several chunks.
    writer = FileSystemWriter(directory, thread_count=1, per_thread_copy_ahead=0)
    planner = _LazyPlanner(list(tensors), dtype, produce)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        dcp.save({}, storage_writer=writer, planner=planner, no_dist=True)
    torch.save({}, directory / "common.pt")
    config = directory / "metadata.json"
    with config.open("w", encoding="utf-8") as file:
        json.dump(BACKEND, file)
        file.flush()
        os.fsync(file.fileno())


class _LazyPlanner(SavePlanner):  # type: ignore[misc]
    """A plan of chunks whose data are made when the writer asks for them."""

    def __init__(
        self,
        tensors: list[Stored],
        dtype: torch.dtype,
        produce: Callable[[Stored, int | None], torch.Tensor],
    ) -> None:
        self._tensors = {tensor.key: tensor for tensor in tensors}
        self._dtype = dtype
        self._produce = produce

    def set_up_planner(
        self, state_dict: Any, storage_meta: Any | None = None, is_coordinator: bool = False
    ) -> None:
        return None

    def create_local_plan(self) -> SavePlan:
        return SavePlan(items=[item for tensor in self._tensors.values() for item in self._items(tensor)])

    def create_global_plan(self, all_plans: list[SavePlan]) -> tuple[list[SavePlan], Metadata]:
        plans, metadata = create_default_global_save_plan(all_plans)
        return plans, metadata

    def finish_plan(self, new_plan: SavePlan) -> SavePlan:
        return new_plan

    def resolve_data(self, write_item: WriteItem) -> torch.Tensor:
        tensor = self._tensors[write_item.index.fqn]
        layer = None if tensor.layers is None else int(write_item.index.offset[0])
        data = self._produce(tensor, layer)
        return data if layer is None else data.unsqueeze(0)

    def _items(self, tensor: Stored) -> list[WriteItem]:
        size = torch.Size(tensor.whole_shape)
        properties = TensorProperties(dtype=self._dtype)
        if tensor.layers is None:
            chunks = [(torch.Size([0] * len(size)), size)]
        else:
            rest = [0] * len(tensor.shape)
            chunks = [
                (torch.Size([layer, *rest]), torch.Size([1, *tensor.shape])) for layer in range(tensor.layers)
            ]
        return [
            WriteItem(
                index=MetadataIndex(tensor.key, offset),
                type=WriteItemType.SHARD if tensor.layers else WriteItemType.TENSOR,
                tensor_data=TensorWriteData(
                    chunk=ChunkStorageMetadata(offsets=offset, sizes=sizes), properties=properties, size=size
                ),
            )
            for offset, sizes in chunks
        ]
