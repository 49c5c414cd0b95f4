"""Earlier versions of shards: what a takedown replaced, as far as it takes to say what a model has seen.

A model goes on naming the shards that it was trained on, by the hash of their manifest, when a takedown has
replaced some of them. So the manifest that was replaced is kept, and those sidecars of it that the new one lacks:
ids and counts, and no tokens or text. They lie beside the shards, in the curation run's directory::

    RUN/takedown/earlier/<sha256 of the manifest>.json
    RUN/takedown/earlier/<language>/<domain>/<tier>/train-00000-<hash>.docs.parquet
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from hanji.errors import InputError
from hanji.manifest import MANIFEST, Manifest, Shard
from hanji.storage import Storage

EARLIER = "takedown/earlier"
"""Relative to a curation run, whose shards are in ``shards/``."""


@dataclass(frozen=True)
class ShardVersion:
    """Shards as their manifest with this SHA-256 lists them; ``roots`` are where its files may be."""

    manifest: Manifest
    sha256: str
    roots: tuple[Path, ...]

    def sidecar(self, shard: Shard) -> Path:
        """The sidecar of a shard. Raises InputError when it is nowhere, or is not as long as it was."""
        for root in self.roots:
            path = root / shard.docs.path
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                continue
            if size != shard.docs.bytes:
                raise InputError(f"{path}: {size} bytes, but the manifest says {shard.docs.bytes}")
            return path
        raise InputError(
            f"{shard.docs.path}: this shard's sidecar is gone from {', '.join(map(str, self.roots))}: the "
            "shards were curated anew since; `hanji curate` with the recipe of then makes them again"
        )


def keep_version(run: Storage, following: Manifest) -> None:
    """Keep what ``following`` is about to replace, if both follow the same decisions but for takedowns."""
    path = f"shards/{MANIFEST}"
    if not run.exists(path):
        return
    data = run.read_bytes(path)
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError:
        return  # of another format: nothing that this version could tell of a model
    if manifest == following or _decisions(manifest) != _decisions(following):
        return
    listed = {shard.docs.path for component in following.components for shard in component.shards}
    for component in manifest.components:
        for shard in component.shards:
            if shard.docs.path not in listed and run.exists(f"shards/{shard.docs.path}"):
                run.write_bytes(f"{EARLIER}/{shard.docs.path}", run.read_bytes(f"shards/{shard.docs.path}"))
    run.write_bytes(f"{EARLIER}/{hashlib.sha256(data).hexdigest()}.json", data)


def find_version(sha256: str, shards: Sequence[Path], manifests: Sequence[Path] = ()) -> ShardVersion | None:
    """The shards whose manifest has this hash; None where no such manifest is found.

    ``shards``: directories of shards to look in, and in what takedowns kept beside them. ``manifests``: files
    that may be the manifest, as a training run keeps one.
    """
    roots, candidates = [], list(manifests)
    for directory in dict.fromkeys(shards):
        earlier = directory.parent / EARLIER
        roots += [directory, earlier]
        candidates += [directory / MANIFEST, earlier / f"{sha256}.json"]
    for path in candidates:
        if not path.is_file():
            continue
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            continue
        try:
            return ShardVersion(Manifest.model_validate_json(data), sha256, tuple(roots))
        except ValidationError as error:
            raise InputError(f"{path}: not a manifest that this version understands: {error}") from None
    return None


def _decisions(manifest: Manifest) -> str:
    """Fingerprint of the decisions behind shards, takedowns left out."""
    return manifest.curation if manifest.takedown is None else manifest.takedown.of
