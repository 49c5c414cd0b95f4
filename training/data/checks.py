"""Whether shards are what their manifest says, before a run starts.

Always: the tokenizer's hash, the vocabulary against the dtype, sizes of all files, headers and ends of all indices,
the manifest's sums, that no component stands in it twice, and of a few documents of every shard, chosen by seed,
that ids are of the vocabulary and that they end and begin as the manifest says. Hashes are compared of some files,
chosen by seed, or of all. Sidecars count as far as they are there: only ``upsample`` needs them before a run.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from hanji.errors import InputError
from hanji.fingerprint import file_sha256, fingerprint
from hanji.manifest import Component, FileFacts, Manifest, Shard, TokenizerFacts
from hanji.storage import Storage
from hanji.training.data.stream import local_file

Hashes = Literal["sizes", "sampled", "hashes"]
DOCUMENTS = 4
"""Documents of each shard that are looked into."""
_MAGIC = b"MMIDIDX\x00\x00"
_HEADER = struct.Struct("<QBQQ")
_DTYPE_CODES = {8: "uint16", 4: "int32"}


def check_shards(manifest: Manifest, storage: Storage, *, hashes: Hashes, seed: int = 0) -> None:
    """Compare the shards with their manifest.

    ``hashes``: "hashes" compares the SHA-256 of every file of the shards, "sampled" of as many as the square root
    of their number, at least one a component, which ``seed`` chooses. Raises InputError naming the file, what it
    has and what it should have.
    """
    tokenizer = manifest.tokenizer
    found = file_sha256(local_file(storage, tokenizer.file))
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
    if (
        tokenizer.prepend_bos
        and not 0 <= (-1 if tokenizer.bos_id is None else tokenizer.bos_id) < tokenizer.vocab_size
    ):
        raise InputError(
            f"{storage.describe()}: documents begin with BOS (prepend_bos), but bos_id is {tokenizer.bos_id} of a "
            f"vocabulary of {tokenizer.vocab_size}"
        )
    known: set[tuple[str, str]] = set()
    for component in manifest.components:
        if (component.name, component.split) in known:
            raise InputError(
                f"{storage.describe()}: the manifest has the {component.split} component {component.name} twice"
            )
        known.add((component.name, component.split))
        _check_sums(component, storage)
        for shard in component.shards:
            _check_shard(shard, manifest.dtype, tokenizer, storage, seed)
    for facts in _to_hash(manifest, storage, hashes, seed):
        path = local_file(storage, facts.path)
        if (found := file_sha256(path)) != facts.sha256:
            raise InputError(f"{path}: sha256 {found}, but the manifest says {facts.sha256}")


def _to_hash(manifest: Manifest, storage: Storage, hashes: Hashes, seed: int) -> Iterator[FileFacts]:
    """The files whose hashes are compared."""
    if hashes == "sizes":
        return
    of_components = [
        [facts for shard in component.shards for facts in _files_of(shard, storage)]
        for component in manifest.components
    ]
    total = sum(map(len, of_components))
    share = 1.0 if hashes == "hashes" else 1 / math.sqrt(max(total, 1))
    for files in of_components:
        drawn = sorted(files, key=lambda facts: fingerprint([seed, facts.path]))
        yield from drawn[: math.ceil(share * len(files))]


def _files_of(shard: Shard, storage: Storage) -> list[FileFacts]:
    """A shard's files, its sidecar if it lies there."""
    return [shard.bin, shard.idx, *([shard.docs] if storage.exists(shard.docs.path) else [])]


def _check_sums(component: Component, storage: Storage) -> None:
    for name in ("documents", "tokens", "bytes"):
        whole, parts = getattr(component, name), sum(getattr(shard, name) for shard in component.shards)
        if whole != parts:
            raise InputError(
                f"{storage.describe()}: {component.split} component {component.name} has {whole:,} {name} in the "
                f"manifest, but its shards have {parts:,}"
            )
    if component.tokens and not component.documents:
        raise InputError(f"{storage.describe()}: component {component.name} has tokens and no document")


def _check_shard(shard: Shard, dtype: str, tokenizer: TokenizerFacts, storage: Storage, seed: int) -> None:
    for facts in _files_of(shard, storage):
        path = local_file(storage, facts.path)
        size = path.stat().st_size
        if size != facts.bytes:
            raise InputError(f"{path}: {size} bytes, but the manifest says {facts.bytes}")
    item = np.dtype(dtype).itemsize
    if shard.bin.bytes != shard.tokens * item:
        raise InputError(
            f"{storage.describe(shard.bin.path)}: {shard.bin.bytes} bytes cannot hold the manifest's "
            f"{shard.tokens} tokens of {dtype}"
        )
    index = local_file(storage, shard.idx.path)
    _check_index(index, shard, dtype)
    if shard.documents:
        generator = np.random.default_rng([seed, shard.documents, shard.tokens])
        chosen = np.unique(generator.integers(0, shard.documents, DOCUMENTS)).tolist()
        _check_documents(local_file(storage, shard.bin.path), index, chosen, shard, dtype, tokenizer)


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
        file.seek(len(head) + 4 * (sequences - 1))
        (length,) = struct.unpack("<i", file.read(4))
        file.seek(len(head) + 4 * sequences + 8 * (sequences - 1))
        (pointer,) = struct.unpack("<q", file.read(8))
    end = pointer + length * np.dtype(dtype).itemsize
    if end != shard.bin.bytes:
        raise InputError(f"{path}: its last document ends at byte {end} of {shard.bin.bytes} in the .bin")


def _check_documents(
    tokens: Path, index: Path, chosen: list[int], shard: Shard, dtype: str, tokenizer: TokenizerFacts
) -> None:
    """That these documents of a shard hold ids of the vocabulary and end and begin as the manifest says."""
    kind, head = np.dtype(dtype), len(_MAGIC) + _HEADER.size
    with tokens.open("rb") as file, index.open("rb") as positions:
        for number in chosen:
            positions.seek(head + 4 * number)
            (length,) = struct.unpack("<i", positions.read(4))
            positions.seek(head + 4 * shard.documents + 8 * number)
            (pointer,) = struct.unpack("<q", positions.read(8))
            if length < 1 or not 0 <= pointer <= shard.bin.bytes - length * kind.itemsize:
                raise InputError(
                    f"{index}: document {number} has {length} tokens at byte {pointer} of {shard.bin.bytes}"
                )
            file.seek(pointer)
            # Its beginning and its end: a document may be a book.
            first = np.frombuffer(file.read(min(length, 4096) * kind.itemsize), kind)
            file.seek(pointer + (length - 1) * kind.itemsize)
            last = int(np.frombuffer(file.read(kind.itemsize), kind)[0])
            largest = int(first.max())
            if largest >= tokenizer.vocab_size or int(first.min()) < 0:
                raise InputError(
                    f"{tokens}: document {number} has the token id {largest}, but the vocabulary has "
                    f"{tokenizer.vocab_size}"
                )
            if tokenizer.append_eod and last != tokenizer.eod_id:
                raise InputError(
                    f"{tokens}: document {number} ends with token {last}, but the manifest says that each ends "
                    f"with EOD, {tokenizer.eod_id}"
                )
            if tokenizer.prepend_bos and int(first[0]) != tokenizer.bos_id:
                raise InputError(
                    f"{tokens}: document {number} begins with token {int(first[0])}, but the manifest says that "
                    f"each begins with BOS, {tokenizer.bos_id}"
                )
