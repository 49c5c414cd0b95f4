"""Shards of made-up tokens for the benchmark of the data path, written as arrays and not document by document."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hanji.fingerprint import file_sha256
from hanji.manifest import Component, FileFacts, Manifest, Shard, TokenizerFacts, write_manifest
from hanji.storage import Storage

VOCABULARY = 32_000


def write_index(path: Path, lengths: np.ndarray) -> None:
    """A Megatron index of documents of these lengths (tokens), uint16."""
    pointers = 2 * (np.cumsum(lengths, dtype=np.int64) - lengths)
    with path.open("wb") as file:
        file.write(b"MMIDIDX\x00\x00" + struct.pack("<QBQQ", 1, 8, len(lengths), len(lengths) + 1))
        file.write(lengths.astype("<i4").tobytes())
        file.write(pointers.astype("<i8").tobytes())
        file.write(np.arange(len(lengths) + 1, dtype="<i8").tobytes())


def real_shards(root: Path, documents: Mapping[str, int], per_shard: int, seed: int = 1) -> Path:
    """Shards with these numbers of documents by component; lengths are log-normal, about 300 tokens in the mean,
    ids uniform, EOD 0."""
    components = []
    for name, count in documents.items():
        shards = []
        for number, first in enumerate(range(0, count, per_shard)):
            size = min(per_shard, count - first)
            digest = hashlib.sha256(f"{seed}/{name}/{number}".encode()).digest()
            generator = np.random.default_rng(int.from_bytes(digest[:8], "little"))
            lengths = np.minimum(generator.lognormal(5.2, 1.0, size), 50_000).astype(np.int64) + 2
            tokens = generator.integers(1, VOCABULARY, int(lengths.sum()), dtype=np.uint16)
            tokens[np.cumsum(lengths) - 1] = 0
            prefix = f"{name}/train-{number:05d}"
            (root / prefix).parent.mkdir(parents=True, exist_ok=True)
            tokens.tofile(root / f"{prefix}.bin")
            write_index(root / f"{prefix}.idx", lengths)
            shards.append(_shard(root, prefix, size, len(tokens)))
        components.append(_component(name, shards))
    return _manifest(root, components)


def sparse_shards(root: Path, shards: int, documents: int = 1_000_000, tokens: int = 1_000) -> Path:
    """So many shards of so many documents of so many tokens, all EOD, in files that take no room: one index and one
    hole, linked."""
    root.mkdir(parents=True, exist_ok=True)
    write_index(root / "one.idx", np.full(documents, tokens))
    with (root / "one.bin").open("wb") as file:
        file.truncate(2 * documents * tokens)
    components = []
    names = [f"{language}/web/{tier}" for language in ("en", "ko") for tier in ("high", "low")]
    for place, name in enumerate(names):
        found = []
        for number in range(place, shards, len(names)):
            prefix = f"{name}/train-{number:05d}"
            (root / prefix).parent.mkdir(parents=True, exist_ok=True)
            for suffix in ("bin", "idx"):
                os.link(root / f"one.{suffix}", root / f"{prefix}.{suffix}")
            found.append(_shard(root, prefix, documents, documents * tokens))
        if found:
            components.append(_component(name, found))
    return _manifest(root, components)


def _shard(root: Path, prefix: str, documents: int, tokens: int) -> Shard:
    facts = {
        kind: FileFacts(
            path=f"{prefix}.{suffix}", bytes=(root / f"{prefix}.{suffix}").stat().st_size, sha256="unread"
        )
        for kind, suffix in (("bin", "bin"), ("idx", "idx"))
    }
    docs = FileFacts(path=f"{prefix}.docs.parquet", bytes=0, sha256="none")
    return Shard(prefix=prefix, documents=documents, tokens=tokens, bytes=3 * tokens, docs=docs, **facts)


def _component(name: str, shards: list[Shard]) -> Component:
    language, domain, tier = name.split("/")
    return Component(
        language=language,
        domain=domain,
        tier=tier,
        split="train",
        documents=sum(shard.documents for shard in shards),
        tokens=sum(shard.tokens for shard in shards),
        bytes=sum(shard.bytes for shard in shards),
        shards=shards,
    )


def _manifest(root: Path, components: list[Component]) -> Path:
    (root / "tokenizer.json").write_text('{"note": "stands for a tokenizer"}', encoding="utf-8")
    tokenizer = TokenizerFacts(
        file="tokenizer.json",
        sha256=file_sha256(root / "tokenizer.json"),
        vocab_size=VOCABULARY,
        eod_id=0,
        eod_token="<eod>",
    )
    manifest = Manifest(
        recipe="made up", curation="0" * 32, tokenizer=tokenizer, dtype="uint16", components=components
    )
    write_manifest(Storage(root), manifest)
    return root
