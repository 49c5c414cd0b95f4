"""Sidecars of shards that a test changes, with the manifest that says so."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hanji.fingerprint import file_sha256


def write_sidecar(shards: Path, path: Path, table: pa.Table) -> None:
    """Put a table in a sidecar's place, and its size and hash in the manifest."""
    pq.write_table(table, path)
    place = shards / "manifest.json"
    manifest = json.loads(place.read_text("utf-8"))
    name = path.relative_to(shards).as_posix()
    docs = [
        shard["docs"]
        for component in manifest["components"]
        for shard in component["shards"]
        if shard["docs"]["path"] == name
    ]
    assert len(docs) == 1, f"{name} is not one sidecar of the manifest"
    docs[0] |= {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    place.write_text(json.dumps(manifest), "utf-8")
