"""Tokens of a component, mapped into memory: its shards end to end, read in windows.

A shard is a Megatron ``.bin``/``.idx`` pair (format: ``hanji.manifest``). Only the header and the ends of the
index are read, so opening a component costs the same whatever its size.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

import numpy as np

from hanji.errors import InputError
from hanji.fingerprint import file_sha256
from hanji.manifest import Component, Manifest, Shard
from hanji.storage import Storage

_MAGIC = b"MMIDIDX\x00\x00"
_HEADER = struct.Struct("<QBQQ")
_DTYPE_CODES = {8: "uint16", 4: "int32"}


class TokenStream:
    """The tokens of a component as one sequence. Files are mapped when first read."""

    def __init__(self, component: Component, storage: Storage, dtype: str) -> None:
        self.name = component.name
        self.dtype = np.dtype(dtype)
        shards = [shard for shard in component.shards if shard.tokens]
        self._paths = [_local(storage, shard.bin.path) for shard in shards]
        self._starts = [0, *accumulate(shard.tokens for shard in shards)]
        self._maps: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return self._starts[-1]

    def read(self, start: int, length: int) -> np.ndarray:
        """Tokens ``start`` … ``start + length - 1`` as int64. Raises IndexError beyond the end."""
        if start < 0 or start + length > len(self):
            raise IndexError(f"{self.name}: tokens {start} to {start + length} of {len(self)}")
        result = np.empty(length, np.int64)
        filled = 0
        index = bisect_right(self._starts, start) - 1
        while filled < length:
            offset = start + filled - self._starts[index]
            piece = self._map(index)[offset : offset + length - filled]
            result[filled : filled + len(piece)] = piece
            filled += len(piece)
            index += 1
        return result

    def _map(self, index: int) -> np.ndarray:
        if index not in self._maps:
            self._maps[index] = np.memmap(self._paths[index], self.dtype, mode="r")
        return self._maps[index]


def check_shards(manifest: Manifest, storage: Storage, *, hashes: bool) -> None:
    """Compare the shards with their manifest before a run starts.

    Tokenizer hash, vocabulary against dtype, sizes of the files, headers of the indices; with ``hashes`` the
    SHA-256 of every .bin and .idx too. Raises InputError naming the file, what it has and what it should have.
    """
    tokenizer = manifest.tokenizer
    found = file_sha256(_local(storage, tokenizer.file))
    if found != tokenizer.sha256:
        raise InputError(
            f"{storage.describe(tokenizer.file)}: sha256 {found}, but the manifest says {tokenizer.sha256}; "
            "the shards were made with another tokenizer"
        )
    largest = int(np.iinfo(manifest.dtype).max)
    if not 0 <= tokenizer.eod_id < tokenizer.vocab_size <= largest + 1:
        raise InputError(
            f"{storage.describe()}: a vocabulary of {tokenizer.vocab_size} with EOD {tokenizer.eod_id} does "
            f"not fit dtype {manifest.dtype}"
        )
    for component in manifest.components:
        for shard in component.shards:
            _check_shard(shard, manifest.dtype, storage, hashes=hashes)


def _check_shard(shard: Shard, dtype: str, storage: Storage, *, hashes: bool) -> None:
    for facts in (shard.bin, shard.idx):
        path = _local(storage, facts.path)
        size = path.stat().st_size
        if size != facts.bytes:
            raise InputError(f"{path}: {size} bytes, but the manifest says {facts.bytes}")
        if hashes and (found := file_sha256(path)) != facts.sha256:
            raise InputError(f"{path}: sha256 {found}, but the manifest says {facts.sha256}")
    item = np.dtype(dtype).itemsize
    if shard.bin.bytes != shard.tokens * item:
        raise InputError(
            f"{storage.describe(shard.bin.path)}: {shard.bin.bytes} bytes cannot hold the manifest's "
            f"{shard.tokens} tokens of {dtype}"
        )
    _check_index(_local(storage, shard.idx.path), shard, dtype)


def _check_index(path: Path, shard: Shard, dtype: str) -> None:
    with path.open("rb") as file:
        head = file.read(len(_MAGIC) + _HEADER.size)
        if len(head) < len(_MAGIC) + _HEADER.size or not head.startswith(_MAGIC):
            raise InputError(f"{path}: not a Megatron index (it does not start with MMIDIDX)")
        version, code, sequences, _ = _HEADER.unpack(head[len(_MAGIC) :])
        if version != 1 or _DTYPE_CODES.get(code) != dtype:
            raise InputError(
                f"{path}: version {version} and dtype code {code}; expected version 1 and {dtype}"
            )
        if sequences != shard.documents:
            raise InputError(f"{path}: {sequences} documents, but the manifest says {shard.documents}")
        if not sequences:
            return
        lengths_start = len(head)
        file.seek(lengths_start + 4 * (sequences - 1))
        (length,) = struct.unpack("<i", file.read(4))
        file.seek(lengths_start + 4 * sequences + 8 * (sequences - 1))
        (pointer,) = struct.unpack("<q", file.read(8))
    end = pointer + length * np.dtype(dtype).itemsize
    if end != shard.bin.bytes:
        raise InputError(f"{path}: its last document ends at byte {end} of {shard.bin.bytes} in the .bin")


def _local(storage: Storage, path: str) -> Path:
    if storage.local is None:
        raise InputError(
            f"{storage.describe(path)}: training maps shards into memory; copy them to a local or mounted "
            "directory first"
        )
    full = storage.local / path
    if not full.exists():
        raise InputError(f"{full}: no such file, but the manifest names it")
    return full
