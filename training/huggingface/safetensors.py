"""The safetensors format, read by memory map and written one tensor after another.

A file is eight bytes (little-endian length of the header), a header in JSON (name to dtype, shape and the two
offsets within the data) and the tensors' bytes without gaps (github.com/huggingface/safetensors, "Format").
Nothing here holds more than one tensor: a mapped tensor costs page cache until it is released, a written one
is gone when the next is asked for.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from hanji.errors import InputError

DTYPES: dict[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
LARGEST_HEADER = 100_000_000
"""Bytes; the limit that the format's own reader has."""


@dataclass(frozen=True)
class Entry:
    """One tensor of a file: ``start`` and ``end`` are bytes from the beginning of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def bytes(self) -> int:
        return self.end - self.start


class SafetensorsFile:
    """A safetensors file whose tensors are views of a private memory map.

    Opening reads the header alone and checks it against the file's size, so that a file which was cut short
    is refused before any tensor is looked at. Raises InputError naming the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.entries = _entries(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        self._file = path.open("rb")
        # A private writable map: torch takes no read-only buffer, and nothing here writes.
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_COPY)

    def __enter__(self) -> SafetensorsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        # The map itself goes with the last tensor that looks at it.

    def tensor(self, name: str) -> torch.Tensor:
        """The tensor as a view of the map (a copy where its bytes are not aligned)."""
        entry = self.entries[name]
        dtype = DTYPES[entry.dtype]
        count = math.prod(entry.shape)
        if not count:
            return torch.empty(entry.shape, dtype=dtype)
        if entry.start % dtype.itemsize:
            data = bytearray(self._map[entry.start : entry.end])
            return torch.frombuffer(data, dtype=dtype).reshape(entry.shape)
        flat = torch.frombuffer(self._map, dtype=dtype, count=count, offset=entry.start)
        return flat.reshape(entry.shape)

    def raw(self, name: str) -> memoryview:
        """The tensor's bytes, as a view of the map; release it before the map has to go."""
        entry = self.entries[name]
        return memoryview(self._map)[entry.start : entry.end]

    def forget(self, name: str) -> None:
        """Give the pages of a tensor back to the system; a later look reads them from the file again."""
        entry = self.entries[name]
        first = -(-entry.start // mmap.PAGESIZE) * mmap.PAGESIZE
        length = entry.end // mmap.PAGESIZE * mmap.PAGESIZE - first
        if length > 0 and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED, first, length)


def _entries(path: Path) -> dict[str, Entry]:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        if len(head) < 8:
            raise InputError(f"{path}: {size} bytes are too few for a safetensors file; it was cut short")
        (length,) = struct.unpack("<Q", head)
        if length > min(LARGEST_HEADER, size - 8):
            raise InputError(
                f"{path}: its header claims {length:,} bytes, the file has {size:,}: it was cut short or is "
                "no safetensors file"
            )
        text = file.read(length)
    try:
        header = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: its safetensors header is not valid JSON: {error}") from None
    if not isinstance(header, dict):
        raise InputError(f"{path}: its safetensors header is no mapping")
    header.pop("__metadata__", None)
    entries = [_entry(path, name, value, 8 + length) for name, value in header.items()]
    end = 8 + length
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.end)):
        if entry.start != end:
            raise InputError(
                f"{path}: tensor {entry.name} begins at byte {entry.start:,} where {end:,} is due: the file's "
                "tensors overlap or leave gaps"
            )
        end = entry.end
    if end != size:
        verb = "was cut short" if end > size else "has bytes after its last tensor"
        raise InputError(f"{path}: {verb}: its header needs {end:,} bytes, the file has {size:,}")
    return {entry.name: entry for entry in entries}


def _entry(path: Path, name: str, value: Any, data: int) -> Entry:
    try:
        dtype, shape, (start, end) = value["dtype"], tuple(value["shape"]), value["data_offsets"]
        sound = all(isinstance(n, int) and n >= 0 for n in (*shape, start, end)) and start <= end
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise InputError(f"{path}: tensor {name} has a header entry without sound dtype, shape and offsets")
    if dtype not in DTYPES:
        raise InputError(f"{path}: tensor {name} has the dtype {dtype}, which is not known here")
    expected = math.prod(shape) * DTYPES[dtype].itemsize
    if end - start != expected:
        raise InputError(
            f"{path}: tensor {name} of shape {list(shape)} and dtype {dtype} needs {expected:,} bytes, its "
            f"offsets give {end - start:,}"
        )
    return Entry(name, dtype, shape, data + start, data + end)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} stands twice")
        found[name] = value
    return found


@dataclass(frozen=True)
class Planned:
    """A tensor that is to be written."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * int(self.dtype.itemsize)


def write_safetensors(
    path: Path,
    tensors: Iterable[Planned],
    produce: Callable[[Planned], torch.Tensor],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the planned tensors in their order, asking ``produce`` for each when its turn comes.

    The file appears under its name when it is whole and on disk. ``produce`` gives a tensor of the planned
    dtype and shape on the CPU; RuntimeError if it does not.
    """
    planned = list(tensors)
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for entry in planned:
        header[entry.name] = {
            "dtype": NAMES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [offset, offset + entry.bytes],
        }
        offset += entry.bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    # The data begin at a multiple of eight, so that they can be mapped.
    text += b" " * (-len(text) % 8)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for entry in planned:
            tensor = produce(entry)
            if tensor.dtype != entry.dtype or tuple(tensor.shape) != entry.shape:
                raise RuntimeError(
                    f"{entry.name}: planned {entry.dtype} {entry.shape}, got {tensor.dtype} {tuple(tensor.shape)}"
                )
            if tensor.numel():
                file.write(as_bytes(tensor))
            del tensor
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def as_bytes(tensor: torch.Tensor) -> memoryview:
    """The bytes of a CPU tensor in row-major order; no copy where it is contiguous."""
    flat = tensor.detach().contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy())
