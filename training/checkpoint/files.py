"""Megatron-Core's ``torch_dist`` format on disk, written and read by ranks that need not talk to each other.

It is torch.distributed.checkpoint's: each rank has a file of ``torch.save`` streams, and ``.metadata`` says for
each part of each tensor in which file and at which byte it lies; ``common.pt`` and ``metadata.json`` are what
megatron.core.dist_checkpointing looks for beside them. Megatron's own writer plans by collectives, does not copy
what is in host memory already, and writes from forked processes; here a rank writes what it is handed, hashing
on the way, from whatever thread calls.
"""

from __future__ import annotations

import json
import math
import os
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.filesystem import CURRENT_DCP_VERSION, _StorageInfo
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.utils import _create_file_view

from hanji.errors import RunError
from hanji.fingerprint import file_sha256
from hanji.storage import HashingWriter
from hanji.training.checkpoint import digest
from hanji.training.checkpoint.manifest import FileEntry, TensorEntry
from hanji.training.checkpoint.shards import Blob, Shard

METADATA = ".metadata"
# Read by megatron/core/dist_checkpointing/core.py and strategies/common.py.
COMMON = "common.pt"
BACKEND = "metadata.json"
_BACKENDS = {
    "sharded_backend": "torch_dist",
    "sharded_backend_version": 1,
    "common_backend": "torch",
    "common_backend_version": 1,
}


@dataclass(frozen=True)
class Part:
    """Where a shard or a blob (``size`` None) lies in its file. ``digest`` is the shard's share of the tensor's."""

    key: str
    offset: tuple[int, ...]
    size: tuple[int, ...] | None
    whole: tuple[int, ...]
    dtype: torch.dtype | None
    position: int
    length: int
    digest: int


@dataclass(frozen=True)
class WrittenFile:
    """A file with shards, as it was written."""

    name: str
    entry: FileEntry
    parts: tuple[Part, ...]


def write_shards(path: Path, shards: Iterable[Shard], blobs: Iterable[Blob]) -> WrittenFile:
    """Write shards (in host memory, each of its own storage) and blobs to a file; on disk when it returns.

    Raises OSError when the disk is full or gone.
    """
    parts = []
    with path.open("wb") as file:
        stream = HashingWriter(file)
        for shard in shards:
            position = stream.tell()
            _save(shard.data, stream)
            share = digest.shard_digest(shard.data, shard.offset, shard.whole)
            size = tuple(shard.data.shape)
            length = stream.tell() - position
            parts.append(
                Part(shard.key, shard.offset, size, shard.whole, shard.data.dtype, position, length, share)
            )
        for blob in blobs:
            position = stream.tell()
            # A list, as Megatron keeps the objects of one key.
            _save([blob.value], stream)
            length = stream.tell() - position
            parts.append(Part(blob.key, (), None, (), None, position, length, 0))
        file.flush()
        os.fsync(file.fileno())
        return WrittenFile(path.name, FileEntry(stream.bytes, stream.sha256()), tuple(parts))


def write_index(directory: Path, files: Sequence[WrittenFile]) -> dict[str, FileEntry]:
    """Write what makes files of shards a torch_dist checkpoint; returns the entries of all its files.

    Raises RunError when a file that another rank has written is not to be seen from here.
    """
    for file in files:
        path = directory / file.name
        seen = path.stat().st_size if path.exists() else None
        if seen != file.entry.bytes:
            found = "the file is not there" if seen is None else f"{seen:,} are seen"
            raise RunError(
                f"{path}: a rank has written {file.entry.bytes:,} bytes, and from the first rank {found}: the "
                "run's directory must be on a file system that all ranks share"
            )
    (directory / METADATA).write_bytes(pickle.dumps(_metadata(files)))
    torch.save({}, directory / COMMON)
    (directory / BACKEND).write_text(json.dumps(_BACKENDS), encoding="utf-8")
    entries = {file.name: file.entry for file in files}
    for name in (METADATA, COMMON, BACKEND):
        path = directory / name
        entries[name] = FileEntry(path.stat().st_size, file_sha256(path))
        to_disk(path)
    to_disk(directory)
    return entries


def tensor_entries(files: Sequence[WrittenFile]) -> dict[str, TensorEntry]:
    """The tensors that the files hold together. Raises RunError if their parts do not cover one exactly."""
    grouped: dict[str, list[Part]] = {}
    for file in files:
        for part in file.parts:
            if part.size is not None:
                grouped.setdefault(part.key, []).append(part)
    entries = {}
    for key, parts in grouped.items():
        whole, dtype = parts[0].whole, parts[0].dtype
        held = sum(math.prod(part.size or ()) for part in parts)
        if held != math.prod(whole) or len({part.offset for part in parts}) != len(parts):
            raise RunError(
                f"{key}: the ranks hold {held:,} elements of it in {len(parts)} parts where it has "
                f"{math.prod(whole):,}: this layout was described wrongly, which is a defect of this program"
            )
        entries[key] = TensorEntry(whole, type_name(dtype), digest.add([part.digest for part in parts]))
    return entries


class StoredParts:
    """The parts that a torch_dist directory holds. Raises RunError when ``.metadata`` cannot be read."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            self._metadata: Metadata = pickle.loads((directory / METADATA).read_bytes())
        except (OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError) as error:
            raise RunError(f"{directory / METADATA}: cannot be read: {error}") from None

    def chunks(self, key: str) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        """(offset, size) of each stored part of a tensor."""
        stored = self._metadata.state_dict_metadata[key]
        return [(tuple(chunk.offsets), tuple(chunk.sizes)) for chunk in stored.chunks]

    def tensors(self) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        """Shape and type of each tensor."""
        return {
            key: (tuple(stored.size), stored.properties.dtype)
            for key, stored in self._metadata.state_dict_metadata.items()
            if isinstance(stored, TensorStorageMetadata)
        }

    def blob_keys(self) -> set[str]:
        stored = self._metadata.state_dict_metadata
        return {key for key, value in stored.items() if isinstance(value, BytesStorageMetadata)}

    def part(self, key: str, offset: tuple[int, ...]) -> torch.Tensor:
        """A stored part as it is, on the CPU."""
        tensor: torch.Tensor = self._load(MetadataIndex(key, torch.Size(offset)))
        return tensor

    def blob(self, key: str) -> Any:
        """An object. Blobs are pickles: read them of checkpoints that you trust."""
        return self._load(MetadataIndex(key))[0]

    def fill(self, shards: Sequence[Shard]) -> None:
        """Copy what is stored into the shards' data, whatever the parts in which it is stored.

        Each stored part is read once, in the order of files. Raises RunError when a part cannot be read or an
        element of a shard is stored nowhere; types are converted.
        """
        wanted: dict[tuple[str, int, str, tuple[int, ...]], list[tuple[Shard, _Box]]] = {}
        for shard in shards:
            box = _Box(shard.offset, tuple(shard.data.shape))
            found = 0
            for offset, size in self.chunks(shard.key):
                overlap = box.overlap(_Box(offset, size))
                if overlap is not None:
                    info = self._place(MetadataIndex(shard.key, torch.Size(offset)))
                    place = (info.relative_path, info.offset, shard.key, offset)
                    wanted.setdefault(place, []).append((shard, overlap))
                    found += math.prod(overlap.size)
            if found != shard.data.numel():
                raise RunError(
                    f"{self.directory}: {found:,} of {shard.data.numel():,} elements of {shard.key} that this rank "
                    "needs are in its files"
                )
        for place in sorted(wanted):
            _, _, key, offset = place
            stored = self.part(key, offset)
            held = _Box(offset, tuple(stored.shape))
            for shard, overlap in wanted[place]:
                target = shard.data[overlap.within(_Box(shard.offset, tuple(shard.data.shape)))]
                target.copy_(stored[overlap.within(held)])

    def _place(self, index: MetadataIndex) -> Any:
        return self._metadata.storage_data[index]

    def _load(self, index: MetadataIndex) -> Any:
        place = self._place(index)
        path = self.directory / place.relative_path
        try:
            with path.open("rb") as file:
                # A view of the file: read into memory first, the part would be there twice.
                stream = _create_file_view(file, place.offset, place.length)
                return torch.load(stream, map_location="cpu", weights_only=index.offset is not None)
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
            raise RunError(f"{path}: {index.fqn} cannot be read from it: {error}") from None


@dataclass(frozen=True)
class _Box:
    """A rectangle within a tensor."""

    offset: tuple[int, ...]
    size: tuple[int, ...]

    def overlap(self, other: _Box) -> _Box | None:
        offset = tuple(map(max, self.offset, other.offset))
        ends = zip(self.offset, self.size, other.offset, other.size, strict=True)
        size = tuple(min(a + n, b + m) - o for (a, n, b, m), o in zip(ends, offset, strict=True))
        return _Box(offset, size) if all(length > 0 for length in size) else None

    def within(self, other: _Box) -> tuple[slice, ...]:
        """This rectangle as an index into a tensor that holds ``other``."""
        starts = [a - b for a, b in zip(self.offset, other.offset, strict=True)]
        return tuple(slice(a, a + n) for a, n in zip(starts, self.size, strict=True))


def type_name(dtype: torch.dtype | None) -> str:
    """``float32`` for torch.float32."""
    return str(dtype).removeprefix("torch.")


def _save(value: Any, stream: HashingWriter) -> None:
    """torch.save, with the operating system's error where writing fails and not what torch makes of it."""
    try:
        torch.save(value, stream)
    except RuntimeError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__cause__ or cause.__context__
        raise cause or error from None


def _metadata(files: Sequence[WrittenFile]) -> Metadata:
    stored: dict[str, TensorStorageMetadata | BytesStorageMetadata] = {}
    places = {}
    for file in files:
        for part in file.parts:
            info = _StorageInfo(file.name, part.position, part.length)
            if part.size is None:
                stored[part.key] = BytesStorageMetadata()
                places[MetadataIndex(part.key)] = info
                continue
            assert part.dtype is not None
            tensor = stored.setdefault(
                part.key,
                TensorStorageMetadata(TensorProperties(dtype=part.dtype), torch.Size(part.whole), []),
            )
            assert isinstance(tensor, TensorStorageMetadata)
            offset = torch.Size(part.offset)
            places[MetadataIndex(part.key, offset, len(tensor.chunks))] = info
            tensor.chunks.append(ChunkStorageMetadata(offset, torch.Size(part.size)))
    return Metadata(state_dict_metadata=stored, storage_data=places, version=CURRENT_DCP_VERSION)


def to_disk(path: Path) -> None:
    """Bring a file, or the names in a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
