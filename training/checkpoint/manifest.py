"""A checkpoint's manifest: SHA-256 of its files, shape, type and digest of its tensors.

``manifest.json`` is written last but one; the commit record, which is last, holds its hash, so the record
vouches for every byte. Files tell what was cut short, edited or brought in from another save; tensors tell,
whatever the layout, that what was loaded is what was saved.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from hanji.errors import RunError
from hanji.fingerprint import file_sha256

MANIFEST = "manifest.json"
FORMAT = "hanji-checkpoint/1"
Verify = Literal["full", "sizes"]


@dataclass(frozen=True)
class FileEntry:
    """A file: ``bytes`` long, ``sha256`` in hexadecimal."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class TensorEntry:
    """A tensor as a whole: shape, torch's name of the type, and digest (hanji.training.checkpoint.digest)."""

    shape: tuple[int, ...]
    dtype: str
    digest: str


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint consists of: files by name, tensors by key."""

    step: int
    files: dict[str, FileEntry]
    tensors: dict[str, TensorEntry]

    def to_bytes(self) -> bytes:
        """As JSON, one tensor a line, keys sorted."""
        files = {name: asdict(entry) for name, entry in sorted(self.files.items())}
        tensors = {key: asdict(entry) for key, entry in sorted(self.tensors.items())}
        lines = [f'"format": {json.dumps(FORMAT)}', f'"step": {self.step}']
        for title, entries in (("files", files), ("tensors", tensors)):
            inside = ",\n".join(
                f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items()
            )
            lines.append(f'"{title}": {{\n{inside}\n}}')
        return ("{" + ",\n".join(lines) + "}\n").encode()


def read_manifest(directory: Path, sha256: str | None, step: int, advice: str) -> Manifest:
    """The manifest of a checkpoint whose commit record vouches for ``sha256``.

    Raises RunError naming the file when it is missing, is not the one that was committed or does not belong to
    this step; ``advice`` says what to do then.
    """
    path = directory / MANIFEST
    if sha256 is None:
        raise RunError(f"{directory}: its commit record vouches for no manifest; {advice}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); {advice}") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RunError(f"{path}: is not the manifest that was committed (its SHA-256 differs); {advice}")
    source = json.loads(data)
    if source["format"] != FORMAT or source["step"] != step:
        raise RunError(
            f"{path}: is of format {source['format']} and step {source['step']}, not {FORMAT} and {step}; {advice}"
        )
    return Manifest(
        step=step,
        files={name: FileEntry(**entry) for name, entry in source["files"].items()},
        tensors={
            key: TensorEntry(tuple(entry["shape"]), entry["dtype"], entry["digest"])
            for key, entry in source["tensors"].items()
        },
    )


def faults_of_files(directory: Path, manifest: Manifest, names: Iterable[str], verify: Verify) -> list[str]:
    """What is wrong with these files, a sentence each: missing, of another length, of other content."""
    faults = []
    for name in names:
        path, expected = directory / name, manifest.files[name]
        try:
            size = path.stat().st_size
            if size != expected.bytes:
                faults.append(f"{path}: has {size:,} bytes where {expected.bytes:,} were saved: it is torn")
            elif verify == "full" and file_sha256(path) != expected.sha256:
                faults.append(
                    f"{path}: is not the file that was saved (its SHA-256 differs): it was changed, or belongs "
                    "to another save"
                )
        except FileNotFoundError:
            faults.append(f"{path}: is missing")
        except OSError as error:
            faults.append(f"{path}: cannot be read ({error.strerror})")
    return faults
