"""Shards as the manifest promises them: documents in the order of the hash of their ids, cut by ranges of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from made_manifest import EOD, write_made_manifest

from hanji.fingerprint import file_sha256
from hanji.manifest import Component, FileFacts, Manifest, Shard
from hanji.shard_order import order_hash, shard_number
from hanji.storage import Storage

MAGIC = b"MMIDIDX\x00\x00"


def write_shards(
    root: Path, documents: Mapping[str, int], shards: Mapping[str, int], group_rows: int = 7
) -> Path:
    """Write ``documents[component]`` documents of 2 to 40 tokens into ``shards[component]`` shards each.

    Components are language/domain/tier/split. Sidecars have row groups of ``group_rows`` documents.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / "tokenizer.json").write_text('{"note": "stands for a tokenizer"}', "utf-8")
    components = []
    for name, count in documents.items():
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
        generator = np.random.default_rng(seed)
        ids = [hashlib.sha256(f"{name} {i}".encode()).hexdigest()[:32] for i in range(count)]
        lengths = dict(zip(ids, generator.integers(2, 41, count).tolist(), strict=True))
        found = dict(zip(ids, generator.choice([1, 1, 1, 2, 5], count).tolist(), strict=True))
        order = order_hash(ids)
        numbers = shard_number(order, shards[name])
        ranked = [ids[i] for i in np.lexsort((np.array(ids), order)).tolist()]
        of = dict(zip(ids, numbers.tolist(), strict=True))
        made = [
            _shard(
                root,
                f"{name}-{number:05d}",
                [i for i in ranked if of[i] == number],
                lengths,
                found,
                group_rows,
            )
            for number in range(shards[name])
        ]
        language, domain, tier, split = name.split("/")
        components.append(
            Component(
                language=language,
                domain=domain,
                tier=tier,
                split=split,
                documents=count,
                tokens=sum(lengths.values()),
                bytes=sum(shard.bytes for shard in made),
                shards=made,
            )
        )
    write_made_manifest(root, "lineage", components)
    return root


def token_owners(manifest: Manifest, storage: Storage) -> dict[str, list[str]]:
    """By train component the document of each of its tokens, in their order."""
    owners: dict[str, list[str]] = {}
    for component in manifest.select("train"):
        owners[component.name] = []
        for shard in component.shards:
            table = pq.read_table(storage.describe(shard.docs.path))
            for identity, tokens in zip(
                table["document_id"].to_pylist(), table["tokens"].to_pylist(), strict=True
            ):
                owners[component.name] += [identity] * tokens
    return owners


def _shard(
    root: Path, prefix: str, ids: list[str], lengths: dict[str, int], found: dict[str, int], group_rows: int
) -> Shard:
    (root / prefix).parent.mkdir(parents=True, exist_ok=True)
    counts = np.array([lengths[i] for i in ids], np.int64)
    ends = np.cumsum(counts)
    tokens = np.random.default_rng(len(ids)).integers(0, EOD, int(counts.sum())).astype(np.uint16)
    tokens[ends - 1] = EOD
    tokens.tofile(root / f"{prefix}.bin")
    header = np.array([1], "<u8").tobytes() + b"\x08" + np.array([len(ids), len(ids) + 1], "<u8").tobytes()
    index = [counts.astype("<i4"), (2 * (ends - counts)).astype("<i8"), np.arange(len(ids) + 1, dtype="<i8")]
    (root / f"{prefix}.idx").write_bytes(MAGIC + header + b"".join(part.tobytes() for part in index))
    clusters = np.array([found[i] for i in ids], np.int64)
    columns = {
        "document_id": pa.array(ids, pa.large_string()),
        "source": pa.array(["made"] * len(ids), pa.large_string()),
        "token_offset": pa.array(ends - counts, pa.int64()),
        "tokens": pa.array(counts, pa.int32()),
        "bytes": pa.array(3 * (counts - 1), pa.int64()),
        "occurrences": pa.array(np.ones(len(ids), np.int64)),
        "cluster": pa.nulls(len(ids), pa.large_string()),
        "cluster_size": pa.array(clusters, pa.int32()),
        "cluster_occurrences": pa.array(clusters, pa.int64()),
    }
    pq.write_table(pa.table(columns), root / f"{prefix}.docs.parquet", row_group_size=group_rows)

    def facts(suffix: str) -> FileFacts:
        path = root / f"{prefix}{suffix}"
        return FileFacts(path=f"{prefix}{suffix}", bytes=path.stat().st_size, sha256=file_sha256(path))

    return Shard(
        prefix=prefix,
        documents=len(ids),
        tokens=int(counts.sum()),
        bytes=int(3 * (counts - 1).sum()),
        bin=facts(".bin"),
        idx=facts(".idx"),
        docs=facts(".docs.parquet"),
    )
