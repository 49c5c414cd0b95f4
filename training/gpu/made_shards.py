"""Shards of token ids made up on the spot, by Megatron's own builder: for checks and tests of training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

from hanji.fingerprint import file_sha256
from hanji.manifest import FileFacts, Shard


def write_shard(root: Path, prefix: str, documents: Iterable[np.ndarray], source: str) -> Shard:
    """Write PREFIX.bin, .idx and .docs.parquet below ``root``.

    documents: token ids below 65,536, one-dimensional, each ending with EOD. A token but EOD counts as three bytes.
    """
    (root / prefix).parent.mkdir(parents=True, exist_ok=True)
    builder = IndexedDatasetBuilder(str(root / f"{prefix}.bin"), dtype=np.uint16)
    lengths = []
    for document in documents:
        builder.add_item(torch.from_numpy(document.astype(np.int32)))
        builder.end_document()
        lengths.append(len(document))
    builder.finalize(str(root / f"{prefix}.idx"))
    counts = np.array(lengths)
    columns = {
        "document_id": pa.array([f"{prefix}{i}" for i in range(len(lengths))], pa.large_string()),
        "source": pa.array([source] * len(lengths), pa.large_string()),
        "token_offset": pa.array(np.cumsum(counts) - counts, pa.int64()),
        "tokens": pa.array(counts, pa.int32()),
        "bytes": pa.array(3 * (counts - 1), pa.int64()),
        "occurrences": pa.array(np.ones(len(lengths)), pa.int64()),
        "cluster": pa.nulls(len(lengths), pa.large_string()),
        "cluster_size": pa.array(np.ones(len(lengths)), pa.int32()),
        "cluster_occurrences": pa.array(np.ones(len(lengths)), pa.int64()),
    }
    pq.write_table(pa.table(columns), root / f"{prefix}.docs.parquet")

    def facts(suffix: str) -> FileFacts:
        path = root / f"{prefix}{suffix}"
        return FileFacts(path=f"{prefix}{suffix}", bytes=path.stat().st_size, sha256=file_sha256(path))

    return Shard(
        prefix=prefix,
        documents=len(lengths),
        tokens=int(counts.sum()),
        bytes=int(3 * (counts - 1).sum()),
        bin=facts(".bin"),
        idx=facts(".idx"),
        docs=facts(".docs.parquet"),
    )
