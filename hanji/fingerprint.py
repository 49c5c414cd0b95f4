"""Fingerprints: one way to turn settings, versions and contents into a short, stable key."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel


def fingerprint(value: Any) -> str:
    """32 hexadecimal digits (128-bit blake2b) of the canonical JSON of ``value``.

    Mappings are sorted by key; pydantic models count as their fields; floats by their shortest repr.
    """
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a local file, in hexadecimal, read in blocks."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=64)
def file_sha256_once(path: str, size: int, modified: int) -> str:
    """The same, read once a process for a file of this size and time of change (``st_mtime_ns``)."""
    return file_sha256(path)


def library_versions(*names: str) -> dict[str, str]:
    """Versions of installed distributions, "absent" for those that are not installed."""
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no canonical form")
